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

#include "AttentionSinks.h"
#include "HeadPath.h"
#include "Matchers.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::Layout;
using basin::sink::MaskKind;

namespace {

class AttentionWalk {
public:
  explicit AttentionWalk(Operation *softmax) : softmax(softmax) { m.parts.scale = 1; }
  MatchResult<AttentionMatch> match();

private:
  std::optional<Miss> toScores();
  std::optional<Miss> scoresStep(Operation *op);
  std::optional<Miss> takeMask(Operation *op);
  std::optional<Miss> takeFill(WhereOp where);
  std::optional<Miss> checkMask() const;
  std::optional<Miss> takeSinkColumn(ConcatOp concat);
  bool takeSoftcap(Value &cur);
  std::optional<Miss> toOperands();
  std::optional<Miss> toResult();
  std::optional<Miss> takeSinkRows();
  std::optional<Miss> checkShapes();
  bool isSquare() const;
  bool hasAllKeys() const;
  std::optional<Miss> finish(bool allArguments);

  Operation *softmax;
  /// Whether the walk has passed a constant factor. It would scale a mask or softcap above it,
  /// too.
  bool sawScale = false;
  std::optional<SinkColumn> column;
  AttentionMatch m;
  Value cur;
  Operation *scores = nullptr;
};

} // namespace

/// Returns whether the mask is broadcast to the scores, and not the scores to the mask. If only
/// one of two sizes is static, and the mask's is not 1, the scores may be the smaller ones, so
/// the answer is no. Two dynamic sizes are taken to agree.
static bool isNoLarger(Value mask, Value scores) {
  TensorInfo m = getTensorInfo(mask), s = getTensorInfo(scores);
  if (!m.hasRank() || !s.hasRank() || m.rank() > s.rank())
    return false;
  for (int64_t i = 1; i <= m.rank(); ++i) {
    const Dim &have = m[m.rank() - i], &want = s[s.rank() - i];
    bool mayAgree = !have.isStatic() && !want.isStatic();
    if (!have.is(1) && !mayAgree && !have.provablyEquals(want))
      return false;
  }
  return true;
}

/// Checks that the mask can be broadcast to the scores, which are `cur`, and that an additive
/// mask has real elements.
std::optional<Miss> AttentionWalk::checkMask() const {
  if (!isNoLarger(m.parts.mask, cur))
    return Miss(MissReason::AttentionMaskShape);
  Type type = getElementTypeOf(m.parts.mask);
  if (m.parts.maskKind == MaskKind::additive && type && !isRealType(type))
    return Miss(MissReason::ElementType, "mask", type);
  return std::nullopt;
}

/// Takes a mask from where(keep, s, low) or where(hide, low, s).
std::optional<Miss> AttentionWalk::takeFill(WhereOp where) {
  bool keeps = isHiddenScore(where.getY());
  if (!keeps && !isHiddenScore(where.getX()))
    return Miss(MissReason::AttentionFill);
  Value fill = keeps ? where.getY() : where.getX();
  m.parts.mask = where.getCondition();
  m.parts.maskKind = keeps ? MaskKind::keep : MaskKind::drop;
  cur = keeps ? where.getX() : where.getY();
  std::optional<double> number = evaluateFactor(fill, cur);
  if (!number)
    return Miss(MissReason::AttentionFillShape);
  if (std::isfinite(*number))
    m.parts.maskFill = number;
  return checkMask();
}

/// Takes a mask from s + mask or from a Where.
std::optional<Miss> AttentionWalk::takeMask(Operation *op) {
  if (m.parts.mask)
    return Miss(MissReason::AttentionTwoMasks);
  if (sawScale)
    return Miss(MissReason::AttentionScaleAfterMask);
  if (m.parts.softcap)
    return Miss(MissReason::AttentionMaskBeforeSoftcap);
  m.idiom.inside.insert(op);
  if (auto where = dyn_cast<WhereOp>(op))
    return takeFill(where);
  // The scores are the operand that comes from a product within a few steps. The mask is computed
  // from positions, or given.
  auto isScores = [](Value value) {
    for (unsigned depth = 0; depth < 8; ++depth) {
      Operation *def = value.getDefiningOp();
      if (!def)
        return false;
      if (matchHeadProduct(def))
        return true;
      if (!isa<CastOp, IdentityOp, MulOp, DivOp, AddOp, WhereOp, TanhOp, ReshapeOp>(def))
        return false;
      unsigned index = isa<WhereOp>(def) && isHiddenScore(def->getOperand(1)) ? 2 : 0;
      if (isa<WhereOp>(def) && index == 0)
        index = 1;
      if (isa<MulOp>(def) && evaluateScalar(def->getOperand(0)))
        index = 1;
      value = def->getOperand(index);
    }
    return false;
  };
  unsigned index = isScores(op->getOperand(0)) ? 0 : 1;
  if (!isScores(op->getOperand(index)))
    return Miss(MissReason::AttentionSummands);
  cur = op->getOperand(index);
  m.parts.mask = op->getOperand(1 - index);
  m.parts.maskKind = MaskKind::additive;
  return checkMask();
}

