//===- AttentionStatistics.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Computes attention's statistics from its probabilities. These are the model's own if it computes
// them in f32 (FormScores.h). Otherwise they are computed once more from query, key and mask, so
// that fused attention is measured, too. Scores and probabilities [B, H, T, S] exist only during
// the run.
//
//===----------------------------------------------------------------------===//

#include "MaskValues.h"
#include "TapStatistics.h"

#include "basin/Dialect/Sink/IR/AttentionScores.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

namespace {

/// What is known of an attention's scores.
struct ScoreFacts {
  /// Scores of hidden keys may be NaN although the probabilities are not.
  bool mayHideNaN = false;
  /// Masks change no score of a visible key.
  bool keepsVisible = false;
};

/// Measures one attention, given its scores and the queries that count.
class AttentionMeter {
public:
  AttentionMeter(NodeBuilder &n, const AttentionScores &scores, Value queryMask, ScoreFacts facts);
  Statistics measure(const StatisticsOptions &options, int64_t learned);
  Value boundScores(const AttentionParts &parts);

private:
  Value perQuery(Value x, Value otherwise);
  Value meanOverQueries(Value x);
  Value countQueries(Value seen, int64_t size);
  Value visible();
  void measureScores(Value seen, Value sum, Value &largest, Value &entropy);
  Value entropyOf(Value finite, Value largest, Value sum);
  Value hide(Value x, Value seen);
  Value norm(Value x);
  Value corner(Value x, int64_t size);

  NodeBuilder &n;
  Type f32;
  const AttentionScores &scores;
  ScoreFacts facts;
  /// The queries that count, bool [B, 1, T, 1]. Null if all count.
  Value mask;
  /// The probabilities [B, H, T, S], with zeros for queries that do not count.
  Value p;
};

} // namespace

