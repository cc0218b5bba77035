//===- QuantizedRules.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rules of operators with scales. Integers have no exponent, so what is made of them has that
// of the scale, and a tensor that is quantized must differ as its scale does. A scale that has an
// element for each position of another axis than the last counts only if it changed as a whole.
//
//===----------------------------------------------------------------------===//

#include "Rules.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

static bool isNone(const NodePair &node, unsigned i) {
  std::optional<Scale> scale = node.scaleOf(i);
  return scale && scale->isNone();
}

/// (x - zero) * scale
static ScaleResults dequantizeRule(const NodePair &node) {
  std::optional<Scale> scale = node.scaleOf(1);
  if (!scale || !isNone(node, 0) || (node.has(2) && !isNone(node, 2)))
    return std::nullopt;
  if (!scale->isUniform()) {
    TensorInfo of = getTensorInfo(node.after->getOperand(1)),
               x = getTensorInfo(node.after->getOperand(0));
    auto attr = node.after->getAttrOfType<IntegerAttr>("axis");
    int64_t axis = attr ? attr.getInt() : 1;
    if (!of.hasRank() || !x.hasRank() || x.rank() == 0 || !x[x.rank() - 1].isStatic() ||
        x[x.rank() - 1].size != static_cast<int64_t>(scale->size()))
      return std::nullopt;
    bool isAlongLast = (axis < 0 ? axis + x.rank() : axis) == x.rank() - 1;
    // A scale of blocks has the rank of x.
    if (of.rank() != x.rank() && !(of.rank() == 1 && isAlongLast))
      return std::nullopt;
  }
  return SmallVector<Scale>{*scale};
}

/// round(x / scale) + zero
static ScaleResults quantizeRule(const NodePair &node) {
  std::optional<Scale> x = node.scaleOf(0), scale = node.scaleOf(1);
  if (!x || !scale || !x->isUniform() || !scale->isUniform() || (node.has(2) && !isNone(node, 2)))
    return std::nullopt;
  std::optional<Scale> quotient = Scale::combine(*x, *scale, -1);
  if (!quotient || !quotient->isNone())
    return std::nullopt;
  return SmallVector<Scale>{Scale()};
}

std::optional<ScaleResults> basin::applyQuantizedRule(const NodePair &node) {
  if (isa<DequantizeLinearOp>(node.after))
    return dequantizeRule(node);
  if (isa<QuantizeLinearOp>(node.after))
    return quantizeRule(node);
  if (!isa<MSMatMulNBitsOp>(node.after))
    return std::nullopt;
  // x (q - zero) * scales: only the scales may differ, and all alike.
  std::optional<Scale> scale = node.scaleOf(2);
  for (unsigned i = 0; i < node.operands.size(); ++i)
    if (i != 2 && node.has(i) && !isNone(node, i))
      return ScaleResults();
  constexpr unsigned kBias = 5;
  if (!scale || !scale->isUniform() || (node.has(kBias) && !scale->isNone()))
    return ScaleResults();
  return ScaleResults(SmallVector<Scale>{*scale});
}
