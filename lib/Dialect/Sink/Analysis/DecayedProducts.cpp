//===- DecayedProducts.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   y = ((q k^T) * exp(c_i - c_j)) v,  c = cumsum(g)
//
// Linear attention in chunks multiplies its products by a decay, which is the exponential of sums
// of g between two tokens. These sums are differences of one CumSum, or a CumSum of masked rows
// under -inf (Mamba-2). The anchor is the Exp. A Softmax has an Exp of its own, and no CumSum.
//
//===----------------------------------------------------------------------===//

#include "MixerParts.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// Skips views, and what zeroes or hides a part of the elements.
static Value skipMasks(Value value) {
  for (unsigned i = 0; i < 16; ++i) {
    value = skipViews(value);
    Operation *def = value.getDefiningOp();
    if (isa_and_nonnull<TriluOp>(def)) {
      value = def->getOperand(0);
    } else if (auto where = dyn_cast_or_null<WhereOp>(def)) {
      bool first = isConstant(where.getX()), second = isConstant(where.getY());
      if (first == second)
        return value;
      value = first ? where.getY() : where.getX();
    } else {
      return value;
    }
  }
  return value;
}

/// Returns whether one branch of a Where on the way is -inf, or a number as low.
static bool hidesBelow(Value value) {
  for (unsigned i = 0; i < 16; ++i) {
    value = skipViews(value);
    auto where = value.getDefiningOp<WhereOp>();
    if (!where)
      return false;
    for (Value branch : {where.getX(), where.getY()})
      if (auto low = getConstantScalar(branch); low && *low <= sink::kHiddenScore)
        return true;
    value = isConstant(where.getX()) ? where.getY() : where.getX();
  }
  return false;
}

/// Returns the CumSum whose differences `exponent` has, or null.
static CumSumOp findSum(Value exponent) {
  Value value = skipMasks(exponent);
  if (auto sub = value.getDefiningOp<SubOp>()) {
    auto a = skipMasks(sub.getA()).getDefiningOp<CumSumOp>();
    // A view of one element, the end of a chunk, is no difference of all pairs.
    auto b = skipMasks(sub.getB()).getDefiningOp<CumSumOp>();
    return a && a == b ? a : CumSumOp();
  }
  auto sum = value.getDefiningOp<CumSumOp>();
  return sum && hidesBelow(exponent) ? sum : CumSumOp();
}

/// Returns what a CumSum adds up, seen through masks, other CumSums and padding.
static Value findSource(CumSumOp sum) {
  Value value = sum->getOperand(0);
  for (unsigned i = 0; i < 16; ++i) {
    value = skipMasks(value);
    Operation *def = value.getDefiningOp();
    if (!isa_and_nonnull<CumSumOp, PadOp, ExpandOp>(def))
      return value;
    value = def->getOperand(0);
  }
  return value;
}

/// Returns whether `value` is a product of two computed matrices: by an operator, or summed up from
/// a Mul.
static bool isProduct(Value value) {
  Operation *def = skipViews(value).getDefiningOp();
  if (isa_and_nonnull<MatMulOp, EinsumOp, MSFusedMatMulOp>(def))
    return !isConstant(def->getOperand(0)) && !isConstant(def->getOperand(1));
  return isa_and_nonnull<ReduceSumOp>(def) &&
         isa_and_nonnull<MulOp>(skipViews(def->getOperand(0)).getDefiningOp());
}

std::optional<Mixer> basin::matchDecayedProduct(Operation *exp, Value &source) {
  CumSumOp sum = findSum(exp->getOperand(0));
  if (!sum)
    return std::nullopt;
  SmallVector<Value> work{exp->getResult(0)};
  for (unsigned i = 0; i < 16 && i < work.size(); ++i)
    for (Operation *user : work[i].getUsers()) {
      if (isElementView(user) || isa<TriluOp>(user)) {
        work.push_back(user->getResult(0));
        continue;
      }
      if (!isa<MulOp>(user) || isa<sink::RaisedInterface>(user->getParentOp()))
        continue;
      Value other = user->getOperand(user->getOperand(0) == work[i] ? 1 : 0);
      if (!isProduct(other))
        continue;
      source = findSource(sum);
      return Mixer{user, user->getResult(0), "linear_attention", "decomposed", std::nullopt, {},
                   false};
    }
  return std::nullopt;
}
