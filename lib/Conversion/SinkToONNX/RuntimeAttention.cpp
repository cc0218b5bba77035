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
//   batch of one, which graphs rarely prove, so a past is left to MultiHeadAttention unless the
//   user promises it, and has the cache updated in place.
//
// If neither takes groups of query heads, the queries of a group become rows: with r query heads to
// a key head, MultiHeadAttention of the key heads gets r times the queries. So no key is repeated.
//
//===----------------------------------------------------------------------===//

#include "RuntimeAttention.h"

#include "AttentionMasks.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::Layout;

static constexpr const char *kHasRows = "it has learned rows before the keys";

/// Returns whether there is a new key for each query.
static bool hasKeyForEachQuery(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  return isSameSize(p.query, sink::getSequenceAxis(p.queryLayout), p.key,
                    sink::getSequenceAxis(p.keyLayout));
}

/// Returns whether there is a new key for each query, and nothing before those.
static bool isSelfAttention(const AttentionPlan &plan) {
  return !plan.parts.pastKey && hasKeyForEachQuery(plan);
}

static SmallVector<NamedAttribute> makeAttrs(const AttentionPlan &plan, NodeBuilder &n) {
  SmallVector<NamedAttribute> attrs;
  if (std::optional<double> scale = plan.getScale())
    attrs.push_back(makeFloatAttr(n.getBuilder(), "scale", *scale));
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
    if (findMaskHeads(plan) == 1)
      return n.concat(SmallVector<Value>(group, bias), 2);
    Value shape =
        n.concat({n.dims(bias, 0, 1), n.constant({plan.key.heads, -1}), n.dims(bias, 3, 4)}, 0);
    return n.reshape(bias, shape);
  });
}

static int64_t getGroup(const AttentionPlan &plan) { return plan.query.heads / plan.key.heads; }

/// Returns whether the attribute says what positions hide, or they hide nothing.
static bool takesPositions(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  if (!p.appliesCausal())
    return !p.appliesWindow();
  return !p.appliesWindow() && !p.mask && !p.bias && !p.floor && isSelfAttention(plan) &&
         getGroup(plan) == 1;
}

static WhyNot checkMultiHead(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  if (p.sinkKey)
    return kHasRows;
  if (p.sinkLogit || p.softcap)
    return p.sinkLogit ? "only GroupQueryAttention has sinks"
                       : "only GroupQueryAttention has a softcap";
  if (WhyNot why = checkMask(plan, takesPositions(plan)))
    return why;
  if ((p.pastKey || p.hasPresent) && plan.key.dim != plan.value.dim)
    return "it has a past, and values of another size than keys";
  if (getGroup(plan) == 1)
    return std::nullopt;
  std::optional<int64_t> heads = findMaskHeads(plan);
  if (!heads || (*heads != 1 && *heads != plan.query.heads))
    return "its mask is not known to be one for all heads, or one for each";
  return std::nullopt;
}

namespace {

struct MultiHeadPattern : public OpRewritePattern<sink::AttentionOp> {
  /// Unless it `takesAll`, the pattern leaves what GroupQueryAttention can say better: groups of
  /// query heads, and positions that it would have to write into the mask.
  MultiHeadPattern(MLIRContext *context, SharedValues &shared, bool takesAll)
      : OpRewritePattern(context, /*benefit=*/takesAll ? 1 : 3), shared(shared),
        takesAll(takesAll) {}

  LogicalResult matchAndRewrite(sink::AttentionOp op, PatternRewriter &rewriter) const override {
    AttentionPlan plan;
    if (isOperatorAlready(op, /*isStandard=*/false))
      return rewriter.notifyMatchFailure(op, kIsOperator);
    WhyNot why = plan.read(op);
    if (!why)
      why = checkMultiHead(plan);
    if (why)
      return rewriter.notifyMatchFailure(op, *why);
    int64_t group = getGroup(plan);
    bool leaves = takesPositions(plan);
    if (!takesAll && (group != 1 || !leaves))
      return rewriter.notifyMatchFailure(op, "it has groups of query heads or a window");
    const sink::AttentionParts &p = plan.parts;
    NodeBuilder n(rewriter, op.getLoc(), sink::getResultName(op, 0));
    plan.prepare(n, shared);
    Value query = makeFlat(p.query, p.queryLayout, plan.query, n);
    query = plan.scaleQuery(query, Layout::bsd, n);
    Keys keys = makeKeys(plan, n);
    MaskBuilder masks(plan, {query, 1, keys.key, keys.sequenceAxis}, leaves, n, shared);
    Value bias = masks.makeSum();
    Value rows = group == 1 ? query : groupsToRows(plan, query, group, n);
    SmallVector<Value> inputs{rows, keys.key, keys.value};
    if (bias) {
      Value absent = makeAbsent(n, op.getLoc());
      inputs.append({absent, absent, group == 1 ? bias : groupBias(plan, bias, group, n, shared)});
    }
    SmallVector<NamedAttribute> attrs = makeAttrs(plan, n);
    attrs.push_back(n.attr("num_heads", plan.key.heads));
    if (p.appliesCausal() && leaves)
      attrs.push_back(n.attr("unidirectional", 1));
    Value flat = n.node<MSMultiHeadAttentionOp>(inputs, attrs);
    if (group != 1)
      flat = rowsToGroups(plan, flat, query, group, n);
    if (p.zeroHiddenRows)
      flat = masks.fillHiddenRows(flat, Layout::bsd, bias, 0);
    finishAttention(rewriter, n, op, plan, flat, Layout::bsd, keys.presentKey, keys.presentValue);
    return success();
  }

