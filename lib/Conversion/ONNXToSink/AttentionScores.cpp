//===- AttentionScores.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The steps from the Softmax up to the product of queries and keys. Each op on the way must be a
// scale, a mask, a bias, a cap, a column of logits, or a change of shape. What is met first is what
// is applied last.
//
//===----------------------------------------------------------------------===//

#include "AttentionWalk.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::MaskKind;

/// Returns whether the mask is broadcast to the scores, and not the scores to the mask. The scores
/// may be the smaller ones if the mask's size is static and not 1, and theirs is not known. Two
/// dynamic sizes are taken to agree.
static bool isNoLarger(Value mask, Value scores) {
  TensorInfo m = getTensorInfo(mask), s = getTensorInfo(scores);
  if (!m.hasRank() || !s.hasRank() || m.rank() > s.rank())
    return false;
  for (int64_t i = 1; i <= m.rank(); ++i) {
    const Dim &have = m[m.rank() - i], &want = s[s.rank() - i];
    bool mayAgree = !have.isStatic() && !want.is(1);
    if (!have.is(1) && !mayAgree && !have.provablyEquals(want))
      return false;
  }
  return true;
}

/// Returns the value before an Expand to the shape of the scores beside it. Such a mask is
/// broadcast in any case, and its shape would depend on what it is a mask of.
static Value skipExpand(Value value, Operation *reader) {
  Value source = value;
  while (source.getDefiningOp() && isFlagCast(source.getDefiningOp()))
    source = source.getDefiningOp()->getOperand(0);
  auto expand = source.getDefiningOp<ExpandOp>();
  auto shape = expand ? expand->getOperand(1).getDefiningOp<ShapeOp>() : ShapeOp();
  bool isScores = shape && llvm::is_contained(reader->getOperands(), shape->getOperand(0));
  return isScores ? expand->getOperand(0) : value;
}

/// Checks that a mask or bias can be broadcast to the scores, which are `cur`.
std::optional<Miss> AttentionWalk::checkSummand(Value summand) {
  if (!isNoLarger(summand, cur))
    return Miss(MissReason::AttentionMaskShape);
  summands.push_back({summand, getRank(cur)});
  return std::nullopt;
}

/// Takes a mask from where(keep, s, low) or where(hide, low, s). A scale that follows scales the
/// hidden scores, too. A second condition that hides with the same score joins the first one.
std::optional<Miss> AttentionWalk::takeFill(WhereOp where) {
  bool keeps = isHiddenScore(where.getY());
  if (!keeps && !isHiddenScore(where.getX()))
    return Miss(MissReason::AttentionFill);
  if (m.parts.mask && m.parts.bias)
    return Miss(MissReason::AttentionTwoMasks);
  Value fill = keeps ? where.getY() : where.getX();
  Value condition = skipExpand(where.getCondition(), where);
  MaskKind kind = keeps ? MaskKind::keep : MaskKind::drop;
  cur = keeps ? where.getX() : where.getY();
  std::optional<double> number = evaluateFactor(fill, cur);
  if (!number)
    return Miss(MissReason::AttentionFillShape);
  // A scale behind a bias that is behind this mask scales this one, too.
  double score = *number * *m.parts.scale;
  if (!(score <= sink::kHiddenScore))
    return Miss(MissReason::AttentionScaleAfterMask);
  if (m.parts.mask && m.parts.maskKind != MaskKind::additive) {
    constexpr double kLowest = -std::numeric_limits<double>::infinity();
    if (m.parts.maskFill.value_or(kLowest) != score)
      return Miss(MissReason::AttentionTwoMasks);
    m.moreMasks.push_back({condition, kind});
    return checkSummand(condition);
  }
  // What was added behind this mask is a bias.
  m.parts.biasAfterMask = m.parts.mask || m.parts.bias;
  if (m.parts.mask) {
    m.parts.bias = m.parts.mask;
    m.parts.biasScale = std::exchange(m.parts.maskScale, std::nullopt);
  }
  m.parts.mask = condition;
  m.parts.maskKind = kind;
  if (std::isfinite(score))
    m.parts.maskFill = score;
  return checkSummand(m.parts.mask);
}

