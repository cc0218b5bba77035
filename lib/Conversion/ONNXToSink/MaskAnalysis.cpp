//===- MaskAnalysis.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Proves that a mask hides every key after the query. The proof starts from a comparison of a key
// index with a query index, from a triangle (Trilu), or from a constant table. The mask may hide
// more, such as padding or what is outside a window.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::MaskKind;

namespace {
/// Positions that count up by one along one axis. A Range makes them, with `limit` as its end.
struct Index {
  /// The first position, or null if it is 0.
  Value offset;
  Value limit;
  /// The axis, counted from the end: -1 for keys, -2 for queries.
  int64_t axis = 0;
  /// Whether the offset was added to what the Range counts from 0. Otherwise the Range starts
  /// from it.
  bool isShifted = false;
};
} // namespace

/// At most so many ops are visited for one mask, because a graph can have far more paths than
/// ops.
static constexpr unsigned kBudget = 4096;
static constexpr unsigned kDepth = 24;

namespace {
class MaskProof {
public:
  explicit MaskProof(KeyCount keys) : keys(keys) {}

  /// Returns whether a mask of this kind hides each key after the query.
  bool hidesFuture(Value value, MaskKind kind, unsigned depth = kDepth);

private:
  bool booleanHides(Operation *op, MaskKind kind, unsigned depth);
  bool triluHides(TriluOp trilu, MaskKind kind) const;
  bool additiveHides(Operation *op, unsigned depth);
  bool comparesKeyToQuery(Value a, Value b);
  bool areAligned(const Index &key, const Index &query) const;
  std::optional<Index> matchIndex(Value value, unsigned depth = kDepth);
  std::optional<Index> matchShifted(AddOp add, unsigned depth);
  std::optional<Index> matchUnsqueezed(UnsqueezeOp op, unsigned depth);
  std::optional<Index> matchLookup(GatherNDOp gather, unsigned depth);

  KeyCount keys;
  /// The number of Slices around the value that is visited.
  unsigned numSlices = 0;
  unsigned budget = kBudget;
};
} // namespace