AttentionMeter::AttentionMeter(NodeBuilder &n, const AttentionScores &scores, Value queryMask,
                               ScoreFacts facts)
    : n(n), f32(n.getBuilder().getF32Type()), scores(scores), facts(facts) {
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

/// A finite number below every score. Its product with a probability of zero is zero.
static constexpr double kLowest = -1e37;

/// Returns `x` with `kLowest` at keys that no query that counts sees.
Value AttentionMeter::hide(Value x, Value seen) {
  Value lowest = n.scalar(kLowest, f32);
  if (!seen)
    return x;
  if (facts.mayHideNaN)
    return n.node<WhereOp>({seen, x, lowest});
  // A Where on all scores takes longer. The bounds have no axis of heads.
  double infinity = std::numeric_limits<double>::infinity();
  return n.node<MinOp>({x, n.node<WhereOp>({seen, n.scalar(infinity, f32), lowest})});
}

/// Returns each query's entropy [B, H, T, 1], of the scores `s` that the probabilities are of, the
/// largest of these, m, and the sum of the probabilities:
///   -sum_j p_j ln p_j = (m - ln max_j p_j) sum_j p_j - sum_j p_j s_j
/// because ln p_j - s_j is the same for each key. So no logarithm is taken of all probabilities. A
/// query that sees no key has the same probability for each, and m says nothing of it.
Value AttentionMeter::entropyOf(Value s, Value largest, Value sum) {
  Value product = n.reduceSum(n.node<MulOp>({p, s}), {3});
  Value top = n.node<MaxOp>({n.reduceMax(p, {3}), n.scalar(1e-37, f32)});
  Value own = n.node<NegOp>({n.node<LogOp>({top})});
  Value lse = n.node<AddOp>({largest, own});
  Value out = n.node<SubOp>({sum ? n.node<MulOp>({lse, sum}) : lse, product});
  Value seesKey = n.node<GreaterOp>({largest, n.scalar(kHiddenScore, f32)});
  // Rounding may make a number below zero of it.
  return n.node<WhereOp>({seesKey, n.node<MaxOp>({out, n.scalar(0, f32)}), own});
}

/// Sets the largest visible score [B, H] and the mean entropy [B, H]. Few results are as large as
/// the scores, because these are what takes the time.
void AttentionMeter::measureScores(Value seen, Value sum, Value &largest, Value &entropy) {
  Value rows, each;
  if (facts.keepsVisible) {
    // The scores of hidden keys have a probability of zero, so they may stay if they are numbers.
    Value finite = facts.mayHideNaN ? hide(scores.scores, seen) : scores.scores;
    rows = n.reduceMax(facts.mayHideNaN ? finite : scores.masked, {3});
    each = entropyOf(finite, rows, sum);
    largest = n.reduceMax(rows, {2, 3}, false);
  } else {
    largest = n.reduceMax(hide(scores.scores, seen), {2, 3}, false);
    Value top = n.reduceMax(scores.masked, {3});
    // The difference keeps the digits of scores that a mask has moved far away. A row of -inf has
    // none.
    Value finite = n.scalar(std::numeric_limits<float>::lowest(), f32);
    Value below = n.node<SubOp>({scores.masked, n.node<MaxOp>({top, finite})});
    below = n.node<MaxOp>({below, n.scalar(kLowest, f32)});
    each = entropyOf(below, n.scalar(0, f32), sum);
  }
  entropy = meanOverQueries(perQuery(each, n.scalar(0, f32)));
  double infinity = std::numeric_limits<double>::infinity();
  // No query may see a key.
  Value isSeen = n.node<GreaterOp>({largest, n.scalar(kLowest / 2, f32)});
  largest = n.node<WhereOp>({isSeen, largest, n.scalar(-infinity, f32)});
}

Value AttentionMeter::norm(Value x) {
  return n.node<SqrtOp>({n.reduceSum(n.node<MulOp>({x, x}), {3}, false)});
}

/// Returns the part of `x` with the first `size` queries and keys.
Value AttentionMeter::corner(Value x, int64_t size) {
  return n.slice(n.slice(x, 2, 0, size), 3, 0, size);
}

/// Returns a bound of each head's |scores|, hidden ones among them, [B, H]: no product of vectors
/// exceeds that of their norms.
Value AttentionMeter::boundScores(const AttentionParts &parts) {
  Value query = norm(scores.query), dim = n.cast(n.dim(scores.query, 3), f32);
  if (mask)
    query = n.node<WhereOp>({n.squeeze(mask, {3}), query, n.scalar(0, f32)});
  query = n.reduceMax(query, {2}, false);
  Value key = n.reduceMax(norm(scores.key), {2}, false);
  Value groups = n.concat({n.dims(key, 0, 2), n.constant({-1})}, 0);
  Value product = n.node<MulOp>({n.reshape(query, groups), n.unsqueeze(key, {2})});
  product = n.reshape(product, {0, -1});
  Value bound = parts.scale ? n.node<MulOp>({product, n.scalar(std::abs(*parts.scale), f32)})
                            : n.node<DivOp>({product, n.node<SqrtOp>({dim})});
  return parts.softcap ? n.node<MinOp>({bound, n.scalar(*parts.softcap, f32)}) : bound;
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
  Value sum = learned > 0 ? n.reduceSum(p, {3}) : Value(), largest, entropy;
  measureScores(seen, sum, largest, entropy);
  add("max_logit", largest, 2);
  add("entropy", entropy, 2);
  if (learned > 0) {
    Value rest = n.node<SubOp>({n.scalar(1, f32), sum});
    add("learned", meanOverQueries(perQuery(rest, n.scalar(0, f32))), 2);
  }
  add("value_norm", norm(scores.value), 3);
  add("key_norm", norm(scores.key), 3);
  add("map", n.squeeze(n.reduceMean(corner(p, options.map), {1}), {1}), 3);
  return out;
}

WhyNot StatisticsBuilder::attention(const Tap &tap, const GivenScores &given, Statistics &out,
                                    int64_t &learned) {
  auto op = cast<sink::AttentionOp>(tap.op);
  AttentionParts operands;
  if (WhyNot why = unpackAttention(op, n, /*usePresent=*/true, operands))
    return why;
  ScoreFacts facts;
  facts.keepsVisible = keepsVisibleScores(operands);
  for (Value *value : {&operands.query, &operands.key, &operands.value, &operands.pastKey,
                       &operands.pastValue, &operands.mask})
    if (*value && isa_and_nonnull<FloatType>(getTensorInfo(*value).element))
      *value = widen(n, *value);
  FailureOr<AttentionScores> scores = buildAttentionScores(op, operands, n, f32, given);
  if (failed(scores))
    return "its scores have no decomposition";
  // Without these, each key is seen by some query, which then has NaN in all of its probabilities.
  facts.mayHideNaN = tokens.mask || operands.lastKey || operands.pastKey || operands.window ||
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
  AttentionMeter meter(n, *scores, queries, facts);
  out = meter.measure(options, learned);
  // A tensor of factors has no bound here.
  if (!operands.scoreFactor)
    out.push_back({"score_bound", meter.boundScores(operands), f32, 2});
  return std::nullopt;
}
