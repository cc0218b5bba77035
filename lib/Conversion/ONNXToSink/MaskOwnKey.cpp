//===- MaskOwnKey.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Proves that each query sees at least one key: that of its own position. The walk is that of
// MaskAnalysis.cpp, with the opposite question. A part that depends on an input, such as padding,
// may hide any key, so nothing is proven of it.
//
//===----------------------------------------------------------------------===//

#include "MaskProof.h"

#include "basin/Conversion/ONNXToSink/MaskParts.h"
#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::MaskKind;

/// Returns whether the bounds of a comparison, which are exact, contain the distance 0.
static bool containsOwn(const MaskBounds &bounds) {
  return (bounds.left || bounds.right) && bounds.left.value_or(0) >= 0 &&
         bounds.right.value_or(0) >= 0;
}

bool MaskProof::showsOwnFlag(Operation *op, MaskKind kind, unsigned depth) {
  bool keep = kind == MaskKind::keep;
  Value a = op->getOperand(0), b = op->getNumOperands() > 1 ? op->getOperand(1) : Value();
  if (isa<NotOp>(op) || (isa<EqualOp>(op) && evaluateScalar(b) == 0.0))
    return showsOwn(a, negateMask(kind), depth);
  if (isa<AndOp, OrOp>(op)) {
    // Both orders are asked, so that the budget does not depend on the outcome.
    bool x = showsOwn(a, kind, depth), y = showsOwn(b, kind, depth);
    return isa<AndOp>(op) == keep ? x && y : x || y;
  }
  if (auto where = dyn_cast<WhereOp>(op)) {
    std::optional<double> x = evaluateFill(where.getX()), y = evaluateFill(where.getY());
    return x && y && (*x != 0) != (*y != 0) &&
           showsOwn(where.getCondition(), *x != 0 ? kind : negateMask(kind), depth);
  }
  if (isa<LessOrEqualOp>(op))
    return containsOwn(keep ? compare(a, b, false) : compare(b, a, true));
  if (isa<LessOp>(op))
    return containsOwn(keep ? compare(a, b, true) : compare(b, a, false));
  if (isa<GreaterOrEqualOp>(op))
    return containsOwn(keep ? compare(b, a, false) : compare(a, b, true));
  if (isa<GreaterOp>(op))
    return containsOwn(keep ? compare(b, a, true) : compare(a, b, false));
  return false;
}

bool MaskProof::showsOwnSummand(Operation *op, unsigned depth) {
  auto shows = [&](Value value, MaskKind kind) { return showsOwn(value, kind, depth); };
  if (isa<AddOp>(op))
    return shows(op->getOperand(0), MaskKind::additive) &&
           shows(op->getOperand(1), MaskKind::additive);
  if (auto where = dyn_cast<WhereOp>(op)) {
    if (hides(where.getY()))
      return shows(where.getCondition(), MaskKind::keep) && shows(where.getX(), MaskKind::additive);
    if (hides(where.getX()))
      return shows(where.getCondition(), MaskKind::drop) && shows(where.getY(), MaskKind::additive);
    return shows(where.getX(), MaskKind::additive) && shows(where.getY(), MaskKind::additive);
  }
  if (isa<MulOp>(op))
    for (unsigned i : {0u, 1u}) {
      Value other = op->getOperand(1 - i);
      if (!hides(op->getOperand(i)))
        continue;
      auto sub = other.getDefiningOp<SubOp>();
      bool isComplement = sub && evaluateScalar(sub.getA()) == 1.0;
      return isComplement ? shows(sub.getB(), MaskKind::keep) : shows(other, MaskKind::drop);
    }
  return false;
}

/// Reads the diagonal of a constant square, or of a Slice that ends on its diagonal.
bool MaskProof::showsDiagonal(Value value, MaskKind kind) const {
  Value table = matchTriangleSlices(value);
  auto type = table ? dyn_cast<RankedTensorType>(table.getType()) : RankedTensorType();
  constexpr int64_t kMaxElements = 1 << 24;
  if (!type || !type.hasStaticShape() || type.getRank() < 2 || type.getNumElements() > kMaxElements)
    return false;
  int64_t n = type.getShape().back();
  bool isSquare = type.getDimSize(type.getRank() - 2) == n && type.getNumElements() == n * n;
  // A square that is not sliced has a row for each query, and is aligned if the keys are as many.
  if (!isSquare || n < 2 || (table == value && numSlices == 0 && keys != KeyCount::asQueries))
    return false;
  auto elements = getConstantFloats(table, kMaxElements);
  if (!elements)
    return false;
  for (int64_t i = 0; i < n; ++i) {
    double element = (*elements)[i * n + i];
    bool isShown = kind == MaskKind::additive ? element * scale > sink::kHiddenScore
                   : kind == MaskKind::keep   ? std::abs(element) >= 1
                                              : element == 0;
    if (!isShown)
      return false;
  }
  return true;
}