bool basin::onnx::isScores(Value value, unsigned depth) {
  for (; depth < 8; ++depth) {
    Operation *def = value.getDefiningOp();
    if (!def)
      return false;
    if (matchScores(def))
      return true;
    if (Value all = skipKeyScores(value)) {
      value = all;
      continue;
    }
    if (!isa<CastOp, IdentityOp, MulOp, DivOp, AddOp, WhereOp, TanhOp, ReshapeOp>(def))
      return false;
    unsigned index = isa<WhereOp>(def) && isHiddenScore(def->getOperand(1)) ? 2 : 0;
    if (isa<WhereOp>(def) && index == 0)
      index = 1;
    if (isa<MulOp>(def) && evaluateScalar(def->getOperand(0)))
      index = 1;
    // Either factor may be the scores.
    if (isa<MulOp>(def) && !evaluateScalar(def->getOperand(1 - index)) &&
        isScores(def->getOperand(1 - index), depth + 1))
      return true;
    value = def->getOperand(index);
  }
  return false;
}

/// Takes the other summand of s + summand: as the mask, if it is the first one that is met, or else
/// as the bias, or as one more bias. One that is scaled together with the scores is a bias.
std::optional<Miss> AttentionWalk::takeSummand(Operation *add, double factor) {
  unsigned index = isScores(add->getOperand(0)) ? 0 : 1;
  if (!isScores(add->getOperand(index)))
    return Miss(MissReason::AttentionSummands);
  cur = add->getOperand(index);
  Value summand = skipExpand(add->getOperand(1 - index), add);
  Type type = getElementTypeOf(summand);
  if (type && !isRealType(type))
    return Miss(MissReason::ElementType, "mask", type);
  factor *= *m.parts.scale;
  std::optional<double> scale = factor != 1 ? std::optional(factor) : std::nullopt;
  if (m.parts.bias && (m.parts.mask || m.parts.biasAfterMask)) {
    if (m.parts.biasAfterMask)
      return Miss(MissReason::AttentionTwoMasks);
    m.moreBiases.push_back({summand, factor});
  } else if (!m.parts.bias && (m.parts.mask || scale)) {
    m.parts.bias = summand;
    m.parts.biasScale = scale;
  } else {
    m.parts.mask = summand;
    m.parts.maskKind = MaskKind::additive;
    m.parts.maskScale = scale;
  }
  return checkSummand(summand);
}

/// Takes a tensor of factors that is broadcast to the scores: one for each head (Swin v2), for each
/// query, or for each score (Megatron's mask of any numbers).
bool AttentionWalk::takeFactor(MulOp mul) {
  unsigned index = isScores(mul.getA()) ? 0 : 1;
  Value scores = mul->getOperand(index), factor = mul->getOperand(1 - index);
  Type type = getElementTypeOf(factor);
  if (m.parts.scoreFactor || !isScores(scores) || isScores(factor) || !isNoLarger(factor, scores) ||
      (type && !isRealType(type)))
    return false;
  m.idiom.inside.insert(mul);
  m.parts.scoreFactor = factor;
  cur = scores;
  summands.push_back({factor, getRank(cur)});
  return true;
}

/// Takes a mask from s + mask or from a Where.
std::optional<Miss> AttentionWalk::takeMask(Operation *op) {
  if (m.parts.softcap)
    return Miss(MissReason::AttentionMaskBeforeSoftcap);
  if (m.parts.scoreFactor)
    return Miss(MissReason::AttentionScaleAfterMask);
  m.idiom.inside.insert(op);
  if (takeZeroOneMask(op))
    return checkSummand(m.parts.mask);
  if (auto where = dyn_cast<WhereOp>(op))
    return takeFill(where);
  return takeSummand(op, /*factor=*/1);
}

