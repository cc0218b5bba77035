//===- AttentionMatcher.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matches softmax attention written in primitive ops, anchored at the Softmax:
//
//   s = [scale] q k^T [scale]; s = [cap tanh(s / cap)]; s = [s + mask | where]
//   s = [concat(s, logit a head)]; s = [s - max(s)]
//   p = [cast] softmax(s) [cast] [p without the logits' column]
//   p = [where(isnan(p), 0, p)]; y = p v
//
// The walk goes upward from the Softmax to the product of q and k. From there it follows each
// operand over scales and casts, and k also over its transposition and the repetition of key
// heads, to values laid out by batch, head, sequence and head dimension. Then it goes downward
// from the Softmax to the product with v. Anything else on the way is a reason not to raise.
//
//===----------------------------------------------------------------------===//

#include "AttentionWalk.h"
#include "JoinedSinks.h"
#include "OperandCopies.h"
#include "SinkGate.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::Layout;
using basin::sink::MaskKind;

std::optional<Miss> AttentionWalk::toOperands() {
  HeadProduct product = *matchScores(scores);
  HeadPath query = walkQuery(product, isShort), key;
  if (std::optional<Miss> why = walkKey(product, isShort, key))
    return why;
  m.parts.query = query.value;
  m.parts.key = key.value;
  m.parts.queryLayout = query.layout;
  m.parts.keyLayout = key.layout;
  *m.parts.scale *= product.factor * query.scale * key.scale;
  for (const HeadPath &path : {query, key})
    m.idiom.inside.insert(path.ops.begin(), path.ops.end());
  return std::nullopt;
}

/// Returns whether a row's scores may all be -inf. Its gate would be NaN, but with a sink it is 0.
/// Two summands of the lowest number are -inf, and so are that number in f16 and a score.
bool AttentionWalk::mayHideRows() const {
  const sink::AttentionParts &p = m.parts;
  if (p.floor || (!p.mask && !p.bias))
    return false;
  if (p.mask && p.maskKind != MaskKind::additive)
    return !p.maskFill || p.bias;
  Value summand = p.mask ? p.mask : p.bias;
  Type element = getElementTypeOf(summand);
  return (p.mask && p.bias) || p.maskScale || p.biasScale || !m.moreBiases.empty() || !element ||
         element.isF16() || !isFiniteMask(summand);
}

/// Takes a product with sigmoid(logsumexp(scores) - sink), which is a sink of each head.
std::optional<Miss> AttentionWalk::takeSinkGate(MulOp mul, Value gated) {
  std::optional<SinkGate> gate = matchSinkGate(mul, gated, softmax.scores);
  if (!gate || hasSink || sawMaximum || mayHideRows())
    return Miss(MissReason::AttentionSinkGate);
  takeSink(gate->logit, gate->number, gate->heads);
  m.idiom.inside.insert(gate->ops.begin(), gate->ops.end());
  return std::nullopt;
}

std::optional<Miss> AttentionWalk::takeWeightedValues(Operation *op, const HeadProduct &product) {
  HeadPath value = walkValue(product, isShort);
  m.parts.value = value.value;
  m.parts.valueLayout = value.layout;
  m.parts.resultLayout = product.result;
  m.idiom.inside.insert(value.ops.begin(), value.ops.end());
  m.idiom.results = {op->getResult(0)};
  auto mul = dyn_cast_or_null<MulOp>(getOnlyUser(op->getResult(0)));
  if (!mul || product.result != Layout::bhsd || !isSinkGate(mul, op->getResult(0), softmax.scores))
    return std::nullopt;
  m.idiom.results = {mul.getResult()};
  return takeSinkGate(mul, op->getResult(0));
}

/// Takes a Where that makes zeros of NaN, or of the probabilities of keys that the mask hides.
/// Those are zero anyhow, but for rows that hide all keys.
std::optional<Miss> AttentionWalk::takeProbabilities(WhereOp where, Value probs) {
  auto isNaN = where.getCondition().getDefiningOp<IsNaNOp>();
  if (isNaN && isNaN.getX() == probs && where.getY() == probs &&
      evaluateScalar(where.getX()) == 0.0) {
    m.parts.zeroHiddenRows = true;
    return std::nullopt;
  }
  // A score so low is certain to have no share in a row that sees a key.
  constexpr double kNoShare = -1e30;
  bool keeps = m.parts.maskKind == MaskKind::keep, drops = m.parts.maskKind == MaskKind::drop;
  if ((!keeps && !drops) || where.getCondition() != m.parts.mask || m.parts.biasAfterMask ||
      !m.moreMasks.empty() || m.parts.maskFill.value_or(kNoShare) > kNoShare ||
      (keeps ? where.getX() : where.getY()) != probs ||
      evaluateScalar(keeps ? where.getY() : where.getX()) != 0.0)
    return Miss(MissReason::AttentionSelects);
  m.parts.maskFill.reset();
  m.parts.zeroHiddenRows = true;
  return std::nullopt;
}

