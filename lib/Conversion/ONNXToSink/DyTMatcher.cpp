//===- DyTMatcher.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matches DyT and Derf written in primitive ops, anchored at f, which is a Tanh or an Erf:
//
//   y = gamma [cast] f([cast] alpha x [+ shift]) [+ beta] [cast]
//
// alpha and shift are one number each, and gamma and beta are vectors as long as the last axis. A
// scalar in place of gamma makes it a softcap, which is not a DyT.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;

static bool isWeight(Value value) { return isConstant(skipCasts(value)); }

/// Returns whether `value` has one element and no higher rank than `x`, so that broadcasting it
/// does not change the shape.
static bool isNumber(Value value, Value x) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  std::optional<int64_t> rank = getRank(x);
  return type && rank && type.hasStaticShape() && type.getNumElements() == 1 &&
         type.getRank() <= *rank;
}

/// Returns whether `value` is a parameter along x's last axis. A computed value may have that
/// shape too, if x has no other axis or only others of one element. So a parameter that is not
/// constant must have rank 1, and x a higher rank.
static bool isVectorOf(Value value, Value x) {
  std::optional<int64_t> d = getDim(x, -1), rank = getRank(value), full = getRank(x);
  return d && isVector(value, d) && *rank <= *full &&
         (isWeight(value) || (*rank == 1 && *full > 1));
}

/// Finds a Mul of `value` by more than one number. Returns null if there is none.
static Operation *findProduct(Value value) {
  for (Operation *user : value.getUsers())
    if (isa<MulOp>(user)) {
      Value other = otherOperand(user, value);
      auto type = dyn_cast<RankedTensorType>(other.getType());
      if (other != value && type && !(type.hasStaticShape() && type.getNumElements() == 1))
        return user;
    }
  return nullptr;
}

/// Returns the product of alpha and x that the value is, and the shift that is added to it.
static MulOp findScaled(Value value, DyTMatch &m) {
  Ops &inside = m.idiom.inside;
  Operation *op = skipCasts(value, &inside).getDefiningOp();
  if (auto add = dyn_cast_or_null<AddOp>(op))
    for (unsigned i : {0u, 1u}) {
      auto product = skipCasts(add->getOperand(i)).getDefiningOp<MulOp>();
      if (!product || !isNumber(add->getOperand(1 - i), add->getOperand(i)))
        continue;
      skipCasts(add->getOperand(i), &inside);
      inside.insert(add);
      m.shift = add->getOperand(1 - i);
      return product;
    }
  return dyn_cast_or_null<MulOp>(op);
}

/// Finds alpha and x as the factors of their product.
static std::optional<Miss> matchScale(MulOp product, Operation *squash, DyTMatch &m) {
  for (unsigned i : {0u, 1u})
    if (isNumber(product->getOperand(i), product->getOperand(1 - i))) {
      m.alpha = product->getOperand(i);
      m.x = product->getOperand(1 - i);
      m.idiom.inside.insert(product);
      return std::nullopt;
    }
  return Miss(MissReason::DyTAlpha, squash);
}

/// Goes downward from gamma f(...), over a sum with beta and over a cast back to x's type.
static void matchTail(DyTMatch &m, Value cur) {
  Ops &inside = m.idiom.inside;
  if (Operation *add = getOnlyUser(cur); isa_and_nonnull<AddOp>(add)) {
    Value beta = otherOperand(add, cur);
    if (beta != cur && isVectorOf(beta, m.x)) {
      m.beta = beta;
      inside.insert(add);
      cur = add->getResult(0);
    }
  }
  Type type = getElementTypeOf(m.x);
  Operation *cast = getOnlyUser(cur);
  if (cast && isFloatCast(cast) && type && getElementTypeOf(cur) != type &&
      getElementTypeOf(cast->getResult(0)) == type) {
    inside.insert(cast);
    cur = cast->getResult(0);
  }
  m.idiom.results = {cur};
}

MatchResult<DyTMatch> basin::onnx::matchDyT(Operation *op) {
  if (!isa<TanhOp, ErfOp>(op))
    return Unrelated();
  DyTMatch m;
  m.squash = isa<ErfOp>(op) ? sink::Squash::erf : sink::Squash::tanh;
  Ops &inside = m.idiom.inside;
  inside.insert(op);
  MulOp scaled = findScaled(op->getOperand(0), m);
  Value cur = op->getResult(0);
  for (Operation *user = getOnlyUser(cur); user && isFloatCast(user); user = getOnlyUser(cur)) {
    inside.insert(user);
    cur = user->getResult(0);
  }
  Operation *product = scaled ? findProduct(cur) : nullptr;
  Value gamma = product ? otherOperand(product, cur) : Value();
  // A product of two computed values is not a near miss.
  if (!gamma || !(isWeight(gamma) || getRank(gamma) == 1))
    return Unrelated();
  if (std::optional<Miss> why = matchScale(scaled, op, m))
    return *why;
  if (!getDim(m.x, -1))
    return Miss(MissReason::DyTSize);
  if (!isVectorOf(gamma, m.x))
    return Miss(MissReason::NotVector, "weight");
  m.gamma = gamma;
  inside.insert(product);
  matchTail(m, product->getResult(0));
  if (hasNarrowerCast(inside, m.x))
    return Miss(MissReason::NarrowerType, "input");
  m.idiom.arguments = {m.x};
  m.idiom.captured = {m.alpha, m.gamma, m.beta, m.shift};
  if (std::optional<Miss> why = checkIdiom(m.idiom, /*allowExtraResults=*/false))
    return *why;
  return m;
}
