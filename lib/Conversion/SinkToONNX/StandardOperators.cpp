//===- StandardOperators.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes norms as RMSNormalization and LayerNormalization of ai.onnx, and rotary embeddings as its
// RotaryEmbedding on the flat [batch, sequence, heads * dim].
//
//===----------------------------------------------------------------------===//

#include "NormOperator.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace {

/// Returns a half table as [batch, sequence, width / 2]. The operator does not broadcast it.
static Value makeTable(Value half, Value x, int64_t width, NodeBuilder &n, SharedValues &shared) {
  if (isSameSize(half, 0, x, 0))
    return half;
  Block *block = n.getBuilder().getInsertionBlock();
  return shared.get(block, "table" + describeSizes(x, 0, 2), half, [&] {
    Value sizes = makeBatchAndSequence(x, n, shared);
    return n.expand(half, n.concat({sizes, n.constant({width / 2})}, 0));
  });
}

struct RotaryPattern : public OpRewritePattern<sink::RotaryOp> {
  RotaryPattern(MLIRContext *context, SharedValues &shared)
      : OpRewritePattern(context), shared(shared) {}

  LogicalResult matchAndRewrite(sink::RotaryOp op, PatternRewriter &rewriter) const override {
    RotaryPlan plan;
    if (isOperatorAlready(op, /*isStandard=*/true))
      return rewriter.notifyMatchFailure(op, kIsOperator);
    if (WhyNot why = plan.read(op))
      return rewriter.notifyMatchFailure(op, *why);
    NodeBuilder n(rewriter, op.getLoc(), sink::getResultName(op, 0));
    Value x = flattenRotated(op, plan, n);
    SmallVector<Value> inputs{x};
    for (Value table : {op.getCos(), op.getSin()})
      inputs.push_back(op.getPositions() ? castTable(table, plan.element, n, shared)
                                         : makeTable(makeHalfTable(op, plan, table, n, shared), x,
                                                     plan.width, n, shared));
    if (op.getPositions())
      inputs.push_back(expandPositions(op.getPositions(), x, n, shared));
    SmallVector<NamedAttribute> attrs{n.attr("num_heads", plan.sizes.heads)};
    if (op.getInterleaved())
      attrs.push_back(n.attr("interleaved", 1));
    if (plan.width != plan.sizes.dim)
      attrs.push_back(n.attr("rotary_embedding_dim", plan.width));
    finishRotary(rewriter, n, op, plan, n.node<RotaryEmbeddingOp>(inputs, attrs));
    return success();
  }

  SharedValues &shared;
};

} // namespace

void basin::populateStandardNormPatterns(RewritePatternSet &patterns, SharedValues &shared) {
  patterns.add<NormOperatorPattern<sink::RMSNormOp, RMSNormalizationOp>,
               NormOperatorPattern<sink::LayerNormOp, RMSNormalizationOp>>(patterns.getContext(),
                                                                           shared);
}

void basin::populateStandardRotaryPatterns(RewritePatternSet &patterns, SharedValues &shared) {
  patterns.add<RotaryPattern>(patterns.getContext(), shared);
}