/// Follows the probabilities downward to the product with v.
std::optional<Miss> AttentionWalk::toResult() {
  Value probs = softmax.probabilities;
  m.idiom.inside.insert(softmax.ops.begin(), softmax.ops.end());
  bool dropped = false;
  while (true) {
    // Users that only test the probabilities (IsNaN) or hand them out do not continue the path.
    Operation *next = nullptr;
    for (Operation *user : probs.getUsers()) {
      if (isa<IsNaNOp>(user)) {
        m.idiom.inside.insert(user);
        continue;
      }
      if (matchWeightedValues(user, probs)) {
        next = user;
        break;
      }
      auto reshape = dyn_cast<ReshapeOp>(user);
      if (isFloatCast(user) || isa<WhereOp>(user) || isInferenceDropout(user) ||
          (reshape && joinsOrPartsHeads(reshape)) || (column && isa<SliceOp, SplitOp>(user)))
        next = user;
      if (auto mul = dyn_cast<MulOp>(user); mul && isSinkGate(mul, probs, softmax.scores))
        next = user;
    }
    if (!next)
      return Miss(MissReason::AttentionNoValues);
    m.idiom.inside.insert(next);
    if (isa<SliceOp, SplitOp>(next)) {
      Value rest = dropped ? Value() : matchDroppedColumn(next, probs, *column);
      if (!rest)
        return Miss(MissReason::AttentionColumnDropped);
      dropped = true;
      probs = rest;
      continue;
    }
    if (std::optional<HeadProduct> product = matchWeightedValues(next, probs)) {
      if (column && !dropped)
        return Miss(MissReason::AttentionColumnKept);
      return takeWeightedValues(next, *product);
    }
    if (auto mul = dyn_cast<MulOp>(next))
      if (std::optional<Miss> why = takeSinkGate(mul, probs))
        return why;
    if (auto where = dyn_cast<WhereOp>(next))
      if (std::optional<Miss> why = takeProbabilities(where, probs))
        return why;
    probs = next->getResult(0);
  }
}

/// Returns whether rows that are weights of zeros have a column of the mask that holds logits.
static bool holdsLogits(const SinkRows &key, const SinkRows &value,
                        const sink::AttentionParts &parts) {
  if (!parts.mask || !key.rows || !value.rows || !isFilledWith(key.rows, 0) ||
      !isFilledWith(value.rows, 0))
    return false;
  std::optional<MaskColumns> columns =
      matchMaskColumns(parts.mask, *parts.maskKind, key, parts.heads);
  return columns && columns->logit;
}

/// Takes learned rows and rows of zeros that three or more parts of a Concat put beside the keys.
bool AttentionWalk::takeJoinedRows(bool &allArguments) {
  auto concat = m.parts.key.getDefiningOp<ConcatOp>();
  bool isPlain = m.parts.keyLayout == Layout::bhsd && m.parts.valueLayout == Layout::bhsd;
  if (!isPlain || !concat || concat->getNumOperands() < 3 || hasSink || !m.parts.heads ||
      m.parts.maskScale)
    return false;
  std::optional<JoinedSinks> found =
      matchJoinedSinks(m.parts.key, m.parts.value, m.parts.mask,
                       m.parts.maskKind.value_or(MaskKind::additive), *m.parts.heads);
  if (!found)
    return false;
  allArguments = found->ownsMask;
  m.parts.key = found->key;
  m.parts.value = found->value;
  m.parts.kvHeads = getDim(m.parts.key, 1);
  found->giveTo(m.parts);
  m.sinkNumber = found->sinkNumber;
  m.idiom.inside.insert(found->ops.begin(), found->ops.end());
  return true;
}

