//===- WrittenSoftmax.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WrittenSoftmax.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// Returns the value before ops that change its type or shape alone.
static Value skipViews(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<CastOp, IdentityOp, UnsqueezeOp, SqueezeOp, ReshapeOp, ExpandOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// Returns what is subtracted from or negated in the exponent, or null.
static Operation *findShift(ExpOp exp) {
  Operation *op = skipViews(exp->getOperand(0)).getDefiningOp();
  if (!isa_and_nonnull<SubOp, NegOp>(op))
    return nullptr;
  return skipViews(op->getOperand(isa<SubOp>(op) ? 1 : 0)).getDefiningOp();
}

/// Returns whether the exponent is a number of the maximum, less the maximum.
static bool isOwnPart(ExpOp exp, MaxOp max) {
  Operation *op = skipViews(exp->getOperand(0)).getDefiningOp();
  auto isOwn = [&](Value part) {
    Operation *def = skipViews(part).getDefiningOp();
    // The logit 0 stands nowhere but in the maximum.
    return isa<SubOp>(op) ? skipViews(part) == skipViews(op->getOperand(0))
                          : isa_and_nonnull<ConstantOp, InitializerOp>(def);
  };
  return findShift(exp) == max && llvm::any_of(max->getOperands(), isOwn);
}

/// Returns whether the maximum of a row is subtracted in the exponent. With a sink, it must include
/// the sink's logit; without one, nothing else.
static bool isSafe(ExpOp exp, ArrayRef<ExpOp> all) {
  Operation *shift = findShift(exp);
  if (all.size() == 1)
    return isa_and_nonnull<ReduceMaxOp>(shift);
  auto max = dyn_cast_or_null<MaxOp>(shift);
  return max && llvm::any_of(all, [&](ExpOp one) { return isOwnPart(one, max); });
}

bool basin::mayOverflow(sink::AttentionOp op) {
  if (op.getForm().empty())
    return false;
  Block &form = op.getForm().front();
  if (llvm::any_of(form, [](Operation &inner) { return isa<SoftmaxOp>(inner); }))
    return false;
  SmallVector<ExpOp> all(form.getOps<ExpOp>());
  return llvm::any_of(all, [&](ExpOp exp) { return !isSafe(exp, all); });
}
