//===- RuntimeRotary.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes rotary embeddings as com.microsoft's RotaryEmbedding on the flat [batch, sequence,
// heads * dim]. The operator looks the rows of its caches up by positions. Tables without positions
// become caches whose rows are numbered: all rows of all elements of the batch, or those of the one
// table that all share.
//
//===----------------------------------------------------------------------===//

#include "RuntimeAttention.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// The shared positions that number the rows of a table for all elements of the batch.
static std::string nameRows(Value x) { return "rows" + describeSizes(x, 0, 2); }

/// Returns [batch, sequence] positions that number the rows of a half table.
static Value makePositions(Value table, Value x, NodeBuilder &n, SharedValues &shared) {
  bool isShared = findSize(table, 0) == 1;
  Block *block = n.getBuilder().getInsertionBlock();
  std::string what = isShared ? nameRows(x) : "all " + nameRows(x);
  return shared.get(block, what, Value(), [&] {
    Value sizes = makeBatchAndSequence(x, n, shared);
    Value zero = n.constant({0}, 0), one = n.constant({1}, 0);
    if (isShared) {
      Value row = n.node<RangeOp>({zero, n.dim(x, 1), one});
      return n.expand(n.unsqueeze(row, {0}), sizes);
    }
    Value count = n.node<MulOp>({n.dim(x, 0), n.dim(x, 1)});
    return n.reshape(n.node<RangeOp>({zero, count, one}), sizes);
  });
}

/// Returns a half table as a cache. One that may be shared by the batch gets its batch axis.
static Value makeCache(Value table, Value x, int64_t width, NodeBuilder &n, SharedValues &shared) {
  Block *block = n.getBuilder().getInsertionBlock();
  return shared.get(block, "cache" + describeSizes(x, 0, 2), table, [&] {
    Value all = table;
    if (findSize(table, 0) != 1 && !isSameSize(table, 0, x, 0)) {
      Value sizes = makeBatchAndSequence(x, n, shared);
      all = n.expand(table, n.concat({sizes, n.constant({width / 2})}, 0));
    }
    return n.reshape(all, {-1, width / 2});
  });
}

namespace {

struct RotaryPattern : public OpRewritePattern<sink::RotaryOp> {
  RotaryPattern(MLIRContext *context, SharedValues &shared)
      : OpRewritePattern(context), shared(shared) {}

  LogicalResult matchAndRewrite(sink::RotaryOp op, PatternRewriter &rewriter) const override {
    RotaryPlan plan;
    if (isOperatorAlready(op, /*isStandard=*/false))
      return rewriter.notifyMatchFailure(op, kIsOperator);
    if (WhyNot why = plan.read(op))
      return rewriter.notifyMatchFailure(op, *why);
    NodeBuilder n(rewriter, op.getLoc(), sink::getResultName(op, 0));
    Value x = flattenRotated(op, plan, n);
    Value positions, caches[2];
    for (auto [cache, table] :
         llvm::zip_equal(caches, SmallVector<Value>{op.getCos(), op.getSin()})) {
      if (op.getPositions()) {
        cache = castTable(table, plan.element, n, shared);
        continue;
      }
      Value half = makeHalfTable(op, plan, table, n, shared);
      cache = makeCache(half, x, plan.width, n, shared);
      positions = makePositions(half, x, n, shared);
    }
    if (op.getPositions())
      positions = expandPositions(op.getPositions(), x, n, shared);
    SmallVector<NamedAttribute> attrs{n.attr("num_heads", plan.sizes.heads)};
    if (op.getInterleaved())
      attrs.push_back(n.attr("interleaved", 1));
    if (plan.width != plan.sizes.dim)
      attrs.push_back(n.attr("rotary_embedding_dim", plan.width));
    Value flat = n.node<MSRotaryEmbeddingOp>({x, positions, caches[0], caches[1]}, attrs);
    finishRotary(rewriter, n, op, plan, flat);
    return success();
  }

  SharedValues &shared;
};

} // namespace

//===----------------------------------------------------------------------===//
// Rotation inside of GroupQueryAttention
//===----------------------------------------------------------------------===//

std::optional<InnerRotation> basin::findInnerRotation(Value query, Value key,
                                                      const SharedValues &shared) {
  auto q = query.getDefiningOp<MSRotaryEmbeddingOp>();
  auto k = key.getDefiningOp<MSRotaryEmbeddingOp>();
  if (!q || !k || q.getScale() || k.getScale() || q.getIsPackedBatching() ||
      k.getIsPackedBatching())
    return std::nullopt;
  Value rows = shared.find(q->getBlock(), nameRows(q.getX()));
  if (!rows || q.getPositionIds() != rows)
    return std::nullopt;
  bool isInterleaved = q.getInterleaved().value_or(0) != 0;
  if (isInterleaved != (k.getInterleaved().value_or(0) != 0) ||
      q.getCosCache() != k.getCosCache() || q.getSinCache() != k.getSinCache() ||
      q.getPositionIds() != k.getPositionIds())
    return std::nullopt;
  return InnerRotation{q.getX(), k.getX(), q.getCosCache(), q.getSinCache(), isInterleaved};
}

void basin::populateRuntimeRotaryPatterns(RewritePatternSet &patterns, SharedValues &shared) {
  patterns.add<RotaryPattern>(patterns.getContext(), shared);
}
