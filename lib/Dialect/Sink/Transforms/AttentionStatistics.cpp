//===- AttentionStatistics.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Computes attention's statistics from its probabilities, which are computed once more from query,
// key and mask in f32. So decomposed and fused attention are measured alike, and the model's own
// nodes stay as they are. Scores and probabilities [B, H, T, S] exist only during the run.
//
//===----------------------------------------------------------------------===//

#include "TapStatistics.h"

#include "basin/Dialect/Sink/IR/AttentionScores.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

namespace {

/// Measures one attention, given its scores and the queries that count.
class AttentionMeter {
public:
  /// With `mayHideNaN`, scores of hidden keys may be NaN although the probabilities are not.
  AttentionMeter(NodeBuilder &n, const AttentionScores &scores, Value queryMask, bool mayHideNaN);
  Statistics measure(const StatisticsOptions &options, int64_t learned);

private:
  Value perQuery(Value x, Value otherwise);
  Value meanOverQueries(Value x);
  Value countQueries(Value seen, int64_t size);
  Value visible();
  Value entropy();
  Value largestScore();
  Value norm(Value x);
  Value corner(Value x, int64_t size);

  NodeBuilder &n;
  Type f32;
  const AttentionScores &scores;
  bool mayHideNaN;
  /// The queries that count, bool [B, 1, T, 1]. Null if all count.
  Value mask;
  /// The probabilities [B, H, T, S], with zeros for queries that do not count.
  Value p;
};

} // namespace

AttentionMeter::AttentionMeter(NodeBuilder &n, const AttentionScores &scores, Value queryMask,
                               bool mayHideNaN)
    : n(n), f32(n.getBuilder().getF32Type()), scores(scores), mayHideNaN(mayHideNaN) {
  mask = queryMask ? n.unsqueeze(queryMask, {1, 3}) : Value();
  // A padding query may see no key at all, and then its probabilities are NaN.
  p = perQuery(scores.probabilities, n.scalar(0, f32));
}

Value AttentionMeter::perQuery(Value x, Value otherwise) {
  return mask ? n.node<WhereOp>({mask, x, otherwise}) : x;
}

/// Returns the mean over queries, [B, H, T, 1] -> [B, H].
Value AttentionMeter::meanOverQueries(Value x) {
  Value sum = n.reduceSum(x, {2, 3}, false);
  Value count = n.cast(n.dim(p, 2), f32);
  if (mask)
    count = n.node<MaxOp>({n.reduceSum(n.cast(mask, f32), {2, 3}, false), n.scalar(1, f32)});
  return n.node<DivOp>({sum, count});
}

/// Returns which keys the queries that count see, as bool [B or 1, H or 1, T, S or 1].
Value AttentionMeter::visible() {
  if (scores.visible && mask)
    return n.node<AndOp>({scores.visible, mask});
  return scores.visible ? scores.visible : mask;
}

/// Returns how many queries that count see each key, [B, S]. If `size` is not negative, only the
/// first `size` queries and keys are considered.
Value AttentionMeter::countQueries(Value seen, int64_t size) {
  Value shape = n.concat({n.dims(p, 0, 1), n.constant({1}), n.dims(p, 2, 4)}, 0);
  Value each = seen ? n.cast(seen, f32) : n.scalar(1, f32);
  each = n.expand(each, shape);
  if (size >= 0)
    each = corner(each, size);
  return n.reduceMax(n.squeeze(sumOverRows(n, each, 4), {2}), {1}, false);
}

Value AttentionMeter::entropy() {
  // The maximum makes 0 ln 0 = 0. A LogSoftmax takes a fifth of the time of a Log.
  Value log = scores.logProbabilities;
  log = log ? n.node<MaxOp>({log, n.scalar(-1e37, f32)})
            : n.node<LogOp>({n.node<MaxOp>({p, n.scalar(1e-37, f32)})});
  Value sum = n.reduceSum(n.node<MulOp>({p, log}), {3});
  return n.node<NegOp>({meanOverQueries(sum)});
}

