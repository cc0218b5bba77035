//===- SizeSum.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products are kept in order, so that equal sums have one spelling.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/SizeSum.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::onnx;

static constexpr StringLiteral kBegin = "?(", kEnd = ")", kPlus = " + ", kTimes = " * ";
static constexpr size_t kMaxProducts = 4, kMaxSymbols = 4;

bool SizeSum::InOrder::operator()(const Symbols &a, const Symbols &b) const {
  auto before = [](StringAttr x, StringAttr y) { return x.getValue() < y.getValue(); };
  return std::lexicographical_compare(b.begin(), b.end(), a.begin(), a.end(), before);
}

/// Returns whether a name can stand in the spelling of a sum.
static bool isPlain(StringRef name) {
  return !name.empty() && !name.starts_with("?") && !name.contains(kPlus) &&
         !name.contains(kTimes) && !name.contains(kEnd) && !llvm::isDigit(name.front());
}

bool SizeSum::isShort() const {
  return products.size() <= kMaxProducts && llvm::all_of(products, [](const auto &product) {
           return product.first.size() <= kMaxSymbols;
         });
}

/// Adds a product. Returns false if the factor overflows.
bool SizeSum::addProduct(Symbols symbols, int64_t factor) {
  llvm::sort(symbols, [](StringAttr x, StringAttr y) { return x.getValue() < y.getValue(); });
  int64_t &sum = products[symbols];
  if (llvm::AddOverflow(sum, factor, sum))
    return false;
  if (sum == 0)
    products.erase(symbols);
  return true;
}

/// Reads what `toDim` spells.
std::optional<SizeSum> SizeSum::parse(StringAttr name) {
  StringRef text = name.getValue();
  SizeSum sum;
  if (!text.consume_front(kBegin) || !text.consume_back(kEnd))
    return std::nullopt;
  SmallVector<StringRef> terms;
  text.split(terms, kPlus);
  for (StringRef term : terms) {
    SmallVector<StringRef> factors;
    term.split(factors, kTimes);
    int64_t factor = 1;
    if (!factors.front().getAsInteger(10, factor))
      factors.erase(factors.begin());
    Symbols symbols;
    for (StringRef symbol : factors) {
      if (!isPlain(symbol))
        return std::nullopt;
      symbols.push_back(StringAttr::get(name.getContext(), symbol));
    }
    if (factor <= 0 || !sum.addProduct(symbols, factor))
      return std::nullopt;
  }
  return sum;
}

std::optional<SizeSum> SizeSum::get(const Dim &dim) {
  SizeSum sum;
  if (dim.isStatic())
    return dim.size >= 0 && sum.addProduct({}, dim.size) ? std::optional(sum) : std::nullopt;
  if (!dim.isSymbol())
    return std::nullopt;
  if (dim.name.getValue().starts_with(kBegin))
    return parse(dim.name);
  if (!isPlain(dim.name.getValue()) || !sum.addProduct({dim.name}, 1))
    return std::nullopt;
  return sum;
}

std::optional<SizeSum> SizeSum::add(const SizeSum &a, const SizeSum &b) {
  SizeSum sum = a;
  for (const auto &[symbols, factor] : b.products)
    if (!sum.addProduct(symbols, factor))
      return std::nullopt;
  return sum.isShort() ? std::optional(sum) : std::nullopt;
}

std::optional<SizeSum> SizeSum::subtract(const SizeSum &a, const SizeSum &b) {
  SizeSum sum = a;
  for (const auto &[symbols, factor] : b.products)
    if (!sum.addProduct(symbols, -factor))
      return std::nullopt;
  // Where a product is negative, the sizes decide whether the difference is.
  if (llvm::any_of(sum.products, [](const auto &product) { return product.second < 0; }))
    return std::nullopt;
  return sum;
}

std::optional<SizeSum> SizeSum::multiply(const SizeSum &a, const SizeSum &b) {
  SizeSum result;
  for (const auto &[left, x] : a.products)
    for (const auto &[right, y] : b.products) {
      Symbols symbols = left;
      llvm::append_range(symbols, right);
      int64_t factor;
      if (llvm::MulOverflow(x, y, factor) || !result.addProduct(symbols, factor))
        return std::nullopt;
    }
  return result.isShort() ? std::optional(result) : std::nullopt;
}

std::optional<SizeSum> SizeSum::divide(const SizeSum &a, const SizeSum &b) {
  if (b.products.size() != 1)
    return std::nullopt;
  const auto &[divisor, number] = *b.products.begin();
  SizeSum result;
  for (const auto &[symbols, factor] : a.products) {
    Symbols rest = symbols;
    for (StringAttr symbol : divisor) {
      auto *it = llvm::find(rest, symbol);
      if (it == rest.end())
        return std::nullopt;
      rest.erase(it);
    }
    if (factor % number != 0 || !result.addProduct(rest, factor / number))
      return std::nullopt;
  }
  return result;
}

std::optional<std::pair<int64_t, SmallVector<StringAttr>>> SizeSum::getProduct() const {
  if (products.size() != 1)
    return std::nullopt;
  return std::pair(products.begin()->second, products.begin()->first);
}

Dim SizeSum::toDim() const {
  if (products.empty())
    return 0;
  const auto &[first, factor] = *products.begin();
  if (products.size() == 1 && first.empty())
    return factor;
  if (products.size() == 1 && first.size() == 1 && factor == 1)
    return first.front();
  std::string text = kBegin.str();
  for (const auto &[symbols, factor] : products) {
    SmallVector<std::string> factors;
    if (factor != 1 || symbols.empty())
      factors.push_back(std::to_string(factor));
    for (StringAttr symbol : symbols)
      factors.push_back(symbol.str());
    if (text.size() > kBegin.size())
      text += kPlus;
    text += llvm::join(factors, kTimes);
  }
  return StringAttr::get(first.front().getContext(), text + kEnd.str());
}

void SizeSum::visitProducts(llvm::function_ref<void(ArrayRef<StringAttr>, int64_t)> visit) const {
  for (const auto &[symbols, factor] : products)
    visit(symbols, factor);
}