/// Takes the subtraction of the maximum of each row, or of a bias.
std::optional<Miss> AttentionWalk::takeDifference(SubOp sub) {
  // A Softmax gives the same result if one number is subtracted from a whole row, but not if a
  // scale, a mask, a cap or a column comes in between.
  if (Value source = matchRowMax(sub, m.idiom.inside)) {
    if (sawScale || m.parts.mask || m.parts.bias || m.parts.softcap || m.parts.floor ||
        m.parts.scoreFactor || hasSink || rowScores)
      return Miss(MissReason::AttentionMaximumEarly);
    cur = source;
    sawMaximum = true;
    return std::nullopt;
  }
  if (!isScores(sub.getA()) || isScores(sub.getB()))
    return Miss(MissReason::AttentionSubtracts);
  if (m.parts.softcap)
    return Miss(MissReason::AttentionMaskBeforeSoftcap);
  if (m.parts.scoreFactor)
    return Miss(MissReason::AttentionScaleAfterMask);
  m.idiom.inside.insert(sub);
  if (takeZeroOneMask(sub))
    return checkSummand(m.parts.mask);
  return takeSummand(sub, /*factor=*/-1);
}

/// Takes the maximum of the scores and a number that hides them.
std::optional<Miss> AttentionWalk::takeFloor(Operation *max) {
  if (max->getNumOperands() != 2 || sawScale || m.parts.mask || m.parts.bias || m.parts.softcap ||
      m.parts.floor || m.parts.scoreFactor)
    return Miss(MissReason::AttentionFloor);
  for (unsigned i : {0u, 1u})
    if (isHiddenScore(max->getOperand(i)))
      if (std::optional<double> number =
              evaluateFactor(max->getOperand(i), max->getOperand(1 - i))) {
        m.parts.floor = number;
        m.idiom.inside.insert(max);
        cur = max->getOperand(1 - i);
        return std::nullopt;
      }
  return Miss(MissReason::AttentionFloor);
}

bool basin::onnx::joinsOrPartsHeads(ReshapeOp reshape) {
  TensorInfo from = getTensorInfo(reshape.getData()), to = getTensorInfo(reshape->getResult(0));
  auto isScoresRank = [](const TensorInfo &info) {
    return info.hasRank() && (info.rank() == 3 || info.rank() == 4);
  };
  return isScoresRank(from) && isScoresRank(to) &&
         from[from.rank() - 1].provablyEquals(to[to.rank() - 1]) &&
         from[from.rank() - 2].provablyEquals(to[to.rank() - 2]) &&
         (from.rank() != to.rank() ||
          (from[0].provablyEquals(to[0]) && from[1].provablyEquals(to[1])));
}

/// Goes over a Reshape that joins batch and heads of the scores, or parts them.
std::optional<Miss> AttentionWalk::takeReshape(ReshapeOp reshape) {
  if (hasSink || rowScores || !joinsOrPartsHeads(reshape))
    return Miss(MissReason::AttentionReshape);
  m.idiom.inside.insert(reshape);
  if (getRank(cur) == 4)
    partedScores = cur;
  cur = reshape.getData();
  return std::nullopt;
}

void AttentionWalk::takeSink(Value logit, std::optional<double> number,
                             std::optional<int64_t> heads) {
  hasSink = true;
  sinkHeads = heads;
  m.parts.sinkLogit = logit;
  m.sinkNumber = number;
}

/// Takes a column of one logit for each head, which stands beside the scores as the Softmax reads
/// them.
std::optional<Miss> AttentionWalk::takeSinkColumn(Operation *op) {
  if (hasSink)
    return Miss(MissReason::AttentionTwoColumns);
  if (sawScale || m.parts.mask || m.parts.bias || m.parts.softcap || m.parts.scoreFactor ||
      rowScores)
    return Miss(MissReason::AttentionColumnChanged);
  auto concat = dyn_cast<ConcatOp>(op);
  MatchResult<SinkColumn> found =
      concat ? matchSinkColumn(concat) : matchSinkColumn(cast<PadOp>(op));
  if (const Miss *why = found.getMiss())
    return *why;
  column = std::move(*found.getMatch());
  takeSink(column->logit, column->number, column->heads);
  m.idiom.inside.insert(column->ops.begin(), column->ops.end());
  cur = column->scores;
  return std::nullopt;
}

