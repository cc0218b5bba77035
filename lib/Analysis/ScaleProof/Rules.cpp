//===- Rules.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rules by kind of operator. The operands of a sum must have equal exponents, a product adds
// them, and roots and powers multiply them. An op that moves elements keeps the exponents of the
// last axis if that axis stays. Matrix products and norms have a file of their own.
//
//===----------------------------------------------------------------------===//

#include "Rules.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

using Results = ScaleResults;

bool NodePair::has(unsigned i) const { return getInputOrNull(after, i) != nullptr; }

std::optional<Scale> NodePair::scaleOf(unsigned i) const {
  if (i >= operands.size())
    return std::nullopt;
  if (operands[i])
    return operands[i];
  if (!has(i))
    return Scale();
  return compareConstants(before->getOperand(i), after->getOperand(i));
}

static Results each(const NodePair &node, const Scale &scale) {
  return SmallVector<Scale>(node.after->getNumResults(), scale);
}

static std::optional<int64_t> lastDim(Value value) {
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank() || info.rank() == 0 || !info[info.rank() - 1].isStatic())
    return std::nullopt;
  return info[info.rank() - 1].size;
}

/// Returns `scale` if it fits the last axis of `value`. A vector of another length belongs to an
/// operand that is broadcast, or has no meaning for `value`.
static std::optional<Scale> along(const Scale &scale, Value value) {
  if (scale.isUniform() || lastDim(value) == int64_t(scale.size()))
    return scale;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

/// All operands from `first` on must have the same exponents. This is the rule of sums and of
/// choices between operands.
static Results sumRule(const NodePair &node, unsigned first = 0) {
  std::optional<Scale> all = Scale(Scale::kAny);
  for (unsigned i = first; all && i < node.operands.size(); ++i)
    if (node.has(i)) {
      std::optional<Scale> one = node.scaleOf(i);
      all = one ? Scale::meet(*all, *one) : std::nullopt;
    }
  if (!all || !along(*all, node.after->getResult(0)))
    return std::nullopt;
  return each(node, *all);
}

static Results productRule(const NodePair &node, int sign) {
  std::optional<Scale> a = node.scaleOf(0), b = node.scaleOf(1);
  std::optional<Scale> product = a && b ? Scale::combine(*a, *b, sign) : std::nullopt;
  if (!product || !along(*product, node.after->getResult(0)))
    return std::nullopt;
  return each(node, *product);
}

static Results powerRule(const NodePair &node, int numerator, int denominator) {
  std::optional<Scale> scale = node.scaleOf(0);
  scale = scale ? scale->times(numerator, denominator) : std::nullopt;
  return scale ? each(node, *scale) : std::nullopt;
}

static Results powRule(const NodePair &node) {
  std::optional<Scale> exponent = node.scaleOf(1);
  std::optional<double> power = getConstantScalar(node.after->getOperand(1));
  if (!exponent || !exponent->isNone())
    return std::nullopt;
  // A positive power of 0 is 0 again, and any exponent fits 0. Other powers of 0 are not 0.
  if (std::optional<Scale> base = node.scaleOf(0); base && base->isNone())
    return each(node, power && *power > 0 ? *base : Scale());
  double twice = power ? *power * 2 : 0.5;
  if (twice != std::trunc(twice) || std::abs(twice) > 64)
    return std::nullopt;
  return powerRule(node, static_cast<int>(twice), 2);
}

/// where(condition, x, y) chooses elements of x and y, so only the condition must not differ.
static Results whereRule(const NodePair &node) {
  std::optional<Scale> condition = node.scaleOf(0);
  return condition && condition->isNone() ? sumRule(node, 1) : std::nullopt;
}

static Results castRule(const NodePair &node) {
  auto isReal = [](Value value) {
    Type type = getTensorInfo(value).element;
    return type && (type.isF16() || type.isBF16() || type.isF32() || type.isF64());
  };
  std::optional<Scale> scale = node.scaleOf(0);
  if (!scale || (!scale->isNone() &&
                 !(isReal(node.after->getOperand(0)) && isReal(node.after->getResult(0)))))
    return std::nullopt;
  return each(node, *scale);
}

//===----------------------------------------------------------------------===//
// Moves and reductions
//===----------------------------------------------------------------------===//

/// Exponents of single positions survive a move only if the last axis stays in place.
static Results moveRule(const NodePair &node, bool keepsLast) {
  std::optional<Scale> scale = node.scaleOf(0);
  if (!scale || !(scale->isUniform() || keepsLast))
    return std::nullopt;
  for (unsigned i = 1; i < node.operands.size(); ++i)
    if (std::optional<Scale> other = node.scaleOf(i); !other || !other->isNone())
      return std::nullopt;
  return each(node, *scale);
}

/// Returns whether the last axis has the same size before and after. The elements keep their
/// row-major order, so then the last axis stays.
static bool keepsLastSize(Operation *op) {
  std::optional<int64_t> from = lastDim(op->getOperand(0)), to = lastDim(op->getResult(0));
  return from && from == to;
}

/// Returns whether the last axis is not among the op's axes.
static bool avoidsLast(Operation *op) {
  TensorInfo info = getTensorInfo(op->getOperand(0));
  std::optional<SmallVector<int64_t>> axes =
      info.hasRank() ? getAxes(op, info.rank()) : std::nullopt;
  return axes && !llvm::is_contained(*axes, info.rank() - 1);
}

static bool keepsLastInTranspose(TransposeOp op) {
  return op.getPerm() && !op.getPerm()->empty() &&
         op.getPerm()->back() == static_cast<int64_t>(op.getPerm()->size()) - 1;
}

static Results reduceRule(const NodePair &node) {
  std::optional<Scale> scale = node.scaleOf(0);
  bool keepsAxes = true;
  if (auto attr = node.after->getAttrOfType<IntegerAttr>("keepdims"))
    keepsAxes = attr.getInt() != 0;
  if (!scale || !(scale->isUniform() || (keepsAxes && avoidsLast(node.after))))
    return std::nullopt;
  for (unsigned i = 1; i < node.operands.size(); ++i)
    if (std::optional<Scale> axes = node.scaleOf(i); !axes || !axes->isNone())
      return std::nullopt;
  return each(node, *scale);
}

static Results concatRule(const NodePair &node) {
  Results out = sumRule(node);
  if (!out || out->front().isUniform())
    return out;
  TensorInfo info = getTensorInfo(node.after->getResult(0));
  auto axis = node.after->getAttrOfType<IntegerAttr>("axis");
  if (!info.hasRank() || !axis)
    return std::nullopt;
  int64_t at = axis.getInt() < 0 ? axis.getInt() + info.rank() : axis.getInt();
  return at != info.rank() - 1 ? out : std::nullopt;
}

/// A Gather by another axis than the last takes whole rows of its table or computed value, so they
/// keep their exponents.
static Results gatherRule(const NodePair &node) {
  auto gather = cast<GatherOp>(node.after);
  std::optional<Scale> data = node.scaleOf(0), indices = node.scaleOf(1);
  TensorInfo info = getTensorInfo(gather.getData());
  if (!data || !indices || !indices->isNone())
    return std::nullopt;
  int64_t axis = gather.getAxis().value_or(0);
  bool keepsLast = info.hasRank() && (axis < 0 ? axis + info.rank() : axis) < info.rank() - 1;
  return data->isUniform() || keepsLast ? each(node, *data) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// By operator
//===----------------------------------------------------------------------===//

static Results noneRule(const NodePair &node) {
  for (unsigned i = 0; i < node.operands.size(); ++i)
    if (std::optional<Scale> scale = node.scaleOf(i); !scale || !scale->isNone())
      return std::nullopt;
  return each(node, Scale());
}

static Results applyElementwise(const NodePair &node, bool &isKnown) {
  Operation *op = node.after;
  isKnown = true;
  if (isa<AddOp, SubOp, SumOp, MaxOp, MinOp, MeanOp>(op))
    return sumRule(node);
  // Bounds that are attributes are the same as before, so they would not be scaled with the value.
  if (isa<ClipOp>(op) && !op->hasAttr("min") && !op->hasAttr("max"))
    return sumRule(node);
  if (isa<MulOp>(op))
    return productRule(node, 1);
  if (isa<DivOp>(op))
    return productRule(node, -1);
  if (isa<WhereOp>(op))
    return whereRule(node);
  if (isa<PowOp>(op))
    return powRule(node);
  if (isa<SqrtOp>(op))
    return powerRule(node, 1, 2);
  if (isa<ReciprocalOp>(op))
    return powerRule(node, -1, 1);
  if (isa<NegOp, AbsOp, ReluOp, IdentityOp>(op))
    return powerRule(node, 1, 1);
  if (isa<CastOp>(op))
    return castRule(node);
  isKnown = false;
  return std::nullopt;
}

static Results applyMoves(const NodePair &node, bool &isKnown) {
  Operation *op = node.after;
  isKnown = true;
  if (isa<ShapeOp, SizeOp>(op))
    return each(node, Scale());
  if (isa<DropoutOp>(op)) {
    Results out = moveRule(node, /*keepsLast=*/true);
    if (out && out->size() > 1)
      (*out)[1] = Scale();
    return out;
  }
  if (isa<ReshapeOp, FlattenOp, SqueezeOp, UnsqueezeOp, ExpandOp>(op))
    return moveRule(node, keepsLastSize(op));
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return moveRule(node, keepsLastInTranspose(transpose));
  if (isa<SliceOp>(op))
    return moveRule(node, keepsLastSize(op) && avoidsLast(op));
  if (isa<SplitOp>(op))
    return moveRule(node, avoidsLast(op));
  if (isa<ConcatOp>(op))
    return concatRule(node);
  if (isa<GatherOp>(op))
    return gatherRule(node);
  if (isa<ReduceMeanOp, ReduceSumOp, ReduceMaxOp, ReduceMinOp>(op))
    return reduceRule(node);
  isKnown = false;
  return std::nullopt;
}

ScaleResults basin::applyRule(const NodePair &node) {
  if (std::optional<Results> norm = applyNormRule(node))
    return *norm;
  if (cast<NodeInterface>(node.before).getNodeAttrs() !=
      cast<NodeInterface>(node.after).getNodeAttrs())
    return std::nullopt;
  if (node.after->getNumResults() == 0)
    return SmallVector<Scale>();
  if (isa<MatMulOp>(node.after))
    return applyMatMulRule(node);
  if (isa<GemmOp>(node.after))
    return applyGemmRule(node);
  if (std::optional<Results> quantized = applyQuantizedRule(node))
    return *quantized;
  bool isKnown;
  if (Results out = applyElementwise(node, isKnown); isKnown)
    return out;
  if (Results out = applyMoves(node, isKnown); isKnown)
    return out;
  return noneRule(node);
}
