//===- MaskParts.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Walks over what combines the parts of a mask, and names each part by what it depends on:
// positions, the model's inputs, or weights. Only causality and windows are proofs
// (MaskAnalysis.cpp).
//
//===----------------------------------------------------------------------===//

#include "basin/Conversion/ONNXToSink/MaskParts.h"

#include "Matchers.h"
#include "QuantizedPairs.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "llvm/ADT/SmallSet.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::MaskKind;

namespace {
class PartWalk {
public:
  void walk(Value value, MaskKind kind, unsigned depth = 24);

  bool hasPrefix = false, hasPadding = false, hasBias = false, hasUnknown = false;

private:
  void walkAdditive(Operation *op, Value value, unsigned depth);
  void walkLeaf(Value value, MaskKind kind);

  unsigned budget = 512;
};
} // namespace

/// Returns whether `value` is computed from positions and constants alone. What is read of another
/// value's shape is a position.
static bool isPositional(Value value) {
  SmallVector<Value> open{value};
  llvm::SmallSet<Operation *, 32> seen;
  for (unsigned i = 0; i < 256 && !open.empty(); ++i) {
    Operation *op = open.pop_back_val().getDefiningOp();
    if (!op)
      return false;
    if (!isa<ShapeOp, InitializerOp>(op) && seen.insert(op).second)
      llvm::append_range(open, op->getOperands());
  }
  return open.empty();
}

/// Returns whether all queries get the same row.
static bool isSameForAllQueries(Value value) {
  std::optional<int64_t> rank = getRank(value);
  return rank && (*rank <= 1 || getDim(value, -2) == 1);
}

void PartWalk::walkLeaf(Value value, MaskKind kind) {
  bool isAdditive = kind == MaskKind::additive;
  if (isPositional(value)) {
    // Whether positions hide anything is what the proof of bounds tells.
    hasBias |= isAdditive && !findMaskBounds(value, kind, KeyCount::asQueries).isCausal() &&
               !isHiddenScore(value) && evaluateFill(value) != 0.0;
    return;
  }
  if (isSameForAllQueries(value))
    hasPadding = true;
  else if (isAdditive && value.getDefiningOp())
    hasBias = true;
  else
    hasUnknown = true;
}

void PartWalk::walkAdditive(Operation *op, Value value, unsigned depth) {
  if (isa<AddOp>(op)) {
    for (Value summand : op->getOperands())
      walk(summand, MaskKind::additive, depth);
    return;
  }
  if (auto where = dyn_cast<WhereOp>(op)) {
    bool hidesElse = isHiddenScore(where.getY()), hidesThen = isHiddenScore(where.getX());
    if (hidesElse || hidesThen)
      walk(where.getCondition(), hidesElse ? MaskKind::keep : MaskKind::drop, depth);
    for (Value part : {where.getX(), where.getY()})
      if (!evaluateFill(part))
        walk(part, MaskKind::additive, depth);
    if (!hidesElse && !hidesThen)
      hasUnknown = true;
    return;
  }
  if (isa<MulOp>(op))
    for (unsigned i : {0u, 1u})
      if (isHiddenScore(op->getOperand(i))) {
        Value flags = op->getOperand(1 - i);
        auto sub = flags.getDefiningOp<SubOp>();
        bool isComplement = sub && evaluateScalar(sub.getA()) == 1.0;
        return walk(isComplement ? sub.getB() : flags,
                    isComplement ? MaskKind::keep : MaskKind::drop, depth);
      }
  walkLeaf(value, MaskKind::additive);
}

void PartWalk::walk(Value value, MaskKind kind, unsigned depth) {
  if (depth == 0 || budget == 0) {
    hasUnknown = true;
    return;
  }
  --budget;
  Operation *op = value.getDefiningOp();
  if (auto dequantize = dyn_cast_or_null<DequantizeLinearOp>(op); dequantize && !isConstant(value))
    if (auto quantize = dequantize.getX().getDefiningOp<QuantizeLinearOp>()) {
      // With its values rounded, a mask may hide less.
      hasUnknown |= kind != MaskKind::additive || !keepsHidden(value);
      return walk(quantize.getX(), kind, depth - 1);
    }
  if (op && isSameForAllQueries(value))
    return walkLeaf(value, kind);
  if (op && isa<CastOp, IdentityOp, ExpandOp, UnsqueezeOp, SqueezeOp, ReshapeOp, SliceOp>(op))
    return walk(op->getOperand(0), kind, depth - 1);
  if (!op)
    return walkLeaf(value, kind);
  if (kind == MaskKind::additive)
    return walkAdditive(op, value, depth - 1);
  MaskKind other = kind == MaskKind::keep ? MaskKind::drop : MaskKind::keep;
  if (isa<NotOp>(op) || (isa<EqualOp>(op) && evaluateScalar(op->getOperand(1)) == 0.0))
    return walk(op->getOperand(0), other, depth - 1);
  if (auto where = dyn_cast<WhereOp>(op)) {
    std::optional<double> x = evaluateFill(where.getX()), y = evaluateFill(where.getY());
    if (x && y && (*x != 0) != (*y != 0))
      return walk(where.getCondition(), *x != 0 ? kind : other, depth - 1);
  }
  if (!isa<AndOp, OrOp>(op))
    return walkLeaf(value, kind);
  // What is visible by either part is visible: a causal part beside another one is a prefix.
  bool isEither = isa<OrOp>(op) == (kind == MaskKind::keep);
  auto isCausal = [&](unsigned i) {
    return findMaskBounds(op->getOperand(i), kind, KeyCount::asQueries).isCausal();
  };
  hasPrefix |= isEither && isCausal(0) != isCausal(1);
  for (Value part : op->getOperands())
    walk(part, kind, depth - 1);
}

SmallVector<StringRef> basin::describeMask(sink::AttentionOp op) {
  PartWalk walk;
  if (op.getMaskKind() == MaskKind::lengths)
    walk.hasPadding = true;
  else if (op.getMask())
    walk.walk(op.getMask(), *op.getMaskKind());
  if (op.getBias())
    walk.walk(op.getBias(), MaskKind::additive);
  walk.hasPadding |= static_cast<bool>(op.getLastKey());
  SmallVector<StringRef> parts;
  auto add = [&](bool isThere, StringRef part) {
    if (isThere)
      parts.push_back(part);
  };
  add(walk.hasBias, "bias");
  add(op.getCausal(), "causal");
  add(walk.hasPadding, "padding");
  add(walk.hasPrefix, "prefix");
  add(walk.hasUnknown, "unknown");
  add(op.getWindow() || op.getRightWindow(), "window");
  if (parts.empty())
    parts.push_back(op.getMask() || op.getBias() ? "unknown" : "none");
  return parts;
}
