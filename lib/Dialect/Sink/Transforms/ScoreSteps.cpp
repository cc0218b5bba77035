//===- ScoreSteps.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Goes up from the form's only Softmax to the product of queries and keys. Casts, changes of shape,
// a column of logits and the subtraction of the row's maximum are passed. A scale and a cap may
// only stand right behind the product, because behind a mask they would change what hides a key.
//
//===----------------------------------------------------------------------===//

#include "ScoreSteps.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/IR/Form.h"
#include "basin/Dialect/Sink/IR/Parts.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

/// How many ops there may be between the Softmax and the product.
static constexpr unsigned kMostSteps = 24;

static bool isProduct(Operation *op) { return isa<MatMulOp, EinsumOp, MSFusedMatMulOp>(op); }

/// Returns whether `value` is computed in the form of `op` from a product, element by element.
static bool isScores(Value value, sink::AttentionOp op, unsigned steps = kMostSteps) {
  Operation *def = value.getDefiningOp();
  if (!def || steps == 0 || def->getParentOp() != op.getOperation())
    return false;
  if (isProduct(def))
    return true;
  return isa<AddOp, SubOp, MulOp, DivOp, TanhOp, WhereOp, MaxOp, IdentityOp, CastOp, ConcatOp,
             ReshapeOp>(def) &&
         llvm::any_of(def->getOperands(),
                      [&](Value operand) { return isScores(operand, op, steps - 1); });
}

/// Returns the only operand of `def` that has scores, or null if there are none or several.
static OpOperand *findScores(Operation *def, sink::AttentionOp op) {
  OpOperand *found = nullptr;
  for (OpOperand &operand : def->getOpOperands())
    if (isScores(operand.get(), op)) {
      if (found)
        return nullptr;
      found = &operand;
    }
  return found;
}

/// Returns whether the op subtracts from each row of its first operand the row's maximum, which
/// changes no result of a Softmax behind it.
static bool subtractsMaximum(Operation *def) {
  auto sub = dyn_cast<SubOp>(def);
  auto max = sub ? sub.getB().getDefiningOp<ReduceMaxOp>() : ReduceMaxOp();
  return max && max->getOperand(0) == sub.getA();
}

static bool isPassed(Operation *def) {
  auto cast = dyn_cast<CastOp>(def);
  return isa<IdentityOp, ReshapeOp>(def) ||
         (cast && isa_and_nonnull<FloatType>(getTensorInfo(cast.getResult()).element));
}

static SoftmaxOp findSoftmax(sink::AttentionOp op) {
  SoftmaxOp found;
  for (SoftmaxOp softmax : op.getFormRegion().getOps<SoftmaxOp>()) {
    if (found)
      return {};
    found = softmax;
  }
  return found;
}

/// Goes from the scores with a scale to the product. Returns whether nothing else is there.
static bool isScaledProduct(Value value, sink::AttentionOp op) {
  for (unsigned i = 0; i < kMostSteps; ++i) {
    Operation *def = value.getDefiningOp();
    if (def && isProduct(def))
      return true;
    OpOperand *next =
        def && (isPassed(def) || isa<MulOp, DivOp, TanhOp>(def)) ? findScores(def, op) : nullptr;
    if (!next)
      return false;
    value = next->get();
  }
  return false;
}

/// Returns whether the Softmax alone reads the masked scores `value`, over `reader`. Others may
/// read their shape, and the maximum that is subtracted from them.
static bool isReadBy(Value value, Operation *reader) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    bool isMaximum = isa<ReduceMaxOp>(user) && subtractsMaximum(reader) && user->hasOneUse();
    return user == reader || isMaximum || isa<ShapeOp>(user);
  });
}

