//===- MaskAnalysis.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Proves how far from a query, to the left and to the right, a mask lets it see. The proof starts
// from a comparison of a key index with a query index, from a triangle (Trilu), or from a constant
// table. The mask may hide more, such as padding.
//
//===----------------------------------------------------------------------===//

#include "MaskProof.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;
using basin::sink::MaskKind;

static std::optional<int64_t> least(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b ? std::min(*a, *b) : a ? a : b;
}

static std::optional<int64_t> greatest(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b ? std::optional(std::max(*a, *b)) : std::nullopt;
}

MaskBounds MaskBounds::both(const MaskBounds &a, const MaskBounds &b) {
  return {least(a.left, b.left), least(a.right, b.right)};
}

MaskBounds MaskBounds::either(const MaskBounds &a, const MaskBounds &b) {
  return {greatest(a.left, b.left), greatest(a.right, b.right)};
}

/// Skips casts, and Expands, which repeat elements but leave alone which key and query an element
/// belongs to. (A new last axis changes that: see `keepsLastAxes` and `matchUnsqueezed`.)
Value basin::onnx::skipMaskViews(Value value, MaskKind kind) {
  while (Operation *op = value.getDefiningOp()) {
    bool keeps = kind == MaskKind::additive ? isFloatCast(op) : isFlagCast(op);
    if (!keeps && !isa<ExpandOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

std::optional<double> basin::onnx::evaluateFill(Value value) {
  value = skipMaskViews(value, MaskKind::additive);
  std::optional<double> constant = evaluateScalar(value);
  if (!constant)
    if (auto fill = value.getDefiningOp<ConstantOfShapeOp>())
      if (auto attr = fill.getValue())
        if (auto dense = dyn_cast<DenseElementsAttr>(*attr);
            dense && dense.isSplat() && isa<FloatType>(dense.getElementType()))
          constant = dense.getSplatValue<APFloat>().convertToDouble();
  return constant;
}

bool basin::onnx::isHiddenScore(Value value) {
  std::optional<double> constant = evaluateFill(value);
  return constant && *constant <= sink::kHiddenScore;
}

bool MaskProof::hides(Value value) const {
  std::optional<double> constant = evaluateFill(value);
  return constant && *constant * scale <= sink::kHiddenScore;
}

//===----------------------------------------------------------------------===//
// Comparisons
//===----------------------------------------------------------------------===//

MaskKind basin::onnx::negateMask(MaskKind kind) {
  return kind == MaskKind::keep ? MaskKind::drop : MaskKind::keep;
}

/// Returns the bounds of the keys for which a <= b, or a < b if `isStrict`. Either side may have
/// positions of keys, of queries, or their difference. Abs(difference) may be on the left.
MaskBounds MaskProof::compare(Value a, Value b, bool isStrict) {
  auto abs = a.getDefiningOp<AbsOp>();
  std::optional<Distance> left = matchDistance(abs ? abs->getOperand(0) : a, kMaskDepth),
                          right = matchDistance(b, kMaskDepth);
  if (!left || !right || (left->key && right->key) || (left->query && right->query) ||
      (abs && (right->key || right->query)))
    return {};
  const std::optional<PositionIndex> &key = left->key ? left->key : right->key,
                                     &query = left->query ? left->query : right->query;
  // The comparison is sign * (key - query) <= limit.
  int64_t sign = left->key ? left->keySign : -right->keySign;
  int64_t querySign = left->query ? left->querySign : -right->querySign;
  if (!key || !query || sign + querySign != 0)
    return {};
  // If both count from 0, query i has the position i + gap, and is compared as if it had i.
  std::optional<int64_t> gap = areAligned(*key, *query) ? 0 : findGap(*key, *query);
  if (!gap)
    return {};
  int64_t limit = right->constant - left->constant - (isStrict ? 1 : 0);
  if (abs && left->constant == 0 && *gap == 0)
    return {limit, limit};
  if (abs)
    return {};
  return sign > 0 ? MaskBounds{std::nullopt, limit - *gap} : MaskBounds{limit + *gap, std::nullopt};
}

MaskBounds MaskProof::boundBoolean(Operation *op, MaskKind kind, unsigned depth) {
  bool keep = kind == MaskKind::keep;
  Value a = op->getOperand(0), b = op->getNumOperands() > 1 ? op->getOperand(1) : Value();
  if (isa<NotOp>(op))
    return bound(a, negateMask(kind), depth);
  if (isa<EqualOp>(op) && evaluateScalar(b) == 0.0)
    return bound(a, negateMask(kind), depth);
  if (isa<AndOp, OrOp>(op)) {
    MaskBounds x = bound(a, kind, depth), y = bound(b, kind, depth);
    return isa<AndOp>(op) == keep ? MaskBounds::both(x, y) : MaskBounds::either(x, y);
  }
  // Flags that a Where makes of its condition, such as an additive mask that is cast.
  if (auto where = dyn_cast<WhereOp>(op)) {
    std::optional<double> x = evaluateFill(where.getX()), y = evaluateFill(where.getY());
    if (!x || !y || (*x != 0) == (*y != 0))
      return {};
    return bound(where.getCondition(), *x != 0 ? kind : negateMask(kind), depth);
  }
  // A key is visible if the comparison holds, or if it does not: then the opposite one holds.
  if (isa<LessOrEqualOp>(op))
    return keep ? compare(a, b, false) : compare(b, a, true);
  if (isa<LessOp>(op))
    return keep ? compare(a, b, true) : compare(b, a, false);
  if (isa<GreaterOrEqualOp>(op))
    return keep ? compare(b, a, false) : compare(a, b, true);
  if (isa<GreaterOp>(op))
    return keep ? compare(b, a, true) : compare(a, b, false);
  return {};
}

//===----------------------------------------------------------------------===//
// Triangles
//===----------------------------------------------------------------------===//

/// Matches Slices of a triangle that take rows a..b and columns 0..b, which end together, and a
/// prefix of other axes. Returns the triangle, `value` if there are no Slices, or null if they
/// are others.
Value basin::onnx::matchTriangleSlices(Value value) {
  Value rowStart, rowEnd, columnEnd;
  bool rows = false, columns = false;
  while (auto slice = value.getDefiningOp<SliceOp>()) {
    std::optional<int64_t> rank = getRank(value);
    auto axes = slice.getAxesInput() ? evaluateInts(slice.getAxesInput()) : std::nullopt;
    auto start = slice.getStartsInput() ? evaluateInts(slice.getStartsInput()) : std::nullopt;
    auto steps = slice.getSteps() ? evaluateInts(slice.getSteps()) : std::nullopt;
    if (!rank || !axes || axes->size() != 1 ||
        (slice.getSteps() && steps != SmallVector<int64_t>{1}))
      return {};
    int64_t axis = axes->front() < 0 ? axes->front() : axes->front() - *rank;
    bool fromZero = start && start->size() == 1 && start->front() == 0;
    if (axis == -1 && fromZero && !columns) {
      columns = true;
      columnEnd = skipScalarViews(slice.getEndsInput());
    } else if (axis == -2 && !rows) {
      rows = true;
      rowEnd = skipScalarViews(slice.getEndsInput());
      if (!fromZero)
        rowStart = slice.getStartsInput();
    } else if (axis == -1 || axis == -2 || !fromZero) {
      return {};
    }
    value = slice.getData();
  }
  if (rows != columns || (rows && !isSameCount(rowEnd, columnEnd)))
    return {};
  return value;
}

/// Reads a constant whose last two axes are a square, with one element on all other axes.
MaskBounds MaskProof::boundTable(Value value, MaskKind kind) const {
  Value table = matchTriangleSlices(value);
  auto type = table ? dyn_cast<RankedTensorType>(table.getType()) : RankedTensorType();
  constexpr int64_t kMaxElements = 1 << 24;
  if (!type || !type.hasStaticShape() || type.getRank() < 2 || type.getNumElements() > kMaxElements)
    return {};
  int64_t n = type.getShape().back();
  if (type.getDimSize(type.getRank() - 2) != n || n < 2 || type.getNumElements() != n * n)
    return {};
  // The elements of a constant are read through its Casts, as they convert them.
  auto elements = getConstantFloats(table, kMaxElements);
  if (!elements)
    return {};
  MaskBounds bounds{-n, -n};
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double element = (*elements)[i * n + j];
      bool isHidden = kind == MaskKind::additive ? element * scale <= sink::kHiddenScore
                      : kind == MaskKind::keep   ? element == 0
                                                 : element >= 1;
      if (isHidden)
        continue;
      bounds.left = std::max(*bounds.left, i - j);
      bounds.right = std::max(*bounds.right, j - i);
    }
  // The corners of the table bound nothing.
  return {*bounds.left < n - 1 ? bounds.left : std::nullopt,
          *bounds.right < n - 1 ? bounds.right : std::nullopt};
}

/// A Trilu keeps one triangle and writes zeros elsewhere. A triangle of flags keeps no key of the
/// other one, and a triangle of a large negative constant hides all of its own. Both count from the
/// first key, so they bound nothing if there are fewer keys than queries.
MaskBounds MaskProof::boundTrilu(TriluOp trilu, MaskKind kind) const {
  int64_t k = 0;
  if (trilu.getK()) {
    std::optional<double> given = evaluateScalar(trilu.getK());
    if (!given || std::abs(*given) > (1 << 30))
      return {};
    k = static_cast<int64_t>(*given);
  }
  auto type = dyn_cast<RankedTensorType>(trilu->getResult(0).getType());
  if (!type || type.getRank() < 2)
    return {};
  TensorInfo info = getTensorInfo(type);
  const Dim &rows = info[info.rank() - 2], &columns = info[info.rank() - 1];
  bool isSquare = columns.provablyEquals(rows) && !columns.is(1);
  bool isWide = isSquare || (columns.isStatic() && rows.isStatic() && columns.size >= rows.size);
  // A Trilu that is sliced counts from its own corner. Only one that is not counts from the
  // corner of the scores.
  if (columns.is(1) || !(isWide || (numSlices == 0 && keys != KeyCount::any)))
    return {};
  bool upper = trilu.getUpper().value_or(1) != 0;
  // With more keys than queries, those counted from the first key are farther to the left.
  bool isAligned = isSquare || (numSlices == 0 && keys == KeyCount::asQueries);
  if (kind == MaskKind::keep)
    return upper ? MaskBounds{isAligned ? std::optional(-k) : std::nullopt, std::nullopt}
                 : MaskBounds{std::nullopt, isAligned || k <= 0 ? std::optional(k) : std::nullopt};
  if (kind != MaskKind::additive || !hides(trilu.getInput()))
    return {};
  return upper ? MaskBounds{std::nullopt, isAligned || k <= 1 ? std::optional(k - 1) : std::nullopt}
               : MaskBounds{isAligned ? std::optional(-k - 1) : std::nullopt, std::nullopt};
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

MaskBounds MaskProof::boundAdditive(Operation *op, unsigned depth) {
  if (isa<AddOp>(op))
    return MaskBounds::both(bound(op->getOperand(0), MaskKind::additive, depth),
                            bound(op->getOperand(1), MaskKind::additive, depth));
  if (auto where = dyn_cast<WhereOp>(op)) {
    // A key is visible where the selected value shows it. A Where may write padding over a mask.
    auto shown = [&](Value value, MaskKind kind) {
      MaskBounds condition = bound(where.getCondition(), kind, depth);
      return MaskBounds::both(condition, bound(value, MaskKind::additive, depth));
    };
    if (hides(where.getY()))
      return shown(where.getX(), MaskKind::keep);
    if (hides(where.getX()))
      return shown(where.getY(), MaskKind::drop);
    return MaskBounds::either(bound(where.getX(), MaskKind::additive, depth),
                              bound(where.getY(), MaskKind::additive, depth));
  }
  if (isa<MulOp>(op))
    for (unsigned i : {0u, 1u}) {
      Value other = op->getOperand(1 - i);
      if (!hides(op->getOperand(i)))
        continue;
      if (auto sub = other.getDefiningOp<SubOp>(); sub && evaluateScalar(sub.getA()) == 1.0)
        return bound(sub.getB(), MaskKind::keep, depth);
      return bound(other, MaskKind::drop, depth);
    }
  return {};
}

/// Returns whether an op moves no element along the last two axes.
bool basin::onnx::keepsLastAxes(Operation *op) {
  TensorInfo from = getTensorInfo(op->getOperand(0)), to = getTensorInfo(op->getResult(0));
  if (!from.hasRank() || !to.hasRank() || from.rank() < 2 || to.rank() < 2)
    return false;
  if (auto unsqueeze = dyn_cast<UnsqueezeOp>(op)) {
    std::optional<SmallVector<int64_t>> axes = getAxes(op, to.rank());
    return axes && llvm::all_of(*axes, [&](int64_t axis) { return axis < to.rank() - 2; });
  }
  return isa<ReshapeOp>(op) && from[from.rank() - 1].provablyEquals(to[to.rank() - 1]) &&
         from[from.rank() - 2].provablyEquals(to[to.rank() - 2]);
}

/// Returns the mask of whose last rows, as many as there are queries, `value` is a Slice. Null if
/// it is none, or if it may be one row that is broadcast.
Value MaskProof::matchLastRows(Value value) const {
  auto slice = value.getDefiningOp<SliceOp>();
  if (!slice || !slice.getAxesInput())
    return {};
  TensorInfo info = getTensorInfo(slice.getData());
  auto axes = evaluateInts(slice.getAxesInput()), ends = evaluateInts(slice.getEndsInput());
  auto steps = slice.getSteps() ? evaluateInts(slice.getSteps()) : SmallVector<int64_t>{1};
  if (!info.hasRank() || info.rank() < 2 || !axes || axes->size() != 1 || !ends ||
      steps != SmallVector<int64_t>{1})
    return {};
  int64_t axis = axes->front() < 0 ? axes->front() : axes->front() - info.rank();
  bool isToEnd = ends->front() >= std::numeric_limits<int32_t>::max();
  TensorInfo rows = getTensorInfo(value);
  auto neg = skipScalarViews(slice.getStartsInput()).getDefiningOp<NegOp>();
  auto back = neg ? evaluateShapeValue(neg->getOperand(0)) : std::nullopt;
  bool isAsMany = (rows.hasRank() && rows[rows.rank() - 2].provablyEquals(queries)) ||
                  (back && back->size() == 1 && back->front().toDim().provablyEquals(queries));
  return axis == -2 && isToEnd && isAsMany ? slice.getData() : Value();
}

/// Returns whether a mask has as many rows as columns.
static bool isSquare(Value mask) {
  TensorInfo info = getTensorInfo(mask);
  return info[info.rank() - 2].provablyEquals(info[info.rank() - 1]);
}

MaskBounds MaskProof::bound(Value value, MaskKind kind, unsigned depth) {
  if (depth == 0 || budget == 0 || !value)
    return {};
  --budget;
  value = skipMaskViews(value, kind);
  MaskBounds table = boundTable(value, kind);
  if (table.left || table.right)
    return table;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumOperands() == 0)
    return {};
  if (auto trilu = dyn_cast<TriluOp>(op)) {
    MaskBounds bounds = boundTrilu(trilu, kind);
    // What a Trilu of flags keeps must be visible before, too.
    bool isOfFlags = kind == MaskKind::keep;
    return isOfFlags ? MaskBounds::both(bounds, bound(trilu.getInput(), kind, depth - 1)) : bounds;
  }
  if (isa<UnsqueezeOp, ReshapeOp>(op))
    return keepsLastAxes(op) ? bound(op->getOperand(0), kind, depth - 1) : MaskBounds();
  // The last rows of a mask are those of the last queries, and positions are counted from the end.
  if (Value whole = numSlices == 0 ? matchLastRows(value) : Value()) {
    KeyCount before = std::exchange(keys, isSquare(whole) ? KeyCount::asQueries : KeyCount::any);
    MaskBounds bounds = bound(whole, kind, depth - 1);
    keys = before;
    return bounds;
  }
  // A Slice may take a prefix of both axes of a causal mask (`mask[:, :, :, :keys]`).
  if (isa<SliceOp>(op)) {
    Value source = matchTriangleSlices(value);
    if (!source || source == value)
      return {};
    ++numSlices;
    MaskBounds bounds = bound(source, kind, depth - 1);
    --numSlices;
    return bounds;
  }
  if (kind == MaskKind::additive)
    return boundAdditive(op, depth - 1);
  return boundBoolean(op, kind, depth - 1);
}

MaskBounds basin::onnx::findMaskBounds(Value mask, MaskKind kind, KeyCount keys, double scale,
                                       const Dim &queries) {
  if (kind == MaskKind::lengths || !(scale > 0))
    return {};
  return MaskProof(keys, scale, queries).bound(mask, kind);
}

bool basin::onnx::isCausalMask(Value mask, MaskKind kind, KeyCount keys, const Dim &queries) {
  return findMaskBounds(mask, kind, keys, 1, queries).isCausal();
}
