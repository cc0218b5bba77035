//===- DyTMatcher.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DyT written in primitive ops, anchored at the Tanh.
//
//   y = gamma [cast] tanh([cast] alpha x) [+ beta] [cast]
//
// alpha is one number; gamma and beta are vectors of the last axis' size. A
// scalar in gamma's place makes it a softcap, which is none.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;

static bool isWeight(Value value) { return isConstant(skipCasts(value)); }

/// One element, of no higher rank than `x`: broadcasting it changes no shape.
static bool isNumber(Value value, Value x) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  std::optional<int64_t> rank = getRank(x);
  return type && rank && type.hasStaticShape() && type.getNumElements() == 1 &&
         type.getRank() <= *rank;
}

/// A parameter that runs along x's last axis. What is computed may be of such a
/// shape too where x has no other axis, or axes of one element.
static bool isVectorOf(Value value, Value x) {
  std::optional<int64_t> d = getDim(x, -1), rank = getRank(value), full = getRank(x);
  return d && isVector(value, d) && *rank <= *full &&
         (isWeight(value) || (*rank == 1 && *full > 1));
}

/// A Mul of `value` by more than one number; null without one.
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

/// alpha and x from their product.
static std::optional<Miss> matchScale(MulOp product, DyTMatch &m) {
  for (unsigned i : {0u, 1u})
    if (isNumber(product->getOperand(i), product->getOperand(1 - i))) {
      m.alpha = product->getOperand(i);
      m.x = product->getOperand(1 - i);
      m.idiom.inside.insert(product);
      return std::nullopt;
    }
  return Miss(MissReason::DyTAlpha);
}

/// Downward from gamma tanh(...): beta, and a cast back to x's type.
static void matchTail(DyTMatch &m, Value cur) {
  Ops &inside = m.idiom.inside;
  if (Operation *add = getOnlyUser(cur); add && isa<AddOp>(add)) {
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
  auto tanh = dyn_cast<TanhOp>(op);
  if (!tanh)
    return Unrelated();
  DyTMatch m;
  Ops &inside = m.idiom.inside;
  inside.insert(tanh);
  auto scaled = skipCasts(tanh.getInput(), &inside).getDefiningOp<MulOp>();
  Value cur = tanh->getResult(0);
  for (Operation *user = getOnlyUser(cur); user && isFloatCast(user); user = getOnlyUser(cur)) {
    inside.insert(user);
    cur = user->getResult(0);
  }
  Operation *product = scaled ? findProduct(cur) : nullptr;
  Value gamma = product ? otherOperand(product, cur) : Value();
  // Products of two computed values are no near miss.
  if (!gamma || !(isWeight(gamma) || getRank(gamma) == 1))
    return Unrelated();
  if (std::optional<Miss> why = matchScale(scaled, m))
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
  m.idiom.captured = {m.alpha, m.gamma, m.beta};
  if (std::optional<Miss> why = checkIdiom(m.idiom, /*allowExtraResults=*/false))
    return *why;
  return m;
}
