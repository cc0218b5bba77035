//===- ProductRules.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matrix products and norms. The terms of one sum must all have one exponent. If the operand's
// exponents differ along the axis that is summed over, the rows of the weight must have changed by
// the inverse.
//
//===----------------------------------------------------------------------===//

#include "Rules.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

using Results = ScaleResults;

static bool hasRankOfMatrix(Value value) {
  TensorInfo info = getTensorInfo(value);
  return info.hasRank() && info.rank() >= 2;
}

Results basin::applyMatMulRule(const NodePair &node) {
  Value b = node.after->getOperand(1);
  // A tied head multiplies by the transposed embedding table, so the tables are compared.
  if (Value table = node.operands[1] ? Value() : getTransposed(b)) {
    std::optional<Scale> left = node.scaleOf(0);
    std::optional<Scale> out = left ? compareMatrices(getTransposed(node.before->getOperand(1)),
                                                      table, *left, /*transposed=*/true)
                                    : std::nullopt;
    return out ? Results(SmallVector<Scale>{*out}) : std::nullopt;
  }
  std::optional<Scale> left = node.scaleOf(0);
  if (!left)
    return std::nullopt;
  if (isConstantOp(b)) {
    if (hasRankOfMatrix(b) && !node.operands[1]) {
      std::optional<Scale> out =
          compareMatrices(node.before->getOperand(1), b, *left, /*transposed=*/false);
      return out ? Results(SmallVector<Scale>{*out}) : std::nullopt;
    }
    // The product with a vector sums up all of its elements, so nothing is left along the last
    // axis.
    std::optional<Scale> right = node.scaleOf(1);
    std::optional<Scale> sum = right ? Scale::combine(*left, *right) : std::nullopt;
    return sum && sum->isUniform() ? Results(SmallVector<Scale>{*sum}) : std::nullopt;
  }
  // The columns of a computed matrix are its last axis, so its exponents along that axis are the
  // product's. Its rows have one exponent, and so must the left operand.
  std::optional<Scale> right = node.scaleOf(1);
  if (!right || !left->isUniform() || !(right->isUniform() || hasRankOfMatrix(b)))
    return std::nullopt;
  std::optional<Scale> out = Scale::combine(*left, *right);
  return out ? Results(SmallVector<Scale>{*out}) : std::nullopt;
}

Results basin::applyGemmRule(const NodePair &node) {
  auto gemm = cast<GemmOp>(node.after);
  std::optional<Scale> left = node.scaleOf(0);
  if (!left || gemm.getTransA().value_or(0) != 0)
    return std::nullopt;
  bool transposed = gemm.getTransB().value_or(0) != 0;
  std::optional<Scale> out;
  if (isConstantOp(gemm.getB()) && !node.operands[1]) {
    out = compareMatrices(node.before->getOperand(1), gemm.getB(), *left, transposed);
  } else {
    std::optional<Scale> right = node.scaleOf(1);
    if (right && left->isUniform() && (right->isUniform() || !transposed))
      out = Scale::combine(*left, *right);
  }
  if (out && node.has(2)) {
    std::optional<Scale> bias = node.scaleOf(2);
    out = bias ? Scale::meet(*out, *bias) : std::nullopt;
  }
  return out ? Results(SmallVector<Scale>{*out}) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

namespace {
/// The indices of a norm's parts among its operands, or -1 if the norm has no such part. `epsilon`
/// is used if the attribute is absent.
struct NormOperands {
  int skip = -1, weight, bias = -1, skipBias = -1;
  float epsilon = 1e-5f;
};
} // namespace

static std::optional<NormOperands> getNormOperands(Operation *op) {
  if (isa<LayerNormalizationOp>(op))
    return NormOperands{-1, 1, 2, -1};
  if (isa<RMSNormalizationOp, SimplifiedLayerNormalizationOp, MSSimplifiedLayerNormalizationOp>(op))
    return NormOperands{-1, 1, -1, -1};
  if (isa<MSSkipLayerNormalizationOp>(op))
    return NormOperands{1, 2, 3, 4, 1e-12f};
  if (isa<MSSkipSimplifiedLayerNormalizationOp>(op))
    return NormOperands{1, 2, -1, 3, 1e-12f};
  return std::nullopt;
}

static float getEpsilon(Operation *op, float absent) {
  auto attr = op->getAttrOfType<FloatAttr>("epsilon");
  return attr ? attr.getValue().convertToFloat() : absent;
}

/// Returns whether all attributes but eps are equal and the axis is the last one.
static bool isSameNorm(const NodePair &node) {
  auto rest = [](Operation *op) {
    NamedAttrList attrs(cast<NodeInterface>(op).getNodeAttrs());
    attrs.erase("epsilon");
    return attrs.getDictionary(op->getContext());
  };
  if (rest(node.before) != rest(node.after))
    return false;
  auto axis = node.after->getAttrOfType<IntegerAttr>("axis");
  TensorInfo info = getTensorInfo(node.after->getOperand(0));
  return !axis || axis.getInt() == -1 || (info.hasRank() && axis.getInt() == info.rank() - 1);
}

/// Returns whether the operand is absent or has the exponents `wanted`. Elements that are 0 fit any
/// exponent.
static bool fits(const NodePair &node, int index, const Scale &wanted) {
  if (index < 0 || !node.has(index))
    return true;
  std::optional<Scale> scale = node.scaleOf(index);
  return scale && Scale::meet(*scale, wanted);
}

std::optional<Results> basin::applyNormRule(const NodePair &node) {
  std::optional<NormOperands> parts = getNormOperands(node.after);
  if (!parts)
    return std::nullopt;
  Results none;
  std::optional<Scale> x = node.scaleOf(0), weight = node.scaleOf(parts->weight);
  if (!isSameNorm(node) || !x || !weight || !x->isUniform() || !fits(node, parts->skip, *x) ||
      !fits(node, parts->skipBias, *x))
    return none;
  std::optional<Scale> y = weight;
  if (parts->bias >= 0 && node.has(parts->bias)) {
    std::optional<Scale> bias = node.scaleOf(parts->bias);
    y = bias ? Scale::meet(*weight, *bias) : std::nullopt;
  }
  if (!y)
    return none;
  // A norm adds eps to the mean of squares, so eps changes by twice the exponent.
  float before = getEpsilon(node.before, parts->epsilon),
        after = getEpsilon(node.after, parts->epsilon);
  if (after != std::ldexp(before, 2 * x->value()))
    return none;
  SmallVector<Scale> out(node.after->getNumResults(), *y);
  // The other results are the mean, the inverse of the deviation, and the sum with the residual.
  std::optional<Scale> inverse = x->times(-1);
  bool isCentred = isa<LayerNormalizationOp, MSSkipLayerNormalizationOp>(node.after);
  for (auto [i, scale] : llvm::enumerate(out))
    if (i == 3 || (i == 1 && isCentred))
      scale = *x;
    else if (i == 1 || i == 2)
      scale = *inverse;
  return Results(std::move(out));
}