/// Takes scores of rows before the keys, which are joined to the masked ones of the keys as the
/// Softmax reads them.
bool AttentionWalk::takeRowScores(ConcatOp concat) {
  if (rowScores || sawScale || m.parts.mask || m.parts.bias || m.parts.softcap || m.parts.floor ||
      m.parts.scoreFactor)
    return false;
  rowScores = matchRowScores(concat);
  if (!rowScores)
    return false;
  m.idiom.inside.insert(rowScores->ops.begin(), rowScores->ops.end());
  cur = rowScores->masked;
  return true;
}

/// Takes the cut between the scores of the rows and those of the keys. A scale or cap behind it
/// would be one of the keys alone.
std::optional<Miss> AttentionWalk::takeKeyScores(SliceOp slice) {
  if (!rowScores || isCut || !isKeyScores(cur, rowScores->all, rowScores->count) || sawScale ||
      m.parts.softcap || m.parts.scoreFactor)
    return Miss(MissReason::AttentionAbove, slice.getOperation());
  isCut = true;
  m.idiom.inside.insert(slice);
  cur = rowScores->all;
  return std::nullopt;
}

/// Takes a softcap: cap * tanh(f s), which is cap * tanh(f cap s / cap). Most exporters divide by
/// the cap, and f is 1 / cap. A runtime may have put that factor into the product of queries and
/// keys.
bool AttentionWalk::takeSoftcap(Value &value) {
  Ops ops;
  std::optional<Scaled> outer = matchScaled(value, ops);
  auto tanh = outer ? outer->source.getDefiningOp<TanhOp>() : TanhOp();
  if (!tanh || !(outer->factor > 0))
    return false;
  std::optional<Scaled> inner = matchScaled(tanh.getInput(), ops);
  double scale = outer->factor * (inner ? inner->factor : 1);
  // Rounding of the two constants is no scale.
  *m.parts.scale *= std::abs(scale - 1) < 1e-5 ? 1 : scale;
  ops.insert(tanh);
  m.idiom.inside.insert(ops.begin(), ops.end());
  m.parts.softcap = outer->factor;
  value = inner ? inner->source : tanh.getInput();
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
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return takeReshape(reshape);
  if (auto concat = dyn_cast<ConcatOp>(op); concat && takeRowScores(concat))
    return std::nullopt;
  if (isa<ConcatOp, PadOp>(op))
    return takeSinkColumn(op);
  if (auto slice = dyn_cast<SliceOp>(op))
    return takeKeyScores(slice);
  if (auto sub = dyn_cast<SubOp>(op))
    return takeDifference(sub);
  if (isa<MaxOp>(op))
    return takeFloor(op);
  if (isa<MulOp, DivOp>(op)) {
    bool hadCap = m.parts.softcap.has_value();
    if (takeSoftcap(cur)) {
      if (m.parts.scoreFactor)
        return Miss(MissReason::AttentionScaleAfterSoftcap);
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
    if (auto mul = dyn_cast<MulOp>(op); mul && takeFactor(mul))
      return std::nullopt;
    return Miss(MissReason::AttentionFactor);
  }
  return Miss(MissReason::AttentionAbove, op);
}

std::optional<Miss> AttentionWalk::toScores() {
  if (softmax.hasSink)
    takeSink(softmax.sinkLogit, softmax.sinkNumber, softmax.sinkHeads);
  cur = softmax.scores;
  while (Operation *op = cur.getDefiningOp()) {
    if (matchScores(op)) {
      scores = op;
      m.idiom.inside.insert(op);
      return std::nullopt;
    }
    if (std::optional<Miss> why = scoresStep(op))
      return why;
  }
  return Miss(MissReason::AttentionNoScores);
}