  SharedValues &shared;
  bool takesAll;
};

} // namespace

//===----------------------------------------------------------------------===//
// GroupQueryAttention
//===----------------------------------------------------------------------===//

/// Returns whether attributes say what positions hide. A window needs causality, which makes one to
/// the right needless.
static bool leavesPositions(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  return p.appliesCausal() && !isHiddenFinite(p) && p.window.value_or(1) > 0 &&
         p.rightWindow.value_or(0) >= 0;
}

WhyNot basin::checkGroupQuery(const AttentionPlan &plan, bool isInPlace) {
  const sink::AttentionParts &p = plan.parts;
  if (p.sinkKey)
    return kHasRows;
  if (plan.query.dim % 8 != 0 || plan.value.dim != plan.query.dim)
    return "the size of its heads is not one multiple of 8 for keys and values";
  if (isInPlace ? !hasKeyForEachQuery(plan) : p.hasPresent || !isSelfAttention(plan))
    return isInPlace ? "it is not known to have as many new keys as queries"
                     : "it is not known to have as many keys as queries, and no past";
  if (!isSameSize(p.value, sink::getSequenceAxis(p.valueLayout), p.key,
                  sink::getSequenceAxis(p.keyLayout)))
    return "it is not known to have as many values as keys";
  if (WhyNot why = checkMask(plan, leavesPositions(plan)))
    return why;
  std::optional<int64_t> logits = p.sinkLogit ? findSize(p.sinkLogit, 0) : plan.query.heads;
  if (p.sinkLogit && (findRank(p.sinkLogit) != 1 || logits != plan.query.heads))
    return "its sink logits are no vector of one for each head";
  return std::nullopt;
}

/// Returns the number of the last key of each element of the batch, [batch], or, without `isLast`,
/// the number of keys. Those of a past, a scalar, precede the keys of the queries.
static Value makeLength(Value query, Value past, bool isLast, NodeBuilder &n,
                        SharedValues &shared) {
  std::string what = (isLast ? "last keys" : "key count") + describeSizes(query, 0, 2);
  return shared.get(n.getBuilder().getInsertionBlock(), what, past, [&] {
    Type i32 = n.getBuilder().getI32Type();
    Value count = n.dim(query, 1);
    if (past)
      count = n.node<AddOp>({count, past});
    if (!isLast)
      return n.cast(count, i32);
    Value last = n.cast(n.node<SubOp>({count, n.constant({1}, 0)}), i32);
    return n.expand(last, n.dims(query, 0, 1));
  });
}

/// GroupQueryAttention rotates heads of a multiple of this.
static constexpr int64_t kRotatedHead = 16;

/// Returns a table of the new positions with as many rows before them as the past has. Those are
/// not read.
static Value startAt(Value past, Value table, NodeBuilder &n, SharedValues &shared) {
  if (!past)
    return table;
  return shared.get(n.getBuilder().getInsertionBlock(), "from the past on", table, [&] {
    Value pads = n.concat({n.unsqueeze(past, {0}), n.constant({0, 0, 0})}, 0);
    return n.node<PadOp>({table, pads});
  });
}

namespace {

struct GroupQueryPattern : public OpRewritePattern<sink::AttentionOp> {
  /// If `caches` are given, the pattern takes the attentions that update one of them, and no
  /// others.
  GroupQueryPattern(MLIRContext *context, SharedValues &shared,
                    const InPlaceCaches *caches = nullptr)
      : OpRewritePattern(context, /*benefit=*/caches ? 4 : 2), shared(shared), caches(caches) {}