Value AttentionMeter::largestScore() {
  double infinity = std::numeric_limits<double>::infinity();
  Value lowest = n.scalar(-infinity, f32), s = scores.scores;
  Value seen = visible();
  if (seen && mayHideNaN)
    s = n.node<WhereOp>({seen, s, lowest});
  else if (seen)
    // A Where on all scores takes five times as long. The bounds have no axis of heads.
    s = n.node<MinOp>({s, n.node<WhereOp>({seen, n.scalar(infinity, f32), lowest})});
  return n.reduceMax(s, {2, 3}, false);
}

Value AttentionMeter::norm(Value x) {
  return n.node<SqrtOp>({n.reduceSum(n.node<MulOp>({x, x}), {3}, false)});
}

/// Returns the part of `x` with the first `size` queries and keys.
Value AttentionMeter::corner(Value x, int64_t size) {
  return n.slice(n.slice(x, 2, 0, size), 3, 0, size);
}

Statistics AttentionMeter::measure(const StatisticsOptions &options, int64_t learned) {
  Statistics out;
  auto add = [&](StringRef name, Value value, int64_t rank) {
    out.push_back({name, value, f32, rank});
  };
  Value seen = visible();
  Value first = corner(p, options.sinkLength);
  add("mass", n.reduceSum(p, {2}, false), 3);
  add("queries", countQueries(seen, -1), 2);
  add("sink_mass", n.reduceSum(first, {2}, false), 3);
  add("sink_queries", countQueries(seen, options.sinkLength), 2);
  add("max_logit", largestScore(), 2);
  add("entropy", entropy(), 2);
  if (learned > 0) {
    Value rest = n.node<SubOp>({n.scalar(1, f32), n.reduceSum(p, {3})});
    add("learned", meanOverQueries(perQuery(rest, n.scalar(0, f32))), 2);
  }
  add("value_norm", norm(scores.value), 3);
  add("key_norm", norm(scores.key), 3);
  add("map", n.squeeze(n.reduceMean(corner(p, options.map), {1}), {1}), 3);
  return out;
}

WhyNot StatisticsBuilder::attention(const Tap &tap, Statistics &out, int64_t &learned) {
  auto op = cast<sink::AttentionOp>(tap.op);
  AttentionParts operands;
  if (WhyNot why = unpackAttention(op, n, /*usePresent=*/true, operands))
    return why;
  for (Value *value : {&operands.query, &operands.key, &operands.value, &operands.pastKey,
                       &operands.pastValue, &operands.mask})
    if (*value && isa_and_nonnull<FloatType>(getTensorInfo(*value).element))
      *value = widen(n, *value);
  // The logarithms of probabilities that are replaced by zeros may be NaN.
  bool withLogs = !tokens.mask && !operands.zeroHiddenRows;
  FailureOr<AttentionScores> scores = buildAttentionScores(op, operands, n, f32, withLogs);
  if (failed(scores))
    return "its scores have no decomposition";
  // Without these, each key is seen by some query, which then has NaN in all of its probabilities.
  bool mayHideNaN = tokens.mask || operands.lastKey || operands.pastKey || operands.window ||
                    (operands.mask && operands.maskKind != MaskKind::additive);
  // If the number of rows is not known they count as one, because what matters is that there are
  // some.
  learned = operands.sinkLogit ? 1 : 0;
  if (operands.sinkKey) {
    TensorInfo rows = getTensorInfo(operands.sinkKey);
    learned += rows.hasRank() && rows.rank() == 3 && rows[1].isStatic() ? rows[1].size : 1;
  }
  TensorInfo query = getTensorInfo(scores->query);
  batched = query.hasRank() && query.rank() == 4 && tokens.canBe(query[0], query[2]);
  bool areTokens = batched && tokens.are(query[0], query[2]);
  TensorInfo key = getTensorInfo(scores->key);
  ofTokens = tokens.alone || (key.hasRank() && key.rank() == 4 && tokens.are(key[0], key[2]));
  Value queries = areTokens ? tokens.mask : Value();
  out = AttentionMeter(n, *scores, queries, mayHideNaN).measure(options, learned);
  return std::nullopt;
}
