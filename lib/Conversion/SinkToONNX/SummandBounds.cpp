//===- SummandBounds.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Bounds of masks and biases. Their magnitudes are added and multiplied in f32, whose roundings are
// monotone, so that the bound of a sum in f32 is no smaller than the sum. A value that may be +inf
// or NaN has no bounds.
//
//===----------------------------------------------------------------------===//

#include "AttentionMasks.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cfloat>
#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::MaskKind;

using Bounds = std::optional<SummandBounds>;

/// Larger constants are not read.
static constexpr size_t kMaxMask = size_t(1) << 22;

static Bounds findConstantBounds(Value value) {
  std::optional<SmallVector<double>> numbers = getConstantFloats(value, kMaxMask);
  if (!numbers)
    return std::nullopt;
  SummandBounds bounds;
  for (double number : *numbers) {
    if (std::isnan(number) || number == INFINITY)
      return std::nullopt;
    if (std::isinf(number))
      bounds.mayBeInfinite = true;
    else
      bounds.largest = std::max(bounds.largest, static_cast<float>(std::abs(number)));
  }
  return bounds;
}

/// Returns the bounds of elements of both.
static Bounds join(Bounds a, Bounds b) {
  if (!a || !b)
    return std::nullopt;
  return SummandBounds{std::max(a->largest, b->largest), a->mayBeInfinite || b->mayBeInfinite};
}

static Bounds add(Bounds a, Bounds b) {
  if (!a || !b || std::isinf(a->largest + b->largest))
    return std::nullopt;
  return SummandBounds{a->largest + b->largest, a->mayBeInfinite || b->mayBeInfinite};
}

/// -inf times a number may be NaN or +inf, unless the factor is a positive constant.
static Bounds scale(Bounds a, float factor) {
  if (!a || std::isinf(a->largest * factor) || (a->mayBeInfinite && !(factor > 0)))
    return std::nullopt;
  return SummandBounds{std::abs(a->largest * factor), a->mayBeInfinite};
}

static Bounds multiply(Bounds a, Bounds b) {
  if (!a || !b || b->mayBeInfinite)
    return std::nullopt;
  return a->mayBeInfinite ? std::nullopt : scale(a, b->largest);
}

static Bounds find(Value value, unsigned depth) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return std::nullopt;
  auto recur = [&](unsigned i) { return find(op->getOperand(i), depth - 1); };
  if (isa<ConstantOp, InitializerOp>(op))
    return findConstantBounds(value);
  if (isa<WhereOp>(op))
    return join(recur(1), recur(2));
  if (isa<ConcatOp>(op)) {
    Bounds all = recur(0);
    for (unsigned i = 1; i < op->getNumOperands(); ++i)
      all = join(all, recur(i));
    return all;
  }
  if (isa<CastOp>(op)) {
    Type from = findElement(op->getOperand(0)), to = findElement(value);
    if (!from || !to || !(to.isF32() || (to.isF16() && from.isInteger(1))))
      return std::nullopt;
    if (from.isInteger(1))
      return SummandBounds{1, false};
    return from.isF32() || from.isF16() ? recur(0) : std::nullopt;
  }
  if (isa<AddOp>(op))
    return add(recur(0), recur(1));
  if (isa<SubOp>(op)) {
    Bounds b = recur(1);
    return b && !b->mayBeInfinite ? add(recur(0), b) : std::nullopt;
  }
  if (isa<MulOp>(op))
    return multiply(recur(0), recur(1));
  if (isa<UnsqueezeOp, SqueezeOp, ReshapeOp, ExpandOp, SliceOp, TransposeOp, IdentityOp, GatherOp,
          TileOp>(op))
    return recur(0);
  return std::nullopt;
}

Bounds basin::findSummandBounds(Value value) { return find(value, /*depth=*/16); }

Bounds basin::findSummandBounds(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  Bounds all = SummandBounds{};
  if (p.mask && p.maskKind == MaskKind::additive)
    all = scale(findSummandBounds(p.mask), static_cast<float>(p.maskScale.value_or(1)));
  else if (p.mask && !p.maskFill)
    all = SummandBounds{0, true};
  if (p.maskFill)
    all = add(all, SummandBounds{static_cast<float>(std::min(-*p.maskFill, double(FLT_MAX)))});
  if (p.bias)
    all = add(all, scale(findSummandBounds(p.bias), static_cast<float>(p.biasScale.value_or(1))));
  return all;
}
