//===- RuntimeAttention.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes attention as com.microsoft's MultiHeadAttention or GroupQueryAttention, whose CPU kernels
// (ONNX Runtime 1.32) say what they mean:
// - MultiHeadAttention takes as many key heads as query heads, no sink, softcap or window, and
//   counts queries from the end of the past. Keys may have their heads first.
// - GroupQueryAttention takes as many keys as queries, heads of a multiple of 8, and adds the
//   bias after softcap. Its window needs causality. With a past it takes one query, or a
//   batch of one, which graphs rarely prove, so a past is left to MultiHeadAttention.
//
// If neither takes groups of query heads, the queries of a group become rows: with r query heads to
// a key head, MultiHeadAttention of the key heads gets r times the queries. So no key is repeated.
//
//===----------------------------------------------------------------------===//

#include "RuntimeMasks.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::Layout;

/// Returns whether there is a new key for each query, and nothing before those.
static bool isSelfAttention(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  return !p.pastKey && isSameSize(p.query, sink::getSequenceAxis(p.queryLayout), p.key,
                                  sink::getSequenceAxis(p.keyLayout));
}

static SmallVector<NamedAttribute> makeAttrs(const AttentionPlan &plan, NodeBuilder &n) {
  SmallVector<NamedAttribute> attrs;
  if (plan.parts.scale)
    attrs.push_back(makeFloatAttr(n.getBuilder(), "scale", *plan.parts.scale));
  return attrs;
}

//===----------------------------------------------------------------------===//
// MultiHeadAttention
//===----------------------------------------------------------------------===//

/// The keys and values as MultiHeadAttention takes them: both flat, or both with their heads first.
namespace {
struct Keys {
  Value key, value;
  int64_t sequenceAxis = 1;
  Value presentKey, presentValue;
};
} // namespace

static Keys makeKeys(const AttentionPlan &plan, NodeBuilder &n) {
  const sink::AttentionParts &p = plan.parts;
  Keys keys;
  bool areFlat = isFlatView(p.key, p.keyLayout) && isFlatView(p.value, p.valueLayout);
  // With its heads first, a value must be as wide as a key.
  if (!p.pastKey && !p.hasPresent && (areFlat || plan.key.dim != plan.value.dim)) {
    keys.key = makeFlat(p.key, p.keyLayout, plan.key, n);
    keys.value = makeFlat(p.value, p.valueLayout, plan.value, n);
    return keys;
  }
  keys.sequenceAxis = 2;
  keys.key = makeHeadsFirst(p.key, p.keyLayout, plan.key, n);
  keys.value = makeHeadsFirst(p.value, p.valueLayout, plan.value, n);
  if (p.pastKey) {
    keys.key = n.concat({p.pastKey, keys.key}, 2);
    keys.value = n.concat({p.pastValue, keys.value}, 2);
  }
  keys.presentKey = keys.key;
  keys.presentValue = keys.value;
  return keys;
}

/// Returns [batch, r * queries, key heads * dim], in which each query of the flat `query` has its r
/// heads after one another.
static Value groupsToRows(const AttentionPlan &plan, Value query, int64_t group, NodeBuilder &n) {
  int64_t heads = plan.key.heads, dim = plan.query.dim;
  Value apart = n.reshape(query, {0, 0, heads, group, dim});
  Value rows = n.transpose(apart, {0, 3, 1, 2, 4});
  Value shape = n.concat({n.dims(query, 0, 1), n.constant({-1, heads * dim})}, 0);
  return n.reshape(rows, shape);
}

/// Takes the rows of groupsToRows back to the heads: [batch, queries, heads * dim].
static Value rowsToGroups(const AttentionPlan &plan, Value rows, Value query, int64_t group,
                          NodeBuilder &n) {
  int64_t heads = plan.key.heads, dim = plan.value.dim;
  Value sizes = n.concat(
      {n.dims(query, 0, 1), n.constant({group}), n.dims(query, 1, 2), n.constant({heads, dim})}, 0);
  Value apart = n.transpose(n.reshape(rows, sizes), {0, 2, 3, 1, 4});
  return n.reshape(apart, {0, 0, plan.query.heads * dim});
}