/// Skips casts, and Expands, which repeat elements but leave alone which key and query an element
/// belongs to. (A new last axis changes that: see `hidesFuture` and `matchUnsqueezed`.)
static Value skipViews(Value value, MaskKind kind) {
  while (Operation *op = value.getDefiningOp()) {
    bool keeps = kind == MaskKind::additive ? isFloatCast(op) : isFlagCast(op);
    if (!keeps && !isa<ExpandOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

static Value skipScalarViews(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isIndexCast(op) && !isa<UnsqueezeOp, SqueezeOp, ReshapeOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// Returns the only axis that is not known to have size 1, counted from the end.
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

static std::optional<Index> matchRange(RangeOp range) {
  if (evaluateScalar(range.getDelta()) != 1.0)
    return std::nullopt;
  Index index{Value(), skipScalarViews(range.getLimit()), -1};
  if (evaluateScalar(range.getStart()) != 0.0)
    index.offset = skipScalarViews(range.getStart());
  return index;
}

/// Matches the sum of an index and a past length, in either order.
std::optional<Index> MaskProof::matchShifted(AddOp add, unsigned depth) {
  for (unsigned i : {0u, 1u}) {
    auto type = dyn_cast<RankedTensorType>(add->getOperand(1 - i).getType());
    if (!type || !type.hasStaticShape() || type.getNumElements() != 1 ||
        type.getRank() > getRank(add.getC()).value_or(0))
      continue;
    std::optional<Index> index = matchIndex(add->getOperand(i), depth);
    if (!index || index->offset)
      continue;
    index->offset = skipScalarViews(add->getOperand(1 - i));
    index->isShifted = true;
    return index;
  }
  return std::nullopt;
}

/// Matches new axes of size 1, which may move the index' own axis.
std::optional<Index> MaskProof::matchUnsqueezed(UnsqueezeOp op, unsigned depth) {
  std::optional<int64_t> rank = getRank(op->getResult(0));
  std::optional<SmallVector<int64_t>> axes = rank ? getAxes(op, *rank) : std::nullopt;
  std::optional<Index> index = axes ? matchIndex(op.getData(), depth) : std::nullopt;
  if (!index)
    return std::nullopt;
  int64_t before = *rank - static_cast<int64_t>(axes->size()) + index->axis;
  for (int64_t axis = 0; axis < *rank; ++axis)
    if (!llvm::is_contained(*axes, axis) && before-- == 0) {
      index->axis = axis - *rank;
      return index;
    }
  return std::nullopt;
}

/// Matches positions that are looked up by (row, position) in a table whose every row counts up.
/// The lookup finds the second component, plus the table's offset if it has one.
std::optional<Index> MaskProof::matchLookup(GatherNDOp gather, unsigned depth) {
  auto pairs = gather.getIndices().getDefiningOp<ConcatOp>();
  if (gather.getBatchDims().value_or(0) != 0 || getRank(gather.getData()) != 2 || !pairs ||
      pairs->getNumOperands() != 2 ||
      !isLastAxis(pairs->getResult(0), pairs.getAxis().value_or(0)) ||
      getDim(pairs->getOperand(1), -1) != 1)
    return std::nullopt;
  std::optional<Index> table = matchIndex(gather.getData(), depth);
  std::optional<Index> index = matchIndex(pairs->getOperand(1), depth);
  if (!table || table->axis != -1 || !index || index->axis == -1 ||
      (table->offset && index->offset))
    return std::nullopt;
  if (table->offset) {
    index->offset = table->offset;
    index->isShifted = true;
  }
  ++index->axis; // The lookup removes the pairs' own axis.
  return index;
}

/// Returns what `value` counts, followed down from its Range. Returns nothing if it does not
/// count.
std::optional<Index> MaskProof::matchIndex(Value value, unsigned depth) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0 || budget == 0)
    return std::nullopt;
  --budget;
  if (auto range = dyn_cast<RangeOp>(op))
    return matchRange(range);
  if (auto add = dyn_cast<AddOp>(op))
    return matchShifted(add, depth - 1);
  if (auto unsqueeze = dyn_cast<UnsqueezeOp>(op))
    return matchUnsqueezed(unsqueeze, depth - 1);
  if (auto gather = dyn_cast<GatherNDOp>(op))
    return matchLookup(gather, depth - 1);
  // A cast leaves the axis where it is.
  if (isIndexCast(op))
    return matchIndex(op->getOperand(0), depth - 1);
  if (isa<ExpandOp>(op)) {
    // Axes are counted from the end, so an Expand leaves the index' axis where it is. But a
    // single position that is repeated does not count up.
    std::optional<Index> index = matchIndex(op->getOperand(0), depth - 1);
    return index && getDim(op->getOperand(0), index->axis) != 1 ? index : std::nullopt;
  }
  if (isa<ReshapeOp>(op)) {
    std::optional<Index> index = matchIndex(op->getOperand(0), depth - 1);
    std::optional<int64_t> axis = varyingAxis(value);
    if (!index || !axis || !varyingAxis(op->getOperand(0)))
      return std::nullopt;
    index->axis = *axis;
    return index;
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

/// Returns whether query i has position i + (keys - queries). A mask is taken to be as wide as
/// there are keys, so both may count from 0 if the scores are square.
bool MaskProof::areAligned(const Index &key, const Index &query) const {
  if (key.offset)
    return false;
  if (!query.offset)
    return (keys == KeyCount::asQueries && numSlices == 0) || sameCount(key.limit, query.limit);
  // A mask that is aligned at the end is not aligned there after a Slice takes a prefix of both
  // axes.
  if (numSlices > 0)
    return false;
  // The queries have positions past .. past + n, the keys 0 .. past + n: they must end together.
  if (!query.isShifted)
    return sameCount(key.limit, query.limit);
  auto total = key.limit.getDefiningOp<AddOp>();
  if (!total)
    return false;
  Value a = skipScalarViews(total.getA()), b = skipScalarViews(total.getB());
  return (sameCount(a, query.offset) && sameCount(b, query.limit)) ||
         (sameCount(b, query.offset) && sameCount(a, query.limit));
}

/// Returns whether `a` are positions of keys and `b` are positions of queries, aligned so that
/// comparing them tells which keys come after a query.
bool MaskProof::comparesKeyToQuery(Value a, Value b) {
  std::optional<Index> key = matchIndex(a), query = matchIndex(b);
  // A single column or row would be broadcast, so it does not count up.
  return key && query && key->axis == -1 && query->axis == -2 && getDim(a, -1) != 1 &&
         getDim(b, -2) != 1 && areAligned(*key, *query);
}

/// Returns whether `value` is a constant whose last two axes are a square, with one element on
/// all other axes, and whose strict upper triangle is all `isHidden`.
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

/// Matches Slices of a triangle that take rows a..b and columns 0..b, which end together, and a
/// prefix of other axes. Returns the triangle, `value` if there are no Slices, or null if they
/// are others.
static Value matchTriangleSlices(Value value) {
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
  if (rows != columns || (rows && !sameCount(rowEnd, columnEnd)))
    return {};
  return value;
}

bool basin::onnx::isHiddenScore(Value value) {
  value = skipViews(value, MaskKind::additive);
  std::optional<double> constant = evaluateScalar(value);
  if (!constant)
    if (auto fill = value.getDefiningOp<ConstantOfShapeOp>())
      if (auto attr = fill.getValue())
        if (auto dense = dyn_cast<DenseElementsAttr>(*attr);
            dense && dense.isSplat() && isa<FloatType>(dense.getElementType()))
          constant = dense.getSplatValue<APFloat>().convertToDouble();
  return constant && *constant <= sink::kHiddenScore;
}

static bool triangleHides(Value value, MaskKind kind) {
  Value table = matchTriangleSlices(value);
  if (!table)
    return false;
  // The elements of a constant are read through its Casts, as they convert them.
  return isTriangle(table, [&](double element) {
    return kind == MaskKind::additive ? element <= sink::kHiddenScore
           : kind == MaskKind::keep   ? element == 0
                                      : element >= 1;
  });
}

/// Returns whether a Trilu hides each key after the query. It keeps one triangle and writes zeros
/// elsewhere. A lower triangle of flags keeps no future key. An upper triangle of a large
/// negative constant hides all future keys. Both count from the first key, so they hide too
/// little if there are fewer keys than queries.
bool MaskProof::triluHides(TriluOp trilu, MaskKind kind) const {
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
  TensorInfo info = getTensorInfo(type);
  const Dim &rows = info[info.rank() - 2], &columns = info[info.rank() - 1];
  bool isWide = columns.provablyEquals(rows) ||
                (columns.isStatic() && rows.isStatic() && columns.size >= rows.size);
  // A Trilu that is sliced counts from its own corner. Only one that is not counts from the
  // corner of the scores.
  if (columns.is(1) || !(isWide || (numSlices == 0 && keys != KeyCount::any)))
    return false;
  bool upper = trilu.getUpper().value_or(1) != 0;
  if (kind == MaskKind::keep)
    return !upper && k <= 0;
  if (kind == MaskKind::additive)
    return upper && k <= 1 && isHiddenScore(trilu.getInput());
  return false;
}

bool MaskProof::booleanHides(Operation *op, MaskKind kind, unsigned depth) {
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

bool MaskProof::additiveHides(Operation *op, unsigned depth) {
  if (isa<AddOp>(op))
    return hidesFuture(op->getOperand(0), MaskKind::additive, depth) ||
           hidesFuture(op->getOperand(1), MaskKind::additive, depth);
  if (auto where = dyn_cast<WhereOp>(op))
    return (isHiddenScore(where.getY()) &&
            hidesFuture(where.getCondition(), MaskKind::keep, depth)) ||
           (isHiddenScore(where.getX()) &&
            hidesFuture(where.getCondition(), MaskKind::drop, depth)) ||
           (hidesFuture(where.getX(), MaskKind::additive, depth) &&
            hidesFuture(where.getY(), MaskKind::additive, depth)) ||
           // A Where may write padding over a causal mask.
           (isHiddenScore(where.getX()) && hidesFuture(where.getY(), MaskKind::additive, depth)) ||
           (isHiddenScore(where.getY()) && hidesFuture(where.getX(), MaskKind::additive, depth));
  if (isa<MulOp>(op))
    for (unsigned i : {0u, 1u}) {
      Value other = op->getOperand(1 - i);
      if (!isHiddenScore(op->getOperand(i)))
        continue;
      if (auto sub = other.getDefiningOp<SubOp>(); sub && evaluateScalar(sub.getA()) == 1.0)
        return hidesFuture(sub.getB(), MaskKind::keep, depth);
      return hidesFuture(other, MaskKind::drop, depth);
    }
  return false;
}

bool MaskProof::hidesFuture(Value value, MaskKind kind, unsigned depth) {
  if (depth == 0 || budget == 0 || !value)
    return false;
  --budget;
  value = skipViews(value, kind);
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
  // A Slice may take a prefix of both axes of a causal mask (`mask[:, :, :, :keys]`).
  if (auto slice = dyn_cast<SliceOp>(op)) {
    Value table = matchTriangleSlices(value);
    if (!table || table == value)
      return false;
    ++numSlices;
    bool hides = hidesFuture(table, kind, depth - 1);
    --numSlices;
    return hides;
  }
  if (kind == MaskKind::additive)
    return additiveHides(op, depth - 1);
  return booleanHides(op, kind, depth - 1);
}

bool basin::onnx::isCausalMask(Value mask, MaskKind kind, KeyCount keys) {
  return kind != MaskKind::lengths && MaskProof(keys).hidesFuture(mask, kind);
}