/// Takes a column of one logit for each head, which stands beside the scores as the Softmax reads
/// them.
std::optional<Miss> AttentionWalk::takeSinkColumn(ConcatOp concat) {
  if (column)
    return Miss(MissReason::AttentionTwoColumns);
  if (sawScale || m.parts.mask || m.parts.softcap)
    return Miss(MissReason::AttentionColumnChanged);
  MatchResult<SinkColumn> found = matchSinkColumn(concat);
  if (const Miss *why = found.getMiss())
    return *why;
  column = std::move(*found.getMatch());
  m.parts.sinkLogit = column->logit;
  m.idiom.inside.insert(column->ops.begin(), column->ops.end());
  cur = column->scores;
  return std::nullopt;
}

/// Takes a softcap: cap * tanh(s / cap).
bool AttentionWalk::takeSoftcap(Value &value) {
  Ops ops;
  std::optional<Scaled> outer = matchScaled(value, ops);
  auto tanh = outer ? outer->source.getDefiningOp<TanhOp>() : TanhOp();
  if (!tanh)
    return false;
  std::optional<Scaled> inner = matchScaled(tanh.getInput(), ops);
  if (!inner || std::abs(inner->factor * outer->factor - 1) > 1e-5)
    return false;
  ops.insert(tanh);
  m.idiom.inside.insert(ops.begin(), ops.end());
  m.parts.softcap = outer->factor;
  value = inner->source;
  return true;
}

/// Goes upward over one op between the Softmax and the product of q and k.
std::optional<Miss> AttentionWalk::scoresStep(Operation *op) {
  if (isFloatCast(op)) {
    m.idiom.inside.insert(op);
    cur = op->getOperand(0);
    return std::nullopt;
  }
  if (isa<AddOp, WhereOp>(op))
    return takeMask(op);
  if (auto concat = dyn_cast<ConcatOp>(op))
    return takeSinkColumn(concat);
  if (auto sub = dyn_cast<SubOp>(op)) {
    // A Softmax gives the same result if one number is subtracted from a whole row, but not if a
    // scale, a mask, a cap or a column comes in between.
    Value source = matchRowMax(sub, m.idiom.inside);
    if (!source)
      return Miss(MissReason::AttentionSubtracts);
    if (sawScale || m.parts.mask || m.parts.softcap || column)
      return Miss(MissReason::AttentionMaximumEarly);
    cur = source;
    return std::nullopt;
  }
  if (isa<MulOp, DivOp>(op)) {
    bool hadCap = m.parts.softcap.has_value();
    if (takeSoftcap(cur)) {
      if (hadCap)
        return Miss(MissReason::AttentionTwoSoftcaps);
      if (sawScale)
        return Miss(MissReason::AttentionScaleAfterSoftcap);
      return std::nullopt;
    }
    if (std::optional<Scaled> scaled = matchScaled(cur, m.idiom.inside)) {
      sawScale = true;
      *m.parts.scale *= scaled->factor;
      cur = scaled->source;
      return std::nullopt;
    }
    return Miss(MissReason::AttentionFactor);
  }
  return Miss(MissReason::AttentionAbove, op);
}

std::optional<Miss> AttentionWalk::toScores() {
  cur = softmax->getOperand(0);
  while (Operation *op = cur.getDefiningOp()) {
    if (matchHeadProduct(op)) {
      scores = op;
      m.idiom.inside.insert(op);
      return std::nullopt;
    }
    if (std::optional<Miss> why = scoresStep(op))
      return why;
  }
  return Miss(MissReason::AttentionNoScores);
}

