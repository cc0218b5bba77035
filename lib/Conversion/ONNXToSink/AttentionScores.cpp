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

/// Checks that a mask or bias can be broadcast to the scores, which are `cur`.
std::optional<Miss> AttentionWalk::checkSummand(Value summand) {
  if (!isNoLarger(summand, cur))
    return Miss(MissReason::AttentionMaskShape);
  summands.push_back({summand, getRank(cur)});
  return std::nullopt;
}

/// Takes a mask from where(keep, s, low) or where(hide, low, s). A scale that follows scales the
/// hidden scores, too.
std::optional<Miss> AttentionWalk::takeFill(WhereOp where) {
  bool keeps = isHiddenScore(where.getY());
  if (!keeps && !isHiddenScore(where.getX()))
    return Miss(MissReason::AttentionFill);
  if (m.parts.mask && (m.parts.maskKind != MaskKind::additive || m.parts.bias))
    return Miss(MissReason::AttentionTwoMasks);
  if (m.parts.mask) {
    // What was added behind this mask is a bias.
    m.parts.bias = m.parts.mask;
    m.parts.biasAfterMask = true;
  }
  Value fill = keeps ? where.getY() : where.getX();
  m.parts.mask = where.getCondition();
  m.parts.maskKind = keeps ? MaskKind::keep : MaskKind::drop;
  cur = keeps ? where.getX() : where.getY();
  std::optional<double> number = evaluateFactor(fill, cur);
  if (!number)
    return Miss(MissReason::AttentionFillShape);
  // A scale behind a bias that is behind this mask scales this one, too.
  double score = *number * *m.parts.scale;
  if (!(score <= sink::kHiddenScore))
    return Miss(MissReason::AttentionScaleAfterMask);
  if (std::isfinite(score))
    m.parts.maskFill = score;
  return checkSummand(m.parts.mask);
}

/// Returns whether a value comes from a product of tensors with heads within a few steps. A mask is
/// computed from positions, or given.
static bool isScores(Value value) {
  for (unsigned depth = 0; depth < 8; ++depth) {
    Operation *def = value.getDefiningOp();
    if (!def)
      return false;
    if (matchScores(def))
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
}

/// Takes the other summand of s + summand: as the mask, if it is the first one that is met, or else
/// as the bias. One that is scaled together with the scores is a bias.
std::optional<Miss> AttentionWalk::takeSummand(Operation *add) {
  if (m.parts.bias || m.parts.biasAfterMask)
    return Miss(MissReason::AttentionTwoMasks);
  unsigned index = isScores(add->getOperand(0)) ? 0 : 1;
  if (!isScores(add->getOperand(index)))
    return Miss(MissReason::AttentionSummands);
  cur = add->getOperand(index);
  Value summand = add->getOperand(1 - index);
  Type type = getElementTypeOf(summand);
  if (type && !isRealType(type))
    return Miss(MissReason::ElementType, "mask", type);
  if (m.parts.mask || sawScale) {
    m.parts.bias = summand;
    if (*m.parts.scale != 1)
      m.parts.biasScale = m.parts.scale;
  } else {
    m.parts.mask = summand;
    m.parts.maskKind = MaskKind::additive;
  }
  return checkSummand(summand);
}

/// Takes a mask from s + mask or from a Where.
std::optional<Miss> AttentionWalk::takeMask(Operation *op) {
  if (m.parts.softcap)
    return Miss(MissReason::AttentionMaskBeforeSoftcap);
  m.idiom.inside.insert(op);
  if (auto where = dyn_cast<WhereOp>(op))
    return takeFill(where);
  return takeSummand(op);
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
  if (column || !joinsOrPartsHeads(reshape))
    return Miss(MissReason::AttentionReshape);
  m.idiom.inside.insert(reshape);
  if (getRank(cur) == 4)
    partedScores = cur;
  cur = reshape.getData();
  return std::nullopt;
}

/// Takes a column of one logit for each head, which stands beside the scores as the Softmax reads
/// them.
std::optional<Miss> AttentionWalk::takeSinkColumn(ConcatOp concat) {
  if (column)
    return Miss(MissReason::AttentionTwoColumns);
  if (sawScale || m.parts.mask || m.parts.bias || m.parts.softcap)
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
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return takeReshape(reshape);
  if (auto concat = dyn_cast<ConcatOp>(op))
    return takeSinkColumn(concat);
  if (auto sub = dyn_cast<SubOp>(op)) {
    // A Softmax gives the same result if one number is subtracted from a whole row, but not if a
    // scale, a mask, a cap or a column comes in between.
    Value source = matchRowMax(sub, m.idiom.inside);
    if (!source)
      return Miss(MissReason::AttentionSubtracts);
    if (sawScale || m.parts.mask || m.parts.bias || m.parts.softcap || column)
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