/// Repeats the rows of a bias for the heads of each group, or takes them from its heads.
static Value groupBias(const AttentionPlan &plan, Value bias, int64_t group, NodeBuilder &n,
                       SharedValues &shared) {
  std::string what = ("grouped bias " + Twine(plan.key.heads) + " " + Twine(group)).str();
  return shared.get(n.getBuilder().getInsertionBlock(), what, bias, [&] {
    // The type of an expanded bias need not say how many heads it has, but that of the mask does.
    if (*findRank(plan.parts.mask) < 3 || findSize(plan.parts.mask, -3) == 1)
      return n.concat(SmallVector<Value>(group, bias), 2);
    Value shape =
        n.concat({n.dims(bias, 0, 1), n.constant({plan.key.heads, -1}), n.dims(bias, 3, 4)}, 0);
    return n.reshape(bias, shape);
  });
}

static WhyNot checkMultiHead(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  if (p.sinkLogit || p.softcap || p.appliesWindow())
    return p.sinkLogit ? "only GroupQueryAttention has sinks"
           : p.softcap ? "only GroupQueryAttention has a softcap"
                       : "only GroupQueryAttention has a window";
  if (WhyNot why = checkMask(plan))
    return why;
  if (p.appliesCausal() && (p.mask || p.bias || !isSelfAttention(plan)))
    return p.mask || p.bias ? "it is causal besides its mask"
                            : "it is causal, and not known to have as many keys as queries";
  if ((p.pastKey || p.hasPresent) && plan.key.dim != plan.value.dim)
    return "it has a past, and values of another size than keys";
  int64_t group = plan.query.heads / plan.key.heads;
  if (group == 1)
    return std::nullopt;
  if (p.appliesCausal())
    return "it is causal, with groups of query heads";
  if (p.bias)
    return "it has a bias beside its mask, and groups of query heads";
  std::optional<int64_t> heads = p.mask && *findRank(p.mask) >= 3 ? findSize(p.mask, -3) : 1;
  if (!heads || (*heads != 1 && *heads != plan.query.heads))
    return "its mask is not known to be one for all heads, or one for each";
  return std::nullopt;
}

namespace {

struct MultiHeadPattern : public OpRewritePattern<sink::AttentionOp> {
  MultiHeadPattern(MLIRContext *context, SharedValues &shared, bool takesGroups)
      : OpRewritePattern(context, /*benefit=*/takesGroups ? 1 : 3), shared(shared),
        takesGroups(takesGroups) {}

  LogicalResult matchAndRewrite(sink::AttentionOp op, PatternRewriter &rewriter) const override {
    AttentionPlan plan;
    if (isOperatorAlready(op, /*isStandard=*/false))
      return rewriter.notifyMatchFailure(op, kIsOperator);
    WhyNot why = plan.read(op);
    if (!why)
      why = checkMultiHead(plan);
    if (why)
      return rewriter.notifyMatchFailure(op, *why);
    int64_t group = plan.query.heads / plan.key.heads;
    if ((group != 1) != takesGroups)
      return rewriter.notifyMatchFailure(op, "it has groups of query heads");
    const sink::AttentionParts &p = plan.parts;
    NodeBuilder n(rewriter, op.getLoc(), sink::getResultName(op, 0));
    Value query = makeFlat(p.query, p.queryLayout, plan.query, n);
    Keys keys = makeKeys(plan, n);
    Value bias = makeBias(plan, query, keys.key, keys.sequenceAxis, n, shared);
    Value rows = group == 1 ? query : groupsToRows(plan, query, group, n);
    SmallVector<Value> inputs{rows, keys.key, keys.value};
    if (bias) {
      Value absent = makeAbsent(n, op.getLoc());
      inputs.append({absent, absent, group == 1 ? bias : groupBias(plan, bias, group, n, shared)});
    }
    SmallVector<NamedAttribute> attrs = makeAttrs(plan, n);
    attrs.push_back(n.attr("num_heads", plan.key.heads));
    if (p.appliesCausal())
      attrs.push_back(n.attr("unidirectional", 1));
    Value flat = n.node<MSMultiHeadAttentionOp>(inputs, attrs);
    if (group != 1)
      flat = rowsToGroups(plan, flat, query, group, n);
    flat = zeroHiddenRows(plan, flat, bias, n, shared);
    finishAttention(rewriter, n, op, plan, flat, Layout::bsd, keys.presentKey, keys.presentValue);
    return success();
  }

  SharedValues &shared;
  bool takesGroups;
};

} // namespace

//===----------------------------------------------------------------------===//
// GroupQueryAttention
//===----------------------------------------------------------------------===//

