//===- MaskAnalysis.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Does a mask hide every key after the query? Proven, not guessed: from a
// comparison of a key index with a query index, a triangle (Trilu), or a
// constant table. Hiding more (padding, windows) does not matter.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "basin/Dialect/ONNX/IR/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;
using basin::sink::MaskKind;

namespace {
/// Positions first, first + 1, ... below `limit`, all along one axis.
struct Index {
  /// Null: starts at 0.
  Value offset;
  Value limit;
  /// Counted from the last axis: -1 for keys, -2 for queries.
  int64_t axis = 0;
};
} // namespace

static constexpr unsigned kDepth = 24;

/// Ops that move or repeat elements but leave alone which key and query an
/// element belongs to. (A new last axis changes that: see `matchIndex`.)
static Value skipViews(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<CastOp, CastLikeOp, IdentityOp, ExpandOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

static Value skipScalarViews(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<CastOp, IdentityOp, UnsqueezeOp, SqueezeOp, ReshapeOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// The axis that an index varies along, from its static ones.
static std::optional<int64_t> varyingAxis(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() == 0)
    return std::nullopt;
  std::optional<int64_t> axis;
  for (auto [i, size] : llvm::enumerate(type.getShape())) {
    if (size == 1)
      continue;
    if (axis)
      return std::nullopt;
    axis = static_cast<int64_t>(i) - type.getRank();
  }
  return axis;
}

static std::optional<Index> matchIndex(Value value) {
  std::optional<int64_t> axis = varyingAxis(value);
  if (!axis)
    return std::nullopt;
  Index index;
  index.axis = *axis;
  for (unsigned depth = 0; depth < kDepth; ++depth) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return std::nullopt;
    if (auto range = dyn_cast<RangeOp>(op)) {
      if (evaluateScalar(range.getDelta()) != 1.0)
        return std::nullopt;
      index.limit = skipScalarViews(range.getLimit());
      if (evaluateScalar(range.getStart()) != 0.0) {
        if (index.offset)
          return std::nullopt;
        index.offset = skipScalarViews(range.getStart());
        return index;
      }
      return index;
    }
    if (isa<AddOp>(op) && !index.offset) {
      // Range + past length, in either order.
      unsigned i = skipScalarViews(op->getOperand(0)).getDefiningOp<RangeOp>() ? 0 : 1;
      index.offset = skipScalarViews(op->getOperand(1 - i));
      value = op->getOperand(i);
      continue;
    }
    if (!isa<CastOp, IdentityOp, UnsqueezeOp, ReshapeOp, ExpandOp>(op))
      return std::nullopt;
    value = op->getOperand(0);
  }
  return std::nullopt;
}

static bool sameCount(Value a, Value b) {
  if (a == b)
    return true;
  auto x = evaluateShapeValue(a), y = evaluateShapeValue(b);
  return x && y && x->size() == 1 && y->size() == 1 && x->front().isKnown() &&
         x->front() == y->front();
}

/// Whether query i's position is i + (keys - queries).
static bool areAligned(const Index &key, const Index &query) {
  if (key.offset)
    return false;
  if (!query.offset)
    return sameCount(key.limit, query.limit);
  // Positions past .. past + n against keys 0 .. past + n.
  if (sameCount(key.limit, query.limit))
    return true;
  auto total = key.limit.getDefiningOp<AddOp>();
  if (!total)
    return false;
  Value a = skipScalarViews(total.getA()), b = skipScalarViews(total.getB());
  return (sameCount(a, query.offset) && sameCount(b, query.limit)) ||
         (sameCount(b, query.offset) && sameCount(a, query.limit));
}

/// `a <= b` (or `a < b`) as keys against queries: true where visible.
static bool comparesKeyToQuery(Value a, Value b) {
  std::optional<Index> key = matchIndex(a), query = matchIndex(b);
  return key && query && key->axis == -1 && query->axis == -2 && areAligned(*key, *query);
}

/// A constant whose last two axes are a square with all of the strict upper
/// triangle `isHidden`.
template <typename Fn> static bool isTriangle(Value value, Fn isHidden) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  constexpr int64_t kMaxElements = 1 << 24;
  if (!type || !type.hasStaticShape() || type.getRank() < 2 || type.getNumElements() > kMaxElements)
    return false;
  int64_t n = type.getShape().back();
  if (type.getDimSize(type.getRank() - 2) != n || n < 2 || type.getNumElements() != n * n)
    return false;
  auto elements = getConstantFloats(value, kMaxElements);
  if (!elements)
    return false;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = i + 1; j < n; ++j)
      if (!isHidden((*elements)[i * n + j]))
        return false;
  return true;
}

