//===- RuntimeNorms.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes norms as SimplifiedLayerNormalization or LayerNormalization, and with the Add before them
// as Skip(Simplified)LayerNormalization of com.microsoft, whose kernels take inputs of rank 2
// and 3. stash_type is always written: inside functions, ONNX Runtime 1.32 crashes without it.
//
//===----------------------------------------------------------------------===//

#include "NormOperator.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// Returns why the norm's input is not a sum of two values of one shape.
static WhyNot checkSum(sink::NormInterface norm, AddOp add) {
  if (!add || norm.getResidual() || norm.getPreAffine())
    return "it does not normalize a sum";
  std::optional<int64_t> rank = findRank(norm.getX());
  if (rank != 2 && rank != 3)
    return "the sum has neither rank 2 nor 3";
  Value a = add.getOperand(0), b = add.getOperand(1);
  if (findRank(a) != rank || findRank(b) != rank || findElement(a) != findElement(b))
    return "the summands have other ranks";
  for (int64_t i = 0; i < *rank; ++i)
    if (!isSameSize(a, i, b, i))
      return "the summands are not known to have one shape";
  return std::nullopt;
}

/// Returns whether `value` is computed before `op`, or can be moved there.
static bool isReadyBefore(Value value, Operation *op) {
  Operation *definer = value ? value.getDefiningOp() : nullptr;
  if (!definer || definer->getBlock() != op->getBlock())
    return true;
  if (isa<ConstantOp>(definer) && !definer->isBeforeInBlock(op))
    definer->moveBefore(op);
  return definer->isBeforeInBlock(op);
}

namespace {

/// Add, norm -> SkipLayerNormalization or SkipSimplifiedLayerNormalization, which also gives the
/// sum.
template <typename OpTy> struct SkipNormPattern : public OpRewritePattern<OpTy> {
  SkipNormPattern(MLIRContext *context, SharedValues &shared)
      : OpRewritePattern<OpTy>(context, /*benefit=*/2), shared(shared) {}

  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    auto norm = cast<sink::NormInterface>(op.getOperation());
    auto add = norm.getX().template getDefiningOp<AddOp>();
    WhyNot why = checkNorm(norm);
    if (!why)
      why = checkSum(norm, add);
    if (!why && add->getBlock() != op->getBlock())
      why = "the sum stands in another block";
    if (!why && !(isReadyBefore(norm.getWeight(), add) && isReadyBefore(norm.getBias(), add)))
      why = "its weight is computed after the sum";
    if (!why && !norm.getWeight())
      why = "it has no weight";
    if (why)
      return rewriter.notifyMatchFailure(op, *why);
    rewriter.setInsertionPoint(add);
    NodeBuilder n(rewriter, op.getLoc());
    SmallVector<Value> inputs{add.getOperand(0), add.getOperand(1), norm.getWeight()};
    if (norm.getBias())
      inputs.push_back(norm.getBias());
    NamedAttribute epsilon =
        makeFloatAttr(rewriter, "epsilon", norm.getEpsilon().convertToDouble());
    Operation *skip =
        norm.isCentring()
            ? n.create<MSSkipLayerNormalizationOp>(inputs, epsilon, 4).getOperation()
            : n.create<MSSkipSimplifiedLayerNormalizationOp>(inputs, epsilon, 4).getOperation();
    auto sum = cast<OpResult>(skip->getResult(3));
    if (StringRef name = getValueName(add.getResult()); !name.empty())
      setValueName(sum, name);
    replaceWith(rewriter, op, {skip->getResult(0)});
    rewriter.replaceOp(add, Value(sum));
    return success();
  }

  SharedValues &shared;
};

} // namespace

void basin::populateRuntimeNormPatterns(RewritePatternSet &patterns, SharedValues &shared) {
  patterns.add<SkipNormPattern<sink::RMSNormOp>, SkipNormPattern<sink::LayerNormOp>,
               NormOperatorPattern<sink::RMSNormOp, SimplifiedLayerNormalizationOp>,
               NormOperatorPattern<sink::LayerNormOp, SimplifiedLayerNormalizationOp>>(
      patterns.getContext(), shared);
}
