//===- NormOperator.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pattern that writes a norm as one operator, which is the same in both forms but for the name
// of the operator of an RMSNorm.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_NORMOPERATOR_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_NORMOPERATOR_H

#include "OperatorSupport.h"

namespace basin {

/// norm -> LayerNormalization or `RMSOperator`, after the sum and the pre-affine Mul.
template <typename OpTy, typename RMSOperator>
struct NormOperatorPattern : public mlir::OpRewritePattern<OpTy> {
  NormOperatorPattern(mlir::MLIRContext *context, SharedValues &shared)
      : mlir::OpRewritePattern<OpTy>(context, /*benefit=*/1), shared(shared) {}

  llvm::LogicalResult matchAndRewrite(OpTy op, mlir::PatternRewriter &rewriter) const override {
    auto norm = mlir::cast<sink::NormInterface>(op.getOperation());
    if (isOperatorAlready(norm, std::is_same_v<RMSOperator, onnx::RMSNormalizationOp>))
      return rewriter.notifyMatchFailure(op, kIsOperator);
    if (WhyNot why = checkNorm(norm))
      return rewriter.notifyMatchFailure(op, *why);
    onnx::NodeBuilder n(rewriter, op.getLoc(), sink::getResultName(op, 0));
    mlir::Value sum;
    llvm::SmallVector<mlir::Value> inputs{makeNormInput(norm, n, sum),
                                          makeNormWeight(norm, n, shared)};
    if (norm.getBias())
      inputs.push_back(norm.getBias());
    mlir::NamedAttribute attrs[] = {
        n.attr("axis", -1), makeFloatAttr(rewriter, "epsilon", norm.getEpsilon().convertToDouble()),
        n.attr("stash_type", 1)};
    mlir::Value result = norm.isCentring()
                             ? n.template node<onnx::LayerNormalizationOp>(inputs, attrs)
                             : n.template node<RMSOperator>(inputs, attrs);
    llvm::SmallVector<mlir::Value> results{result};
    if (norm.getSum())
      results.push_back(sum);
    replaceWith(rewriter, op, results);
    return llvm::success();
  }

  SharedValues &shared;
};

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_NORMOPERATOR_H