/// Takes rows before or after keys and values as operands of their own, if the mask leaves them
/// visible. The order of keys does not matter. Rows of zeros have the score 0 and add nothing but
/// their share: they are a sink of each head. Changes nothing if there are no such rows.
std::optional<Miss> AttentionWalk::takeRows(bool &allArguments, bool &took) {
  std::optional<SinkRows> key = matchSinkRows(m.parts.key, m.parts.keyLayout),
                          value = matchSinkRows(m.parts.value, m.parts.valueLayout);
  if (!key || !value)
    return {};
  if (!rowScores && holdsLogits(*key, *value, m.parts))
    key->rows = value->rows = Value();
  bool isZero = !key->rows && !value->rows;
  auto heads = [](const SinkRows &rows) { return rows.heads.value_or(0); };
  if (key->count != value->count || key->heads != value->heads || key->layout != value->layout)
    return Miss(MissReason::RowsDiffer, key->count, heads(*key), value->count, heads(*value));
  // Batch and heads of the query may be one axis. Each of its pairs has a key head of its own then.
  std::optional<int64_t> queryHeads = m.parts.heads;
  if (!queryHeads && getRank(m.parts.query) == 3)
    queryHeads = key->heads ? key->heads : findTurnedHeads(key->rest);
  bool hasLogit = hasSink || m.sinkNumber || m.parts.sinkLogit;
  if (key->isLast != value->isLast || !key->rows != !value->rows ||
      (isZero && (hasLogit || !queryHeads || m.parts.maskScale)) ||
      (!isZero && (m.parts.sinkKey || key->turned != value->turned)))
    return {};
  if (rowScores && (!isCut || key->count != rowScores->count || key->isLast))
    return {};
  bool owned = true;
  std::optional<double> number;
  if (isZero)
    number = std::log(static_cast<double>(key->count));
  if (m.parts.mask && !rowScores) {
    std::optional<MaskColumns> columns =
        matchMaskColumns(m.parts.mask, *m.parts.maskKind, *key, queryHeads);
    if (!columns || (columns->logit && !isZero))
      return Miss(MissReason::RowsMasked);
    // A mask that other layers read too stays outside, together with the ops that make it.
    owned = m.parts.mask.hasOneUse();
    if (owned)
      m.idiom.inside.insert(columns->ops.begin(), columns->ops.end());
    m.parts.mask = columns->rest;
    if (columns->logit) {
      m.parts.sinkLogit = columns->logit;
      number.reset();
    }
    if (!m.parts.mask) {
      m.parts.maskKind.reset();
      m.parts.maskFill.reset();
    }
  }
  for (const SinkRows &rows : {*key, *value})
    m.idiom.inside.insert(rows.ops.begin(), rows.ops.end());
  m.parts.heads = queryHeads;
  m.parts.key = key->rest;
  m.parts.value = value->rest;
  m.parts.keyLayout = m.parts.valueLayout = key->layout;
  m.partedKeyDim = key->partedDim;
  m.partedValueDim = value->partedDim;
  if (key->heads)
    m.parts.kvHeads = key->heads;
  if (!m.parts.kvHeads)
    m.parts.kvHeads = m.parts.heads;
  if (isZero) {
    m.sinkNumber = number;
  } else {
    m.parts.sinkKey = key->rows;
    m.parts.sinkValue = value->rows;
    if (key->turned)
      m.turnedRows = key->count;
  }
  allArguments &= owned && key->layout == Layout::bhsd;
  took = true;
  return {};
}

/// Makes rows beside keys and values operands of their own: learned ones, zeros, or both, in two
/// steps or in one. Changes nothing if there are no such rows.
std::optional<Miss> AttentionWalk::takeSinkRows() {
  if (!rowScores && (m.parts.bias || !m.moreMasks.empty()))
    return {};
  // Its columns would be for the rows, too.
  if (m.parts.scoreFactor && getDim(m.parts.scoreFactor, -1) != 1)
    return {};
  bool allArguments = true;
  hasRows = !rowScores && takeJoinedRows(allArguments);
  for (bool isFirst : {true, false}) {
    if (hasRows && (isFirst || rowScores))
      break;
    AttentionMatch plain = m;
    bool took = false;
    std::optional<Miss> why = takeRows(allArguments, took);
    if (!took) {
      if (isFirst)
        return why;
      m = std::move(plain);
      break;
    }
    hasRows = true;
  }
  return finish(allArguments);
}