bool MaskProof::showsOwnInTriangle(TriluOp trilu, MaskKind kind, unsigned depth) {
  std::optional<double> k = trilu.getK() ? evaluateScalar(trilu.getK()) : 0.0;
  TensorInfo info = getTensorInfo(trilu->getResult(0));
  if (!k || !info.hasRank() || info.rank() < 2 || info[info.rank() - 1].is(1))
    return false;
  bool isSquare = info[info.rank() - 1].provablyEquals(info[info.rank() - 2]);
  // With more keys than queries, the diagonal of the Trilu is not that of the queries' own keys.
  if (!isSquare && !(numSlices == 0 && keys == KeyCount::asQueries))
    return false;
  bool keepsDiagonal = trilu.getUpper().value_or(1) != 0 ? *k <= 0 : *k >= 0;
  // A Trilu writes zeros: they hide in flags of visible keys, and show otherwise.
  if (!keepsDiagonal)
    return kind != MaskKind::keep;
  return showsOwn(trilu.getInput(), kind, depth);
}

bool MaskProof::showsOwn(Value value, MaskKind kind, unsigned depth) {
  if (depth == 0 || budget == 0 || !value)
    return false;
  --budget;
  value = skipMaskViews(value, kind);
  if (std::optional<double> fill = evaluateFill(value))
    return kind == MaskKind::additive ? *fill * scale > sink::kHiddenScore
                                      : (*fill != 0) == (kind == MaskKind::keep);
  if (showsDiagonal(value, kind))
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumOperands() == 0)
    return false;
  if (auto trilu = dyn_cast<TriluOp>(op))
    return showsOwnInTriangle(trilu, kind, depth - 1);
  if (isa<UnsqueezeOp, ReshapeOp>(op))
    return keepsLastAxes(op) && showsOwn(op->getOperand(0), kind, depth - 1);
  if (Value whole = numSlices == 0 ? matchLastRows(value) : Value()) {
    TensorInfo info = getTensorInfo(whole);
    bool isSquare = info[info.rank() - 1].provablyEquals(info[info.rank() - 2]);
    KeyCount before = std::exchange(keys, isSquare ? KeyCount::asQueries : KeyCount::any);
    bool shows = showsOwn(whole, kind, depth - 1);
    keys = before;
    return shows;
  }
  if (isa<SliceOp>(op)) {
    Value source = matchTriangleSlices(value);
    if (!source || source == value)
      return false;
    ++numSlices;
    bool shows = showsOwn(source, kind, depth - 1);
    --numSlices;
    return shows;
  }
  return kind == MaskKind::additive ? showsOwnSummand(op, depth - 1)
                                    : showsOwnFlag(op, kind, depth - 1);
}

/// Returns whether the keys are a Concat along the sequence, and one of its parts has as many keys
/// as there are queries: the new ones, beside those of a past.
static bool hasNewKeys(const sink::AttentionParts &parts, const Dim &queries) {
  auto concat = parts.key.getDefiningOp<ConcatOp>();
  TensorInfo key = getTensorInfo(parts.key);
  unsigned sequence = sink::getSequenceAxis(parts.keyLayout);
  int64_t axis = concat ? concat.getAxis().value_or(0) : 0;
  if (!concat || !key.hasRank() || (axis < 0 ? axis + key.rank() : axis) != sequence)
    return false;
  return llvm::any_of(concat->getOperands(), [&](Value part) {
    TensorInfo info = getTensorInfo(part);
    return info.hasRank() && info.rank() > sequence && info[sequence].provablyEquals(queries);
  });
}

bool basin::showsOwnKey(sink::AttentionOp op, Value mask, MaskKind kind, double scale) {
  sink::AttentionParts parts(op);
  TensorInfo query = getTensorInfo(parts.query), key = getTensorInfo(parts.key);
  unsigned queryAxis = sink::getSequenceAxis(parts.queryLayout),
           keyAxis = sink::getSequenceAxis(parts.keyLayout);
  if (kind == MaskKind::lengths || !(scale > 0) || parts.lastKey || parts.needsForm() ||
      !query.hasRank() || query.rank() <= queryAxis || !key.hasRank() || key.rank() <= keyAxis)
    return false;
  Dim queries = query[queryAxis];
  bool isSquare = key[keyAxis].provablyEquals(queries);
  bool isStaticallyWide =
      key[keyAxis].isStatic() && queries.isStatic() && key[keyAxis].size >= queries.size;
  if (!isSquare && !isStaticallyWide && !hasNewKeys(parts, queries))
    return false;
  KeyCount keys = isSquare && !parts.pastKey ? KeyCount::asQueries : KeyCount::atLeast;
  return MaskProof(keys, scale, queries).showsOwn(mask, kind);
}
