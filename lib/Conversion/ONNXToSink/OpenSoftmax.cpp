//===- OpenSoftmax.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds a softmax that is written out, exp(s) / (sum(exp(s)) + ...), as in models that put a sink
// into the denominator. Such a softmax is not raised, but reported.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

using namespace mlir;
using namespace basin::onnx;

/// Returns whether `value` is a sum of `exponentials`, perhaps with more added to it, or with a
/// bound.
static bool isSumOf(Value value, Value exponentials, unsigned depth) {
  Operation *op = skipCasts(value).getDefiningOp();
  if (!op || depth == 0)
    return false;
  if (auto sum = dyn_cast<ReduceSumOp>(op))
    return sum->getNumOperands() > 0 && skipCasts(sum->getOperand(0)) == exponentials;
  return isa<AddOp, MaxOp, ClipOp, ExpandOp, UnsqueezeOp>(op) &&
         llvm::any_of(op->getOperands(),
                      [&](Value operand) { return isSumOf(operand, exponentials, depth - 1); });
}

std::optional<Miss> basin::onnx::explainOpenSoftmax(Operation *op) {
  auto div = dyn_cast<DivOp>(op);
  if (!div)
    return std::nullopt;
  Value exponentials = skipCasts(div.getA());
  if (!exponentials.getDefiningOp<ExpOp>() || !isSumOf(div.getB(), exponentials, 4))
    return std::nullopt;
  return Miss(MissReason::AttentionWrittenOut);
}