static WhyNot walkForm(sink::AttentionOp op, SoftmaxOp softmax, SmallVectorImpl<ScoreStep> &steps) {
  Value value = softmax->getOperand(0);
  Operation *reader = softmax;
  bool isShared = false;
  for (unsigned i = 0; i < kMostSteps; ++i) {
    Operation *def = value.getDefiningOp();
    isShared |= !isReadBy(value, std::exchange(reader, def));
    if (def && isProduct(def))
      return std::nullopt;
    if (def && subtractsMaximum(def)) {
      value = def->getOperand(0);
      continue;
    }
    OpOperand *scores = def ? findScores(def, op) : nullptr;
    if (!scores)
      return "the way of its scores to the Softmax is not understood";
    if (isa<MulOp, DivOp, TanhOp>(def)) {
      if (isScaledProduct(value, op))
        return std::nullopt;
      return "a scale or a cap follows its mask";
    }
    unsigned number = scores->getOperandNumber();
    if (isShared && isa<AddOp, WhereOp>(def))
      return "something besides the Softmax reads its masked scores";
    if (isa<AddOp>(def))
      steps.push_back({&def->getOpOperand(1 - number)});
    else if (isa<WhereOp>(def) && number > 0)
      steps.push_back({&def->getOpOperand(3 - number), /*replaces=*/true});
    else if (!isPassed(def) && !isa<ConcatOp>(def))
      return ("'" + def->getName().getStringRef() + "' stands between its scores and the Softmax")
          .str();
    value = scores->get();
  }
  return "there are too many nodes before its Softmax";
}

/// Returns the operator of attention in the form, or null if the form has none.
static Operation *findOperator(sink::AttentionOp op) {
  for (Block &block : op.getFormRegion())
    for (Operation &inner : block)
      if (isa<onnx::AttentionOp, MSAttentionOp, MSMultiHeadAttentionOp, MSGroupQueryAttentionOp,
              MSDecoderMaskedMultiHeadAttentionOp>(inner))
        return &inner;
  return nullptr;
}

/// Adds an operand of the op as a step, and its use by the form's operator, if there is one.
static void addOperand(Operation *inner, MutableOperandRange range, double factor,
                       SmallVectorImpl<ScoreStep> &steps, SmallVectorImpl<OpOperand *> &others) {
  if (range.empty())
    return;
  steps.push_back({&range[0], /*replaces=*/false, factor});
  if (!inner)
    return;
  for (OpOperand &use : inner->getOpOperands()) {
    auto argument = dyn_cast<BlockArgument>(use.get());
    bool isArgument = argument && argument.getOwner() == inner->getBlock() &&
                      argument.getArgNumber() == range[0].getOperandNumber();
    if (isArgument || use.get() == range[0].get())
      others.push_back(&use);
  }
}

WhyNot basin::sink::findScoreSteps(sink::AttentionOp op, SmallVectorImpl<ScoreStep> &steps,
                                   SmallVectorImpl<OpOperand *> &others) {
  Form form(op);
  if (op.getFloor())
    return "its scores have a floor";
  Operation *inner = findOperator(op);
  if (form && !inner) {
    SoftmaxOp softmax = findSoftmax(op);
    if (!softmax)
      return "its nodes are not known to have one Softmax";
    WhyNot why = walkForm(op, softmax, steps);
    std::reverse(steps.begin(), steps.end());
    return why;
  }
  constexpr unsigned kScores = 3;
  if (inner && isa<onnx::AttentionOp>(inner) && inner->getNumResults() > kScores)
    return "its operator returns the scores";
  AttentionParts parts(op);
  if (parts.maskKind == MaskKind::additive)
    addOperand(inner, op.getMaskMutable(), parts.maskScale.value_or(1), steps, others);
  addOperand(inner, op.getBiasMutable(), parts.biasScale.value_or(1), steps, others);
  return std::nullopt;
}

Type basin::sink::findScoreType(sink::AttentionOp op) {
  if (!op.getFormRegion().empty())
    if (SoftmaxOp softmax = findSoftmax(op))
      return getTensorInfo(softmax->getOperand(0)).element;
  return getTensorInfo(op.getQuery()).element;
}