std::optional<Miss> AttentionWalk::toOperands() {
  HeadProduct product = *matchHeadProduct(scores);
  HeadPath query = walkQuery(product.a), key;
  if (std::optional<Miss> why = walkKey(product, key))
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

/// Follows the probabilities downward to the product with v.
std::optional<Miss> AttentionWalk::toResult() {
  Value probs = softmax->getResult(0);
  m.idiom.inside.insert(softmax);
  bool dropped = false;
  while (true) {
    // Users that only test the probabilities (IsNaN) or hand them out do not continue the path.
    Operation *next = nullptr;
    for (Operation *user : probs.getUsers()) {
      if (isa<IsNaNOp>(user)) {
        m.idiom.inside.insert(user);
        continue;
      }
      if (std::optional<HeadProduct> product = matchHeadProduct(user);
          product && product->a == probs && product->factor == 1 && !product->transposesB) {
        next = user;
        break;
      }
      if (isFloatCast(user) || isa<WhereOp>(user) || isInferenceDropout(user) ||
          (column && isa<SliceOp, SplitOp>(user)))
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
    if (std::optional<HeadProduct> product = matchHeadProduct(next)) {
      if (column && !dropped)
        return Miss(MissReason::AttentionColumnKept);
      HeadPath value = walkValue(product->b);
      m.parts.value = value.value;
      m.parts.valueLayout = value.layout;
      m.idiom.inside.insert(value.ops.begin(), value.ops.end());
      m.idiom.results = {next->getResult(0)};
      return std::nullopt;
    }
    if (auto where = dyn_cast<WhereOp>(next)) {
      auto isNaN = where.getCondition().getDefiningOp<IsNaNOp>();
      if (!isNaN || isNaN.getX() != probs || where.getY() != probs ||
          evaluateScalar(where.getX()) != 0.0)
        return Miss(MissReason::AttentionSelects);
      m.parts.zeroHiddenRows = true;
    }
    probs = next->getResult(0);
  }
}

/// Makes learned rows before keys and values operands of their own, if the mask leaves them
/// visible. Changes nothing if there are no such rows.
std::optional<Miss> AttentionWalk::takeSinkRows() {
  if (m.parts.keyLayout != Layout::bhsd || m.parts.valueLayout != Layout::bhsd)
    return {};
  std::optional<SinkRows> key = matchSinkRows(m.parts.key), value = matchSinkRows(m.parts.value);
  if (!key || !value)
    return {};
  if (key->count != value->count || key->heads != value->heads)
    return Miss(MissReason::RowsDiffer, key->count, key->heads, value->count, value->heads);
  bool owned = true;
  if (m.parts.mask) {
    Value rest = matchVisibleColumns(m.parts.mask, *m.parts.maskKind, key->count);
    if (!rest)
      return Miss(MissReason::RowsMasked);
    // A mask that other layers read too stays outside, together with the ops that make it.
    owned = m.parts.mask.hasOneUse();
    if (owned)
      m.idiom.inside.insert(m.parts.mask.getDefiningOp());
    m.parts.mask = rest;
  }
  for (const SinkRows &rows : {*key, *value})
    m.idiom.inside.insert(rows.ops.begin(), rows.ops.end());
  m.parts.key = key->rest;
  m.parts.value = value->rest;
  m.parts.sinkKey = key->rows;
  m.parts.sinkValue = value->rows;
  m.parts.kvHeads = key->heads;
  return finish(/*allArguments=*/owned);
}

/// Sets layouts, head counts and the head size, and checks that ranks and head counts agree. The
/// query shows its head count, or else the scores or the column of logits do.
std::optional<Miss> AttentionWalk::checkShapes() {
  auto headsOf = [](Value value, Layout layout) -> std::optional<int64_t> {
    std::optional<unsigned> axis = sink::getHeadAxis(layout);
    return axis ? getDim(value, *axis) : std::nullopt;
  };
  std::optional<int64_t> rank = getRank(m.parts.query);
  if (rank != 4 && rank != 3)
    return Miss(MissReason::RankOfHeads, "query", describeRank(rank));
  for (auto [what, value] : {std::pair("key", m.parts.key), std::pair("value", m.parts.value)})
    if (std::optional<int64_t> other = getRank(value); other && *other != *rank)
      return Miss(MissReason::AttentionRanks, *rank, what, *other);
  if (*rank == 3)
    m.parts.queryLayout = m.parts.valueLayout = Layout::hsd;
  m.parts.resultLayout = m.parts.queryLayout;
  m.parts.heads = headsOf(m.parts.query, m.parts.queryLayout);
  m.parts.kvHeads = headsOf(m.parts.key, m.parts.keyLayout);
  m.parts.headDim = getDim(m.parts.query, -1);
  std::optional<int64_t> valueHeads = headsOf(m.parts.value, m.parts.valueLayout);
  if (!m.parts.heads && *rank == 4)
    m.parts.heads = getDim(scores->getResult(0), 1);
  if (m.parts.heads && m.parts.kvHeads && *m.parts.heads % *m.parts.kvHeads != 0)
    return Miss(MissReason::AttentionHeads, *m.parts.heads, *m.parts.kvHeads);
  if (column && *rank != 4)
    return Miss(MissReason::AttentionColumnHeads, column->heads, describeRank(rank));
  if (column && m.parts.heads && *m.parts.heads != column->heads)
    return Miss(MissReason::AttentionColumnHeads, column->heads, *m.parts.heads);
  if (column)
    m.parts.heads = column->heads;
  if (m.parts.kvHeads && valueHeads && *m.parts.kvHeads != *valueHeads)
    return Miss(MissReason::AttentionValueHeads, *m.parts.kvHeads, *valueHeads);
  // A product broadcasts one head to as many as the other operand has.
  unsigned headAxis = *rank == 4 ? 1 : 0;
  if (m.parts.heads == 1)
    for (auto [what, product] : {std::pair<const char *, Value>("keys", scores->getResult(0)),
                                 std::pair<const char *, Value>("values", m.idiom.results.front())})
      if (getDim(product, headAxis) != 1)
        return Miss(MissReason::AttentionOneHead, what);
  return std::nullopt;
}

/// Returns whether there are certainly as many keys as queries, not counting learned rows.
bool AttentionWalk::isSquare() const {
  TensorInfo info = getTensorInfo(scores->getResult(0));
  if (!info.hasRank() || info.rank() < 2)
    return false;
  if (!m.parts.sinkKey)
    return info[info.rank() - 1].provablyEquals(info[info.rank() - 2]);
  TensorInfo key = getTensorInfo(m.parts.key);
  return key.hasRank() && key.rank() == 4 && key[2].provablyEquals(info[info.rank() - 2]);
}

/// Returns whether there are certainly at least as many keys as queries. If their sizes are
/// dynamic, this is so if the keys are a Concat along the sequence that has a part of as many
/// keys as there are queries: the new ones, beside those of a past.
bool AttentionWalk::hasAllKeys() const {
  TensorInfo info = getTensorInfo(scores->getResult(0));
  if (!info.hasRank() || info.rank() < 2 || m.parts.sinkKey)
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

/// Sets what the form takes as arguments: all operands in order, or only query, key and value if
/// the others are made from values that stay outside. Also finds whether the mask is causal.
/// Returns why the ops cannot become one op, or nothing if they can.
std::optional<Miss> AttentionWalk::finish(bool allArguments) {
  KeyCount keys = isSquare()     ? KeyCount::asQueries
                  : hasAllKeys() ? KeyCount::atLeast
                                 : KeyCount::any;
  m.parts.causal = m.parts.causalInMask =
      m.parts.mask && isCausalMask(m.parts.mask, *m.parts.maskKind, keys);
  m.idiom.arguments = {m.parts.query, m.parts.key, m.parts.value};
  for (Value operand : {m.parts.mask, m.parts.sinkLogit, m.parts.sinkKey, m.parts.sinkValue})
    if (operand)
      (allArguments ? m.idiom.arguments : m.idiom.captured).push_back(operand);
  return checkIdiom(m.idiom, /*allowExtraResults=*/true);
}

MatchResult<AttentionMatch> AttentionWalk::match() {
  auto op = cast<SoftmaxOp>(softmax);
  // Before opset 13, the default axis was 1, and all axes from it on were taken as one.
  int64_t axis = op.getAxis().value_or(getOpsetVersion(softmax) >= 13 ? -1 : 1);
  if (!isLastAxis(op.getInput(), axis))
    return Miss(MissReason::AttentionAxis);
  for (auto step : {&AttentionWalk::toScores, &AttentionWalk::toOperands, &AttentionWalk::toResult,
                    &AttentionWalk::checkShapes})
    if (std::optional<Miss> why = (this->*step)())
      return *why;
  if (hasNarrowerCast(m.idiom.inside, m.parts.query))
    return Miss(MissReason::NarrowerType, "query");
  AttentionMatch plain = m;
  std::optional<Miss> rows = takeSinkRows();
  if (!rows && m.parts.sinkKey)
    return std::move(m);
  m = std::move(plain);
  m.rowsMiss = std::move(rows);
  if (std::optional<Miss> why = finish(/*allArguments=*/true))
    return *why;
  return std::move(m);
}

MatchResult<AttentionMatch> basin::onnx::matchAttention(Operation *softmax) {
  MatchResult<AttentionMatch> result = AttentionWalk(softmax).match();
  if (result.getMiss() && isClassifier(softmax))
    return Unrelated();
  return result;
}
