//===- AttentionMatcher.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Softmax attention written in primitive ops, anchored at the Softmax.
//
//   s = [scale] q k^T [scale]; s = [cap tanh(s / cap)]; s = [s + mask | where]
//   p = [cast] softmax(s) [cast] [where(isnan(p), 0, p)]; y = p v
//
// Upward from the Softmax to the product of q and k, then along each operand
// over scales, casts, the transposition of k and the repetition of key heads,
// to values laid out by batch, head, sequence and head dimension. Downward to
// the product with v. Whatever else is met is a reason not to raise.
//
//===----------------------------------------------------------------------===//

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
  explicit AttentionWalk(Operation *softmax) : softmax(softmax) {}
  std::variant<AttentionMatch, Miss> match();

private:
  std::optional<Miss> toScores();
  std::optional<Miss> scoresStep(Operation *op);
  std::optional<Miss> takeMask(Operation *op);
  bool takeSoftcap(Value &cur);
  std::optional<Miss> toOperands();
  std::optional<Miss> toResult();
  std::optional<Miss> checkShapes();

  Operation *softmax;
  /// A constant factor has been met: mask and softcap would stand inside it.
  bool sawScale = false;
  AttentionMatch m;
  Value cur;
  Operation *scores = nullptr;
};

} // namespace

static Miss miss(const Twine &reason) { return Miss{reason.str()}; }

/// A constant so low that its exponential vanishes beside any score.
static bool isMaskedScore(Value value) {
  std::optional<double> constant = evaluateScalar(value);
  return constant && *constant <= -1e4;
}