/// Slices of the last two axes of a triangle that start together and end
/// together: rows a..b, columns 0..b.
static Value matchTriangleSlices(Value value) {
  Value rowStart, rowEnd, columnEnd;
  bool rows = false, columns = false;
  while (auto slice = value.getDefiningOp<SliceOp>()) {
    std::optional<int64_t> rank = getRank(value);
    auto axes = slice.getAxesInput() ? evaluateInts(slice.getAxesInput()) : std::nullopt;
    auto start = slice.getStartsInput() ? evaluateInts(slice.getStartsInput()) : std::nullopt;
    if (!rank || !axes || axes->size() != 1)
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
  if (rows != columns || (rows && !sameCount(rowEnd, columnEnd)))
    return {};
  return value;
}

static bool isLow(Value value) {
  std::optional<double> constant = evaluateScalar(skipViews(value));
  if (!constant)
    if (auto fill = skipViews(value).getDefiningOp<ConstantOfShapeOp>())
      if (auto attr = fill.getValue())
        if (auto dense = dyn_cast<DenseElementsAttr>(*attr);
            dense && dense.isSplat() && isa<FloatType>(dense.getElementType()))
          constant = dense.getSplatValue<APFloat>().convertToDouble();
  return constant && *constant <= -1e4;
}

static bool hidesFuture(Value value, MaskKind kind, unsigned depth);

static bool triangleHides(Value value, MaskKind kind) {
  Value table = matchTriangleSlices(value);
  if (!table)
    return false;
  table = skipCasts(table);
  return isTriangle(table, [&](double element) {
    return kind == MaskKind::additive ? element <= -1e4
           : kind == MaskKind::keep   ? element == 0
                                      : element != 0;
  });
}

/// Trilu keeps a triangle and zeroes the rest: the lower one of anything keeps
/// no future key, the strict upper one of a low constant hides it.
static bool triluHides(TriluOp trilu, MaskKind kind) {
  double k = 0;
  if (trilu.getK()) {
    std::optional<double> given = evaluateScalar(trilu.getK());
    if (!given)
      return false;
    k = *given;
  }
  auto type = dyn_cast<RankedTensorType>(trilu->getResult(0).getType());
  if (!type || type.getRank() < 2)
    return false;
  bool upper = trilu.getUpper().value_or(1) != 0;
  if (kind == MaskKind::keep)
    return !upper && k <= 0;
  if (kind == MaskKind::additive)
    return upper && k <= 1 && isLow(trilu.getInput());
  return false;
}

static bool booleanHides(Operation *op, MaskKind kind, unsigned depth) {
  bool keep = kind == MaskKind::keep;
  Value a = op->getOperand(0), b = op->getNumOperands() > 1 ? op->getOperand(1) : Value();
  if (isa<NotOp>(op))
    return hidesFuture(a, keep ? MaskKind::drop : MaskKind::keep, depth);
  if (keep ? isa<AndOp>(op) : isa<OrOp>(op))
    return hidesFuture(a, kind, depth) || hidesFuture(b, kind, depth);
  if (keep && isa<LessOrEqualOp>(op))
    return comparesKeyToQuery(a, b);
  if (keep && isa<GreaterOrEqualOp>(op))
    return comparesKeyToQuery(b, a);
  if (!keep && isa<GreaterOp>(op))
    return comparesKeyToQuery(a, b);
  if (!keep && isa<LessOp>(op))
    return comparesKeyToQuery(b, a);
  return false;
}

static bool additiveHides(Operation *op, unsigned depth) {
  if (isa<AddOp>(op))
    return hidesFuture(op->getOperand(0), MaskKind::additive, depth) ||
           hidesFuture(op->getOperand(1), MaskKind::additive, depth);
  if (auto where = dyn_cast<WhereOp>(op))
    return (isLow(where.getY()) && hidesFuture(where.getCondition(), MaskKind::keep, depth)) ||
           (isLow(where.getX()) && hidesFuture(where.getCondition(), MaskKind::drop, depth)) ||
           (hidesFuture(where.getX(), MaskKind::additive, depth) &&
            hidesFuture(where.getY(), MaskKind::additive, depth)) ||
           // Padding written over a causal mask.
           (isLow(where.getX()) && hidesFuture(where.getY(), MaskKind::additive, depth)) ||
           (isLow(where.getY()) && hidesFuture(where.getX(), MaskKind::additive, depth));
  if (isa<MulOp>(op))
    for (unsigned i : {0u, 1u}) {
      Value other = op->getOperand(1 - i);
      if (!isLow(op->getOperand(i)))
        continue;
      if (auto sub = other.getDefiningOp<SubOp>(); sub && evaluateScalar(sub.getA()) == 1.0)
        return hidesFuture(sub.getB(), MaskKind::keep, depth);
      return hidesFuture(other, MaskKind::drop, depth);
    }
  return false;
}

static bool hidesFuture(Value value, MaskKind kind, unsigned depth) {
  if (depth == 0 || !value)
    return false;
  value = skipViews(value);
  if (triangleHides(value, kind))
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumOperands() == 0)
    return false;
  if (auto trilu = dyn_cast<TriluOp>(op))
    return triluHides(trilu, kind);
  // New leading axes leave the last two where they are.
  if (auto unsqueeze = dyn_cast<UnsqueezeOp>(op)) {
    std::optional<int64_t> rank = getRank(value);
    std::optional<SmallVector<int64_t>> axes = rank ? getAxes(op, *rank) : std::nullopt;
    if (!axes || llvm::any_of(*axes, [&](int64_t axis) { return axis >= *rank - 2; }))
      return false;
    return hidesFuture(unsqueeze.getData(), kind, depth - 1);
  }
  // A prefix of both axes of what is causal (`mask[:, :, :, :keys]`).
  if (auto slice = dyn_cast<SliceOp>(op)) {
    Value table = matchTriangleSlices(value);
    return table && table != value && hidesFuture(table, kind, depth - 1);
  }
  if (kind == MaskKind::additive)
    return additiveHides(op, depth - 1);
  return booleanHides(op, kind, depth - 1);
}

bool basin::onnx::isCausalMask(Value mask, MaskKind kind) {
  return kind != MaskKind::lengths && hidesFuture(mask, kind, kDepth);
}
