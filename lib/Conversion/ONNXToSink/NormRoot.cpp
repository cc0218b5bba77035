//===- NormRoot.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Goes down from a mean of squares:
//
//   [+ eps]; sqrt, or pow by 0.5; 1 / that, or pow by -0.5; v times that, or v divided by it
//
//===----------------------------------------------------------------------===//

#include "NormRoot.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;

namespace {

/// Follows the chain of single uses.
class RootWalk {
public:
  MatchResult<NormRoot> match(Operation *mean);

private:
  std::optional<Miss> toRoot(Value &cur);
  std::optional<Miss> toScaling(Value cur);
  Value step(Operation *op) {
    found.inside.insert(op);
    return op->getResult(0);
  }
  std::nullopt_t end(Operation *scaling, Value scaled) {
    step(scaling);
    found.scaling = scaling;
    found.scaled = scaled;
    return std::nullopt;
  }

  NormRoot found;
};

} // namespace

/// Returns the miss for a value that is used more or less than once, where the walk cannot go on.
static Miss usedAgain(Value value) {
  return Miss(MissReason::NormValueUses, value.getDefiningOp(), value.getNumUses());
}

/// Goes from the mean over the sum with epsilon, up to the op that takes the root.
std::optional<Miss> RootWalk::toRoot(Value &cur) {
  for (Operation *user = getOnlyUser(cur); user; user = getOnlyUser(cur)) {
    if (isFloatCast(user)) {
      cur = step(user);
    } else if (isa<AddOp>(user) && !found.epsilonOp) {
      std::optional<double> eps = evaluateFactor(otherOperand(user, cur), cur);
      if (!eps)
        return Miss(MissReason::NormEpsilon);
      found.epsilon = *eps;
      found.epsilonOp = user;
      cur = step(user);
    } else {
      return std::nullopt;
    }
  }
  return usedAgain(cur);
}

/// Goes from m + eps to v / sqrt(m + eps).
std::optional<Miss> RootWalk::toScaling(Value cur) {
  bool inverse = false, rooted = false;
  for (Operation *user = getOnlyUser(cur); user; user = getOnlyUser(cur)) {
    if (isFloatCast(user)) {
      cur = step(user);
    } else if (isa<SqrtOp>(user) && !rooted) {
      rooted = true;
      cur = step(user);
    } else if (auto pow = dyn_cast<PowOp>(user); pow && !rooted && pow.getX() == cur) {
      std::optional<double> exponent = getConstantScalar(pow.getY());
      if (exponent != 0.5 && exponent != -0.5)
        return Miss(MissReason::NormPower);
      rooted = true;
      inverse = *exponent < 0;
      cur = step(user);
    } else if (isa<ReciprocalOp>(user) && rooted && !inverse) {
      inverse = true;
      cur = step(user);
    } else if (auto div = dyn_cast<DivOp>(user); div && rooted && !inverse && div.getB() == cur) {
      if (getConstantScalar(div.getA()) != 1.0)
        return end(user, div.getA());
      inverse = true;
      cur = step(user);
    } else if (isa<MulOp>(user) && inverse) {
      return end(user, otherOperand(user, cur));
    } else {
      return Miss(MissReason::NormNoRoot, user);
    }
  }
  return usedAgain(cur);
}

MatchResult<NormRoot> RootWalk::match(Operation *mean) {
  Value cur = step(mean);
  if (std::optional<Miss> why = toRoot(cur))
    return *why;
  if (std::optional<Miss> why = toScaling(cur))
    return *why;
  return std::move(found);
}

MatchResult<NormRoot> basin::onnx::matchNormRoot(Operation *mean) { return RootWalk().match(mean); }