  LogicalResult matchAndRewrite(sink::AttentionOp op, PatternRewriter &rewriter) const override {
    AttentionPlan plan;
    if (caches && !caches->contains(op))
      return rewriter.notifyMatchFailure(op, "its cache is not updated in place");
    if (!caches && isOperatorAlready(op, /*isStandard=*/false))
      return rewriter.notifyMatchFailure(op, kIsOperator);
    WhyNot why = plan.read(op);
    if (!why)
      why = checkGroupQuery(plan, bool(caches));
    if (why)
      return rewriter.notifyMatchFailure(op, *why);
    const sink::AttentionParts &p = plan.parts;
    NodeBuilder n(rewriter, op.getLoc(), sink::getResultName(op, 0));
    bool leaves = leavesPositions(plan);
    plan.prepare(n, shared);
    Value query = makeFlat(p.query, p.queryLayout, plan.query, n);
    query = plan.scaleQuery(query, Layout::bsd, n);
    Value key = makeFlat(p.key, p.keyLayout, plan.key, n);
    Value value = makeFlat(p.value, p.valueLayout, plan.value, n);
    Value past = caches ? caches->getPastLength() : Value();
    std::optional<InnerRotation> rotation;
    if (plan.query.dim % kRotatedHead == 0)
      rotation = findInnerRotation(query, key, shared);
    if (rotation) {
      query = rotation->query;
      key = rotation->key;
    }
    ScoreSizes sizes{query, 1, key, 1};
    sizes.pastLength = past;
    MaskBuilder masks(plan, sizes, leaves, n, shared);
    Value bias = masks.makeSum();
    Value absent = makeAbsent(n, op.getLoc());
    SmallVector<Value> inputs{query,
                              key,
                              value,
                              past ? p.pastKey : absent,
                              past ? p.pastValue : absent,
                              makeLength(query, past, /*isLast=*/true, n, shared),
                              makeLength(query, past, /*isLast=*/false, n, shared)};
    SmallVector<NamedAttribute> attrs = makeGroupAttrs(plan, leaves, n);
    SmallVector<Value, 3> tables(2, absent);
    if (rotation) {
      tables = {startAt(past, rotation->cos, n, shared), startAt(past, rotation->sin, n, shared)};
      attrs.push_back(n.attr("do_rotary", 1));
      if (rotation->isInterleaved)
        attrs.push_back(n.attr("rotary_interleaved", 1));
    }
    if (rotation || bias || p.sinkLogit)
      inputs.append(tables);
    if (bias || p.sinkLogit)
      inputs.append({absent, bias ? bias : absent});
    if (p.sinkLogit)
      inputs.push_back(p.sinkLogit);
    auto node = n.create<MSGroupQueryAttentionOp>(inputs, attrs, past ? 3 : 1);
    for (unsigned i = 1; i < node->getNumResults(); ++i)
      node->getResult(i).setType(op->getResult(i).getType());
    Value flat = node->getResult(0);
    if (p.zeroHiddenRows)
      flat = masks.fillHiddenRows(flat, Layout::bsd, bias, 0);
    finishAttention(rewriter, n, op, plan, flat, Layout::bsd, past ? node->getResult(1) : Value(),
                    past ? node->getResult(2) : Value());
    return success();
  }

private:
  static SmallVector<NamedAttribute> makeGroupAttrs(const AttentionPlan &plan, bool isCausal,
                                                    NodeBuilder &n) {
    const sink::AttentionParts &p = plan.parts;
    SmallVector<NamedAttribute> attrs = makeAttrs(plan, n);
    attrs.append({n.attr("num_heads", plan.query.heads), n.attr("kv_num_heads", plan.key.heads)});
    if (!isCausal)
      attrs.push_back(n.attr("causal", 0));
    if (isCausal && p.appliesWindow() && p.window)
      attrs.push_back(n.attr("local_window_size", *p.window));
    if (p.softcap)
      attrs.push_back(makeFloatAttr(n.getBuilder(), "softcap", *p.softcap));
    return attrs;
  }

  SharedValues &shared;
  const InPlaceCaches *caches;
};

} // namespace

void basin::populateInPlaceAttentionPatterns(RewritePatternSet &patterns, SharedValues &shared,
                                             const InPlaceCaches &caches) {
  patterns.add<GroupQueryPattern>(patterns.getContext(), shared, &caches);
}

void basin::populateRuntimeAttentionPatterns(RewritePatternSet &patterns, SharedValues &shared) {
  MLIRContext *context = patterns.getContext();
  patterns.add<MultiHeadPattern>(context, shared, /*takesAll=*/false);
  patterns.add<GroupQueryPattern>(context, shared);
  patterns.add<MultiHeadPattern>(context, shared, /*takesAll=*/true);
}
