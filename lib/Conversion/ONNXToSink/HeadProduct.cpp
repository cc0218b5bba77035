//===- HeadProduct.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the products of attention. An Einsum names its axes: those that both operands and the
// result have are batch and heads, one is summed over, and one of each operand is a row or a column
// of the result. The order of these letters in a term tells the layout.
//
//===----------------------------------------------------------------------===//

#include "HeadPath.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace basin::onnx;
using basin::sink::Layout;

/// Writes the axes of an ellipsis as the letters "1" and "2". Both operands must have them.
static bool expandEllipses(EinsumOp einsum, std::array<std::string, 3> &terms) {
  constexpr StringLiteral kEllipsis = "...";
  std::optional<int64_t> hidden;
  for (unsigned i : {0u, 1u}) {
    std::optional<int64_t> rank = getRank(einsum->getOperand(i));
    int64_t named = static_cast<int64_t>(terms[i].size() - kEllipsis.size());
    if (!StringRef(terms[i]).contains(kEllipsis) || !rank || *rank < named ||
        (hidden && *hidden != *rank - named))
      return false;
    hidden = *rank - named;
  }
  StringRef letters = "12";
  if (*hidden > static_cast<int64_t>(letters.size()))
    return false;
  for (std::string &term : terms)
    if (size_t at = term.find(kEllipsis); at != std::string::npos)
      term.replace(at, kEllipsis.size(), letters.take_front(*hidden));
  return true;
}

/// Returns the terms of an Einsum of two operands, one letter for each axis, or nothing if a letter
/// occurs twice in a term, or if an ellipsis stands for axes of unknown number.
static std::optional<std::array<std::string, 3>> parseEinsum(EinsumOp einsum) {
  std::string equation = einsum.getEquation().value_or("").str();
  llvm::erase(equation, ' ');
  auto [left, out] = StringRef(equation).split("->");
  auto [first, second] = left.split(',');
  if (einsum->getNumOperands() != 2 || out.empty() || second.contains(','))
    return std::nullopt;
  std::array<std::string, 3> terms{first.str(), second.str(), out.str()};
  if (StringRef(equation).contains("...") && !expandEllipses(einsum, terms))
    return std::nullopt;
  for (const std::string &term : terms)
    for (char letter : term)
      if (!llvm::isAlnum(letter) || llvm::count(term, letter) != 1)
        return std::nullopt;
  return terms;
}

/// Returns the layout of a term in which `row` is the sequence and `column` a head's element.
/// `shared` has the letters of batch and heads, or one of both.
static std::optional<Layout> readLayout(StringRef term, StringRef shared, char row, char column) {
  std::string rows(1, row), columns(1, column);
  if (term == shared.str() + rows + columns)
    return Layout::bhsd;
  if (term == shared.str() + columns + rows)
    return Layout::bhds;
  if (shared.size() == 2 &&
      term == shared.take_front().str() + rows + shared.take_back().str() + columns)
    return Layout::bshd;
  if (shared.size() == 2 && term == rows + shared.str() + columns)
    return Layout::sbhd;
  return std::nullopt;
}

/// Reads the product with the operands in this order. Returns nothing if its result has rows or
/// columns elsewhere.
static std::optional<HeadProduct>
readEinsum(EinsumOp einsum, const std::array<std::string, 3> &terms, unsigned first) {
  const std::string &a = terms[first], &b = terms[1 - first], &out = terms[2];
  std::string shared, summed, rows, columns;
  for (char letter : out)
    (StringRef(a).contains(letter) ? StringRef(b).contains(letter) ? shared : rows : columns) +=
        letter;
  for (char letter : a)
    if (!StringRef(out).contains(letter))
      summed += letter;
  if (shared.empty() || shared.size() > 2 || summed.size() != 1 || rows.size() != 1 ||
      columns.size() != 1 || a.size() != shared.size() + 2 || b.size() != a.size() ||
      out.size() != a.size() || !StringRef(b).contains(summed) || !StringRef(b).contains(columns))
    return std::nullopt;
  HeadProduct product{einsum->getOperand(first), einsum->getOperand(1 - first)};
  std::optional<Layout> query = readLayout(a, shared, rows[0], summed[0]);
  std::optional<Layout> result = readLayout(out, shared, rows[0], columns[0]);
  product.key = readLayout(b, shared, columns[0], summed[0]);
  product.value = readLayout(b, shared, summed[0], columns[0]);
  if (!query || !result || result == Layout::bhds || (!product.key && !product.value))
    return std::nullopt;
  product.query = *query;
  product.result = *result;
  return product;
}

std::optional<HeadProduct> basin::onnx::matchHeadProduct(Operation *op, Value first) {
  if (auto matmul = dyn_cast<MatMulOp>(op))
    return HeadProduct{matmul.getA(), matmul.getB()};
  if (auto einsum = dyn_cast<EinsumOp>(op)) {
    std::optional<std::array<std::string, 3>> terms = parseEinsum(einsum);
    if (!terms)
      return std::nullopt;
    if (first)
      return readEinsum(einsum, *terms, einsum->getOperand(0) == first ? 0 : 1);
    std::optional<HeadProduct> product = readEinsum(einsum, *terms, 0);
    return product ? product : readEinsum(einsum, *terms, 1);
  }
  auto fused = dyn_cast<MSFusedMatMulOp>(op);
  if (!fused || fused.getTransA().value_or(0) != 0 || fused.getTransBatchA().value_or(0) != 0 ||
      fused.getTransBatchB().value_or(0) != 0)
    return std::nullopt;
  HeadProduct product{fused.getA(), fused.getB()};
  if (std::optional<APFloat> alpha = fused.getAlpha())
    product.factor = static_cast<double>(alpha->convertToFloat());
  if (fused.getTransB().value_or(0) != 0)
    std::swap(product.key, product.value);
  return product;
}

std::optional<HeadProduct> basin::onnx::matchScores(Operation *op) {
  std::optional<HeadProduct> product = matchHeadProduct(op);
  return product && product->key && product->result == Layout::bhsd ? product : std::nullopt;
}

std::optional<HeadProduct> basin::onnx::matchWeightedValues(Operation *op, Value probabilities) {
  std::optional<HeadProduct> product = matchHeadProduct(op, probabilities);
  // The probabilities' rows are queries, and their columns keys.
  bool isValues = product && product->a == probabilities && product->b != probabilities &&
                  product->value && product->query == Layout::bhsd && product->factor == 1;
  return isValues ? product : std::nullopt;
}
