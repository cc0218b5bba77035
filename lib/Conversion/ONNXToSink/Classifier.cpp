//===- Classifier.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Recognizes a Softmax at which attention was looked for, but which belongs to a router of
// experts, a classifier or a CTC head. Its scores come from a product with a matrix of weights or
// are given, and its probabilities are not multiplied with values.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;

/// Returns whether the probabilities lead to a matrix product, over ops that move, select, cast
/// or scale them.
static bool leadsToProduct(Value probabilities) {
  SmallVector<Value> open{probabilities};
  for (unsigned i = 0; i < 32 && !open.empty(); ++i)
    for (Operation *user : open.pop_back_val().getUsers()) {
      if (isa<MatMulOp, MSFusedMatMulOp, GemmOp, EinsumOp>(user))
        return true;
      // What probabilities of experts scale are values, and no longer probabilities.
      bool isScale = isa<MulOp>(user) &&
                     (evaluateScalar(user->getOperand(0)) || evaluateScalar(user->getOperand(1)));
      if (isScale ||
          isa<CastOp, IdentityOp, DropoutOp, WhereOp, SliceOp, SplitOp, ReshapeOp, TransposeOp>(
              user))
        llvm::append_range(open, user->getResults());
    }
  return false;
}

bool basin::onnx::isClassifier(const SoftmaxForm &softmax) {
  if (leadsToProduct(softmax.probabilities))
    return false;
  Value cur = softmax.scores;
  for (unsigned i = 0; i < 16; ++i) {
    Operation *op = cur.getDefiningOp();
    // Scores that are given are not a near miss of attention.
    if (!op || op->getNumOperands() == 0)
      return true;
    if (isa<MatMulOp, GemmOp>(op))
      return isConstant(skipCasts(op->getOperand(1))) || isConstant(skipCasts(op->getOperand(0)));
    // A router may take the largest scores before its Softmax.
    if (!isa<AddOp, SubOp, MulOp, DivOp, CastOp, IdentityOp, ReshapeOp, TransposeOp, SqueezeOp,
             UnsqueezeOp, TopKOp>(op))
      return false;
    cur = isConstant(op->getOperand(0)) && op->getNumOperands() > 1 ? op->getOperand(1)
                                                                    : op->getOperand(0);
  }
  return false;
}