/// Sets layouts and the head size, and checks that ranks agree. A mask or bias has the axes of the
/// scores that it was added to: with three of them, its first one may be that of heads or that of
/// batch and heads.
std::optional<Miss> AttentionWalk::checkShapes() {
  std::optional<int64_t> rank = getRank(m.parts.query);
  if (rank != 4 && rank != 3)
    return Miss(MissReason::RankOfHeads, "query", describeRank(rank));
  if (std::optional<int64_t> other = getRank(m.parts.key); other && *other != *rank)
    return Miss(MissReason::AttentionRanks, *rank, "key", *other);
  // A Reshape of the probabilities may part batch and heads for the product with values.
  int64_t valueRank = getRank(m.parts.value).value_or(*rank);
  if (valueRank != *rank && (!partedScores || (valueRank != 3 && valueRank != 4)))
    return Miss(MissReason::AttentionRanks, *rank, "value", valueRank);
  for (const Summand &summand : summands)
    if (summand.rank != *rank && getRank(summand.value) == 3 && getDim(summand.value, 0) != 1)
      return Miss(MissReason::AttentionMaskHeads);
  if (*rank == 3)
    m.parts.queryLayout = joinHeads(m.parts.queryLayout);
  if (valueRank == 3)
    for (Layout *layout : {&m.parts.valueLayout, &m.parts.resultLayout})
      *layout = joinHeads(*layout);
  m.parts.headDim = getDim(m.parts.query, -1);
  return checkHeads();
}

/// Sets the head counts, and checks that they agree. The query shows its head count, or else the
/// scores or the column of logits do.
std::optional<Miss> AttentionWalk::checkHeads() {
  auto headsOf = [](Value value, Layout layout) -> std::optional<int64_t> {
    std::optional<unsigned> axis = sink::getHeadAxis(layout);
    return axis ? getDim(value, *axis) : std::nullopt;
  };
  int64_t rank = *getRank(m.parts.query);
  m.parts.heads = headsOf(m.parts.query, m.parts.queryLayout);
  m.parts.kvHeads = headsOf(m.parts.key, m.parts.keyLayout);
  std::optional<int64_t> valueHeads = headsOf(m.parts.value, m.parts.valueLayout);
  if (!m.parts.heads && (rank == 4 || partedScores))
    m.parts.heads = getDim(rank == 4 ? scores->getResult(0) : partedScores, 1);
  if (m.parts.heads && m.parts.kvHeads && *m.parts.heads % *m.parts.kvHeads != 0)
    return Miss(MissReason::AttentionHeads, *m.parts.heads, *m.parts.kvHeads);
  if (hasSink && m.sinkNumber && !sinkHeads)
    sinkHeads = m.parts.heads;
  if (hasSink && !sinkHeads)
    return Miss(MissReason::AttentionSinkHeads);
  if (hasSink && rank != 4)
    return Miss(MissReason::AttentionColumnHeads, *sinkHeads, describeRank(rank));
  if (hasSink && m.parts.heads && *m.parts.heads != *sinkHeads)
    return Miss(MissReason::AttentionColumnHeads, *sinkHeads, *m.parts.heads);
  if (hasSink)
    m.parts.heads = sinkHeads;
  // Keys and values have equally many heads. If the number of one is not known, the other has one
  // for each head of the query, or may be repeated alone.
  bool haveHeads = sink::getHeadAxis(m.parts.keyLayout) && sink::getHeadAxis(m.parts.valueLayout);
  auto describe = [](std::optional<int64_t> count) {
    return count ? std::to_string(*count) : std::string("an unknown number of");
  };
  bool isOneForEach = valueHeads == m.parts.heads || m.parts.kvHeads == m.parts.heads;
  if (haveHeads && m.parts.kvHeads != valueHeads &&
      !(m.parts.heads && isOneForEach && !(m.parts.kvHeads && valueHeads)))
    return Miss(MissReason::AttentionValueHeads, describe(m.parts.kvHeads), describe(valueHeads));
  // A product broadcasts one head to as many as the other operand has.
  unsigned headAxis = rank == 4 ? 1 : 0;
  unsigned resultAxis = sink::getHeadAxis(m.parts.resultLayout).value_or(0);
  if (m.parts.heads == 1)
    for (auto [what, product, axis] :
         {std::tuple<const char *, Value, unsigned>("keys", scores->getResult(0), headAxis),
          std::tuple<const char *, Value, unsigned>("values", m.idiom.results.front(), resultAxis)})
      if (getDim(product, axis) != 1)
        return Miss(MissReason::AttentionOneHead, what);
  return std::nullopt;
}

/// Checks that operands which must be made can be.
std::optional<Miss> AttentionWalk::checkMade() {
  // If batch and heads are one axis, the number of axes says which the first one is.
  for (auto [bias, factor] : m.moreBiases)
    if (getElementTypeOf(bias) != getElementTypeOf(m.parts.bias) ||
        (getRank(m.parts.query) != 4 && getRank(bias) != getRank(m.parts.bias)))
      return Miss(MissReason::AttentionBiases);
  for (auto [mask, kind] : m.moreMasks)
    if (getRank(m.parts.query) != 4 && getRank(mask) != getRank(m.parts.mask))
      return Miss(MissReason::AttentionTwoMasks);
  return std::nullopt;
}