/// s + mask; where(keep, s, low); where(hide, low, s).
std::optional<Miss> AttentionWalk::takeMask(Operation *op) {
  if (m.mask)
    return miss("it has two masks");
  if (sawScale)
    return miss("its scores are scaled after the mask");
  if (m.softcap)
    return miss("its mask is added before the softcap");
  m.idiom.inside.insert(op);
  if (auto where = dyn_cast<WhereOp>(op)) {
    bool keeps = isMaskedScore(where.getY());
    if (!keeps && !isMaskedScore(where.getX()))
      return miss("its Where does not replace scores by a large negative constant");
    m.mask = where.getCondition();
    m.maskKind = keeps ? MaskKind::keep : MaskKind::drop;
    cur = keeps ? where.getX() : where.getY();
    return std::nullopt;
  }
  // The scores are the operand that comes from a product of two computed
  // matrices; a mask is computed from positions or given.
  auto isScores = [](Value value) {
    for (unsigned depth = 0; depth < 8; ++depth) {
      Operation *def = value.getDefiningOp();
      if (!def)
        return false;
      if (isa<MatMulOp>(def))
        return true;
      if (!isa<CastOp, IdentityOp, MulOp, DivOp, AddOp, WhereOp, TanhOp, ReshapeOp>(def))
        return false;
      unsigned index = isa<WhereOp>(def) && isMaskedScore(def->getOperand(1)) ? 2 : 0;
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
    return miss("neither summand of its mask comes from a product of queries and keys");
  cur = op->getOperand(index);
  m.mask = op->getOperand(1 - index);
  m.maskKind = MaskKind::additive;
  return std::nullopt;
}

/// cap * tanh(s / cap)
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
  m.softcap = outer->factor;
  value = inner->source;
  return true;
}

/// One op upward between the Softmax and the product of q and k.
std::optional<Miss> AttentionWalk::scoresStep(Operation *op) {
  if (isFloatCast(op)) {
    m.idiom.inside.insert(op);
    cur = op->getOperand(0);
    return std::nullopt;
  }
  if (isa<AddOp, WhereOp>(op))
    return takeMask(op);
  if (isa<MulOp, DivOp>(op)) {
    bool hadCap = m.softcap.has_value();
    if (takeSoftcap(cur)) {
      if (hadCap)
        return miss("it has two softcaps");
      if (sawScale)
        return miss("its scores are scaled after the softcap");
      return std::nullopt;
    }
    if (std::optional<Scaled> scaled = matchScaled(cur, m.idiom.inside)) {
      sawScale = true;
      m.scale *= scaled->factor;
      cur = scaled->source;
      return std::nullopt;
    }
    return miss("its scores are multiplied by something that is no constant");
  }
  return miss("expected scale, mask or a product of queries and keys above the "
              "Softmax, but got " +
              op->getName().getStringRef());
}

std::optional<Miss> AttentionWalk::toScores() {
  cur = softmax->getOperand(0);
  while (Operation *op = cur.getDefiningOp()) {
    if (isa<MatMulOp>(op)) {
      scores = op;
      m.idiom.inside.insert(op);
      return std::nullopt;
    }
    if (std::optional<Miss> why = scoresStep(op))
      return why;
  }
  return miss("no product of queries and keys is above the Softmax");
}

std::optional<Miss> AttentionWalk::toOperands() {
  auto matmul = cast<MatMulOp>(scores);
  HeadPath query, key;
  if (auto why = walkQuery(matmul.getA(), query))
    return miss(*why);
  if (auto why = walkKey(matmul.getB(), key))
    return miss(*why);
  m.query = query.value;
  m.key = key.value;
  m.queryLayout = query.layout;
  m.keyLayout = key.layout;
  m.scale *= query.scale * key.scale;
  for (const HeadPath &path : {query, key})
    m.idiom.inside.insert(path.ops.begin(), path.ops.end());
  return std::nullopt;
}

/// A Dropout that drops nothing.
static bool isInferenceDropout(Operation *op) {
  if (!isa<DropoutOp>(op))
    return false;
  Value training = getInputOrNull(op, 2);
  return !training || getConstantInts(training) == SmallVector<int64_t>{0};
}

/// Downward to the product with v.
std::optional<Miss> AttentionWalk::toResult() {
  Value probs = softmax->getResult(0);
  m.idiom.inside.insert(softmax);
  while (true) {
    // Users that only look (IsNaN) or hand the probabilities out do not lead on.
    Operation *next = nullptr;
    for (Operation *user : probs.getUsers()) {
      if (isa<IsNaNOp>(user)) {
        m.idiom.inside.insert(user);
        continue;
      }
      if (isa<MatMulOp>(user) && user->getOperand(0) == probs) {
        next = user;
        break;
      }
      if (isFloatCast(user) || isa<WhereOp>(user) || isInferenceDropout(user))
        next = user;
    }
    if (!next)
      return miss("no product with values is below the Softmax");
    m.idiom.inside.insert(next);
    if (auto matmul = dyn_cast<MatMulOp>(next)) {
      HeadPath value;
      if (auto why = walkValue(matmul.getB(), value))
        return miss(*why);
      m.value = value.value;
      m.valueLayout = value.layout;
      m.idiom.inside.insert(value.ops.begin(), value.ops.end());
      m.idiom.results = {matmul->getResult(0)};
      return std::nullopt;
    }
    if (auto where = dyn_cast<WhereOp>(next)) {
      auto isNaN = where.getCondition().getDefiningOp<IsNaNOp>();
      if (!isNaN || isNaN.getX() != probs || where.getY() != probs ||
          evaluateScalar(where.getX()) != 0.0)
        return miss("its probabilities are selected by something that is not their "
                    "being NaN");
    }
    probs = next->getResult(0);
  }
}

/// Head counts, from whichever operand shows them.
std::optional<Miss> AttentionWalk::checkShapes() {
  auto headsOf = [](Value value, Layout layout) -> std::optional<int64_t> {
    std::optional<unsigned> axis = sink::getHeadAxis(layout);
    return axis ? getDim(value, *axis) : std::nullopt;
  };
  std::optional<int64_t> rank = getRank(m.query);
  if (!rank)
    return miss("the rank of its query is unknown");
  if (*rank != 4 && *rank != 3)
    return miss("its query has rank " + Twine(*rank) +
                "; expected [batch, heads, "
                "sequence, head dim]");
  for (auto [what, value] : {std::pair("key", m.key), std::pair("value", m.value)})
    if (std::optional<int64_t> other = getRank(value); other && *other != *rank)
      return miss("its query has rank " + Twine(*rank) + ", but its " + what + " has rank " +
                  Twine(*other));
  if (*rank == 3)
    m.queryLayout = m.valueLayout = Layout::hsd;
  m.heads = headsOf(m.query, m.queryLayout);
  m.kvHeads = headsOf(m.key, m.keyLayout);
  m.headDim = getDim(m.query, -1);
  std::optional<int64_t> valueHeads = headsOf(m.value, m.valueLayout);
  if (!m.heads && *rank == 4)
    m.heads = getDim(scores->getResult(0), 1);
  if (m.heads && m.kvHeads && *m.heads % *m.kvHeads != 0)
    return miss("its " + Twine(*m.heads) + " query heads are no multiple of " + Twine(*m.kvHeads) +
                " key heads");
  if (m.kvHeads && valueHeads && *m.kvHeads != *valueHeads)
    return miss("it has " + Twine(*m.kvHeads) + " key heads but " + Twine(*valueHeads) +
                " value heads");
  return std::nullopt;
}

/// Whether the last two axes are of one size for certain.
static bool isSquare(Value value) {
  TensorInfo info = getTensorInfo(value);
  return info.hasRank() && info.rank() >= 2 &&
         info[info.rank() - 1].provablyEquals(info[info.rank() - 2]);
}

std::variant<AttentionMatch, Miss> AttentionWalk::match() {
  auto op = cast<SoftmaxOp>(softmax);
  // Before opset 13 the default axis was 1, and all from there was one axis.
  int64_t axis = op.getAxis().value_or(getOpsetVersion(softmax) >= 13 ? -1 : 1);
  if (!isLastAxis(op.getInput(), axis))
    return miss("its Softmax is not over the last axis");
  for (auto step : {&AttentionWalk::toScores, &AttentionWalk::toOperands, &AttentionWalk::toResult,
                    &AttentionWalk::checkShapes})
    if (std::optional<Miss> why = (this->*step)())
      return *why;
  m.causal = m.mask && isCausalMask(m.mask, *m.maskKind, isSquare(scores->getResult(0)));
  m.idiom.arguments = {m.query, m.key, m.value};
  if (m.mask)
    m.idiom.arguments.push_back(m.mask);
  if (StringRef why = checkIdiom(m.idiom, /*allowExtraResults=*/true); !why.empty())
    return miss(why);
  return std::move(m);
}

std::variant<AttentionMatch, Miss> basin::onnx::matchAttention(Operation *softmax) {
  return AttentionWalk(softmax).match();
}
