//===- MaskValues.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Walks from a mask to its constants, through views, selections and sums. All constants must be
// zero, or so low that no score shows beside them. What depends on anything else, such as a product
// with a mask that the user gives, is not proven.
//
//===----------------------------------------------------------------------===//

#include "MaskValues.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

namespace {
class MaskWalk {
public:
  bool isZeroOrHides(Value value, unsigned depth = 24);

private:
  /// Graphs can have far more paths than ops.
  unsigned budget = 256;
};
} // namespace

/// Beside this no score shows: f32 numbers of this size are 1e23 apart.
static constexpr double kFarBelow = -1e30;

static bool isZeroOrHidden(double element) { return element == 0 || element <= kFarBelow; }

bool MaskWalk::isZeroOrHides(Value value, unsigned depth) {
  constexpr size_t kMostElements = 1 << 20;
  if (depth == 0 || budget == 0)
    return false;
  --budget;
  if (auto elements = getConstantFloats(value, kMostElements))
    return llvm::all_of(*elements, isZeroOrHidden);
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  auto areZeroOrHide = [&](ValueRange values) {
    return llvm::all_of(values, [&](Value one) { return isZeroOrHides(one, depth - 1); });
  };
  // A sum with -inf hides its key, too. A lower number that overflows is -inf.
  if (isa<AddOp, ConcatOp>(op))
    return areZeroOrHide(op->getOperands());
  if (isa<WhereOp>(op))
    return areZeroOrHide(op->getOperands().drop_front());
  // A Trilu puts zeros in place of the other elements.
  if (isa<IdentityOp, ExpandOp, ReshapeOp, SqueezeOp, UnsqueezeOp, SliceOp, TransposeOp, TriluOp,
          GatherOp>(op))
    return areZeroOrHide(op->getOperands().take_front());
  if (auto cast = dyn_cast<CastOp>(op))
    return isa<FloatType>(getTensorInfo(cast.getResult()).element) &&
           areZeroOrHide(cast->getOperands());
  // Without a value it is filled with zeros.
  return isa<ConstantOfShapeOp>(op) && !op->hasAttr("value");
}

bool basin::sink::keepsVisibleScores(const AttentionParts &parts) {
  if (parts.bias || parts.floor || (parts.maskFill && *parts.maskFill > kFarBelow))
    return false;
  if (!parts.mask || parts.maskKind != MaskKind::additive)
    return parts.maskKind != MaskKind::lengths;
  // A scale could make a zero of what hides a key, or the reverse.
  return !parts.maskScale && MaskWalk().isZeroOrHides(parts.mask);
}