/// Returns whether there are certainly as many keys as queries, not counting learned rows.
bool AttentionWalk::isSquare() const {
  TensorInfo info = getTensorInfo(scores->getResult(0));
  if (!info.hasRank() || info.rank() < 2)
    return false;
  if (!hasRows)
    return info[info.rank() - 1].provablyEquals(info[info.rank() - 2]);
  TensorInfo key = getTensorInfo(m.parts.key);
  unsigned sequence = sink::getSequenceAxis(m.parts.keyLayout);
  return key.hasRank() && key.rank() > sequence &&
         key[sequence].provablyEquals(info[info.rank() - 2]);
}

/// Returns whether there are certainly at least as many keys as queries. If their sizes are
/// dynamic, this is so if the keys are a Concat along the sequence that has a part of as many
/// keys as there are queries: the new ones, beside those of a past.
bool AttentionWalk::hasAllKeys() const {
  TensorInfo info = getTensorInfo(scores->getResult(0));
  if (!info.hasRank() || info.rank() < 2 || hasRows)
    return false;
  const Dim &queries = info[info.rank() - 2], &keys = info[info.rank() - 1];
  if (queries.isStatic() && keys.isStatic())
    return keys.size >= queries.size;
  auto concat = m.parts.key.getDefiningOp<ConcatOp>();
  TensorInfo key = getTensorInfo(m.parts.key);
  if (!concat || !key.hasRank())
    return false;
  int64_t sequence = sink::getSequenceAxis(m.parts.keyLayout), axis = concat.getAxis().value_or(0);
  if ((axis < 0 ? axis + key.rank() : axis) != sequence)
    return false;
  return llvm::any_of(concat->getOperands(), [&](Value part) {
    TensorInfo one = getTensorInfo(part);
    return one.hasRank() && one.rank() == key.rank() && one[sequence].provablyEquals(queries);
  });
}

MatchResult<AttentionMatch> AttentionWalk::match() {
  if (auto op = dyn_cast<SoftmaxOp>(softmax.anchor)) {
    // Before opset 13, the default axis was 1, and all axes from it on were taken as one.
    int64_t axis = op.getAxis().value_or(getOpsetVersion(op) >= 13 ? -1 : 1);
    if (!isLastAxis(op.getInput(), axis))
      return Miss(MissReason::AttentionAxis);
  }
  for (auto step : {&AttentionWalk::toScores, &AttentionWalk::toOperands, &AttentionWalk::toResult,
                    &AttentionWalk::checkShapes, &AttentionWalk::checkMade})
    if (std::optional<Miss> why = (this->*step)())
      return *why;
  if (hasNarrowerCast(m.idiom.inside, m.parts.query))
    return Miss(MissReason::NarrowerType, "query");
  AttentionMatch plain = m;
  std::optional<Miss> rows = takeSinkRows();
  if (!rows && hasRows)
    return std::move(m);
  // The mask has no columns for scores that are cut apart.
  if (rowScores)
    return Miss(MissReason::AttentionRowScores);
  m = std::move(plain);
  m.rowsMiss = std::move(rows);
  if (std::optional<Miss> why = finishWithCopies())
    return *why;
  return std::move(m);
}

MatchResult<AttentionMatch> basin::onnx::matchAttention(Operation *anchor) {
  MatchResult<SoftmaxForm> form = matchSoftmax(anchor);
  if (form.isUnrelated())
    return Unrelated();
  if (const Miss *why = form.getMiss())
    return *why;
  const SoftmaxForm &softmax = *form.getMatch();
  MatchResult<AttentionMatch> result = AttentionWalk(softmax, /*isShort=*/false).match();
  // A mask may be computed from the shape of what casts, scales or repeats an operand. If those ops
  // stay outside, the mask comes before the attention.
  // So it is if the heads of keys are repeated, but not known to be.
  if (const Miss *why = result.getMiss(); why && (why->reason == MissReason::InputFromInside ||
                                                  why->reason == MissReason::ValueUsedEarly ||
                                                  why->reason == MissReason::AttentionValueHeads))
    if (MatchResult<AttentionMatch> second = AttentionWalk(softmax, /*isShort=*/true).match();
        second.getMatch())
      return second;
  if (result.getMiss() && isClassifier(softmax))
    return Unrelated();
  return result;
}