static WhyNot checkGroupQuery(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  if (plan.query.dim % 8 != 0 || plan.value.dim != plan.query.dim)
    return "the size of its heads is not one multiple of 8 for keys and values";
  if (p.hasPresent || !isSelfAttention(plan))
    return "it is not known to have as many keys as queries, and no past";
  if (!isSameSize(p.value, sink::getSequenceAxis(p.valueLayout), p.key,
                  sink::getSequenceAxis(p.keyLayout)))
    return "it is not known to have as many values as keys";
  if (WhyNot why = checkMask(plan))
    return why;
  if (p.appliesWindow() && !p.appliesCausal())
    return "its window does not come with causality apart from the mask";
  if ((p.appliesCausal() || p.appliesWindow()) && p.maskFill)
    return "hidden keys have a finite score, and causality hides more than the mask";
  if ((p.appliesCausal() || p.appliesWindow()) && p.zeroHiddenRows)
    return "causality hides more than the mask, and rows without keys are zero";
  std::optional<int64_t> logits = p.sinkLogit ? findSize(p.sinkLogit, 0) : plan.query.heads;
  if (p.sinkLogit && (findRank(p.sinkLogit) != 1 || logits != plan.query.heads))
    return "its sink logits are no vector of one for each head";
  return std::nullopt;
}

/// Returns the number of the last key of each element of the batch, [batch], or, without `batch`,
/// the number of keys.
static Value makeLength(Value query, bool isLast, NodeBuilder &n, SharedValues &shared) {
  std::string what = (isLast ? "last keys" : "key count") + describeSizes(query, 0, 2);
  return shared.get(n.getBuilder().getInsertionBlock(), what, Value(), [&] {
    Type i32 = n.getBuilder().getI32Type();
    Value count = n.dim(query, 1);
    if (!isLast)
      return n.cast(count, i32);
    Value last = n.cast(n.node<SubOp>({count, n.constant({1}, 0)}), i32);
    return n.expand(last, n.dims(query, 0, 1));
  });
}

namespace {

struct GroupQueryPattern : public OpRewritePattern<sink::AttentionOp> {
  GroupQueryPattern(MLIRContext *context, SharedValues &shared)
      : OpRewritePattern(context, /*benefit=*/2), shared(shared) {}

  LogicalResult matchAndRewrite(sink::AttentionOp op, PatternRewriter &rewriter) const override {
    AttentionPlan plan;
    if (isOperatorAlready(op, /*isStandard=*/false))
      return rewriter.notifyMatchFailure(op, kIsOperator);
    WhyNot why = plan.read(op);
    if (!why)
      why = checkGroupQuery(plan);
    if (why)
      return rewriter.notifyMatchFailure(op, *why);
    const sink::AttentionParts &p = plan.parts;
    NodeBuilder n(rewriter, op.getLoc(), sink::getResultName(op, 0));
    Value query = makeFlat(p.query, p.queryLayout, plan.query, n);
    Value key = makeFlat(p.key, p.keyLayout, plan.key, n);
    Value value = makeFlat(p.value, p.valueLayout, plan.value, n);
    Value bias = makeBias(plan, query, key, 1, n, shared);
    Value absent = makeAbsent(n, op.getLoc());
    SmallVector<Value> inputs{query,
                              key,
                              value,
                              absent,
                              absent,
                              makeLength(query, /*isLast=*/true, n, shared),
                              makeLength(query, /*isLast=*/false, n, shared)};
    if (bias || p.sinkLogit)
      inputs.append({absent, absent, absent, bias ? bias : absent});
    if (p.sinkLogit)
      inputs.push_back(p.sinkLogit);
    SmallVector<NamedAttribute> attrs = makeAttrs(plan, n);
    attrs.append({n.attr("num_heads", plan.query.heads), n.attr("kv_num_heads", plan.key.heads)});
    if (!p.appliesCausal())
      attrs.push_back(n.attr("causal", 0));
    if (p.appliesWindow())
      attrs.push_back(n.attr("local_window_size", *p.window));
    if (p.softcap)
      attrs.push_back(makeFloatAttr(rewriter, "softcap", *p.softcap));
    Value flat = n.node<MSGroupQueryAttentionOp>(inputs, attrs);
    flat = zeroHiddenRows(plan, flat, bias, n, shared);
    finishAttention(rewriter, n, op, plan, flat, Layout::bsd, Value(), Value());
    return success();
  }

  SharedValues &shared;
};

} // namespace

void basin::populateRuntimeAttentionPatterns(RewritePatternSet &patterns, SharedValues &shared) {
  MLIRContext *context = patterns.getContext();
  patterns.add<MultiHeadPattern>(context, shared, /*takesGroups=*/false);
  patterns.add<GroupQueryPattern>(context, shared);
  patterns.add<MultiHeadPattern>(context, shared, /*takesGroups=*/true);
}
