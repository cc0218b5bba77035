//===- Size.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Plan/Size.h"

#include "basin/Dialect/ONNX/IR/SizeSum.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;
namespace json = llvm::json;

Size::Size(int64_t number) { add({}, number); }

std::optional<Size> Size::of(const onnx::Dim &dim) {
  if (dim.isStatic())
    return Size(dim.size);
  // A plan's JSON cannot have other names, and names that were mended might become equal.
  if (!dim.isSymbol() || !json::isUTF8(dim.name.getValue()))
    return std::nullopt;
  Size size;
  if (std::optional<onnx::SizeSum> sum = onnx::SizeSum::get(dim)) {
    sum->visitProducts([&](ArrayRef<StringAttr> symbols, int64_t factor) {
      std::vector<std::string> names;
      for (StringAttr symbol : symbols)
        names.push_back(symbol.str());
      size.add(std::move(names), factor);
    });
    return size;
  }
  // Exporters also write sums as names, like "past + 1", whose parts mean nothing here.
  if (dim.name.getValue().starts_with("?"))
    return std::nullopt;
  size.add({dim.name.str()}, 1);
  return size;
}

void Size::add(std::vector<std::string> symbols, int64_t factor) {
  llvm::sort(symbols);
  auto place = terms.try_emplace(std::move(symbols), 0).first;
  if (llvm::AddOverflow(place->second, factor, place->second))
    overflown = true;
  if (place->second == 0)
    terms.erase(place);
}

Size Size::operator+(const Size &other) const {
  Size sum = *this;
  sum.overflown |= other.overflown;
  for (const auto &[symbols, factor] : other.terms)
    sum.add(symbols, factor);
  return sum;
}

Size Size::operator*(const Size &other) const {
  Size product;
  product.overflown = overflown || other.overflown;
  for (const auto &[left, a] : terms)
    for (const auto &[right, b] : other.terms) {
      std::vector<std::string> symbols = left;
      symbols.insert(symbols.end(), right.begin(), right.end());
      int64_t factor = 0;
      product.overflown |= llvm::MulOverflow(a, b, factor) != 0;
      product.add(std::move(symbols), factor);
    }
  return product;
}

std::optional<int64_t> Size::getNumber() const {
  if (terms.empty())
    return 0;
  if (terms.size() == 1 && terms.begin()->first.empty())
    return terms.begin()->second;
  return std::nullopt;
}

std::optional<int64_t> Size::getLeast() const {
  int64_t least = 0;
  for (const auto &[symbols, factor] : terms) {
    if (symbols.empty())
      least = factor;
    else if (factor < 0)
      return std::nullopt;
  }
  return least;
}

std::optional<onnx::Dim> Size::toDim(MLIRContext *context) const {
  onnx::SizeSum sum;
  for (const auto &[symbols, factor] : terms) {
    std::optional<onnx::SizeSum> product = onnx::SizeSum::get(onnx::Dim(factor));
    for (const std::string &symbol : symbols) {
      std::optional<onnx::SizeSum> one =
          onnx::SizeSum::get(onnx::Dim(StringAttr::get(context, symbol)));
      product = product && one ? onnx::SizeSum::multiply(*product, *one) : std::nullopt;
    }
    std::optional<onnx::SizeSum> next = product ? onnx::SizeSum::add(sum, *product) : std::nullopt;
    if (!next)
      return std::nullopt;
    sum = *next;
  }
  return sum.toDim();
}

bool Size::isMultipleOf(int64_t number) const {
  return llvm::all_of(terms, [&](const auto &term) { return term.second % number == 0; });
}

std::optional<StringRef> Size::getSymbol() const {
  bool isOne = terms.size() == 1 && terms.begin()->first.size() == 1 && terms.begin()->second == 1;
  return isOne ? std::optional<StringRef>(terms.begin()->first.front()) : std::nullopt;
}

void Size::visitSymbols(llvm::function_ref<void(StringRef)> visit) const {
  for (const auto &term : terms)
    for (const std::string &symbol : term.first)
      visit(symbol);
}

json::Value Size::toJSON() const {
  if (std::optional<int64_t> number = getNumber())
    return *number;
  json::Array sum;
  for (const auto &[symbols, factor] : terms) {
    json::Array product{factor};
    for (const std::string &symbol : symbols)
      product.push_back(symbol);
    sum.push_back(std::move(product));
  }
  return json::Object{{"sum", std::move(sum)}};
}

std::string Size::toString() const {
  if (std::optional<int64_t> number = getNumber())
    return std::to_string(*number);
  std::string text;
  for (const auto &[symbols, factor] : terms) {
    text += text.empty() ? "" : " + ";
    bool hasNumber = factor != 1 || symbols.empty();
    if (hasNumber)
      text += std::to_string(factor);
    for (auto [i, symbol] : llvm::enumerate(symbols))
      text += (i > 0 || hasNumber ? " * " : "") + symbol;
  }
  return text;
}

Size plan::multiply(ArrayRef<Size> sizes) {
  Size product = 1;
  for (const Size &size : sizes)
    product = product * size;
  return product;
}

Sizes plan::getContiguousStrides(ArrayRef<Size> sizes) {
  Sizes strides(sizes.size());
  Size stride = 1;
  for (size_t axis = sizes.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride = stride * sizes[axis];
  }
  return strides;
}
