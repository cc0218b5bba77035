//===- MaskIndex.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Follows the positions that a mask compares down to the Ranges that make them, and proves that
// those of queries and keys are aligned.
//
//===----------------------------------------------------------------------===//

#include "MaskProof.h"

#include "basin/Dialect/ONNX/IR/SizeSum.h"
#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;

Value basin::onnx::skipScalarViews(Value value) {
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

static std::optional<PositionIndex> matchRange(RangeOp range) {
  if (evaluateScalar(range.getDelta()) != 1.0)
    return std::nullopt;
  PositionIndex index{Value(), skipScalarViews(range.getLimit()), -1};
  if (evaluateScalar(range.getStart()) != 0.0)
    index.offset = skipScalarViews(range.getStart());
  return index;
}

/// Matches the sum of an index and a past length, in either order.
std::optional<PositionIndex> MaskProof::matchShifted(AddOp add, unsigned depth) {
  for (unsigned i : {0u, 1u}) {
    auto type = dyn_cast<RankedTensorType>(add->getOperand(1 - i).getType());
    if (!type || !type.hasStaticShape() || type.getNumElements() != 1 ||
        type.getRank() > getRank(add.getC()).value_or(0))
      continue;
    std::optional<PositionIndex> index = matchIndex(add->getOperand(i), depth);
    if (!index || index->offset)
      continue;
    index->offset = skipScalarViews(add->getOperand(1 - i));
    index->isShifted = true;
    return index;
  }
  return std::nullopt;
}

/// Matches new axes of size 1, which may move the index' own axis.
std::optional<PositionIndex> MaskProof::matchUnsqueezed(UnsqueezeOp op, unsigned depth) {
  std::optional<int64_t> rank = getRank(op->getResult(0));
  std::optional<SmallVector<int64_t>> axes = rank ? getAxes(op, *rank) : std::nullopt;
  std::optional<PositionIndex> index = axes ? matchIndex(op.getData(), depth) : std::nullopt;
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
std::optional<PositionIndex> MaskProof::matchLookup(GatherNDOp gather, unsigned depth) {
  auto pairs = gather.getIndices().getDefiningOp<ConcatOp>();
  if (gather.getBatchDims().value_or(0) != 0 || getRank(gather.getData()) != 2 || !pairs ||
      pairs->getNumOperands() != 2 ||
      !isLastAxis(pairs->getResult(0), pairs.getAxis().value_or(0)) ||
      getDim(pairs->getOperand(1), -1) != 1)
    return std::nullopt;
  std::optional<PositionIndex> table = matchIndex(gather.getData(), depth);
  std::optional<PositionIndex> index = matchIndex(pairs->getOperand(1), depth);
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
std::optional<PositionIndex> MaskProof::matchIndex(Value value, unsigned depth) {
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
    std::optional<PositionIndex> index = matchIndex(op->getOperand(0), depth - 1);
    return index && getDim(op->getOperand(0), index->axis) != 1 ? index : std::nullopt;
  }
  if (isa<ReshapeOp>(op)) {
    std::optional<PositionIndex> index = matchIndex(op->getOperand(0), depth - 1);
    std::optional<int64_t> axis = varyingAxis(value);
    if (!index || !axis || !varyingAxis(op->getOperand(0)))
      return std::nullopt;
    index->axis = *axis;
    return index;
  }
  return std::nullopt;
}

bool basin::onnx::isSameCount(Value a, Value b) {
  if (a == b)
    return true;
  auto x = evaluateShapeValue(a), y = evaluateShapeValue(b);
  return x && y && x->size() == 1 && y->size() == 1 && x->front().isKnown() &&
         x->front() == y->front();
}

/// Returns whether query i has position i + (keys - queries). A mask is taken to be as wide as
/// there are keys, so both may count from 0 if the scores are square.
bool MaskProof::areAligned(const PositionIndex &key, const PositionIndex &query) const {
  if (key.offset)
    return false;
  if (!query.offset)
    return (keys == KeyCount::asQueries && numSlices == 0) || isSameCount(key.limit, query.limit);
  // A mask that is aligned at the end is not aligned there after a Slice takes a prefix of both
  // axes.
  if (numSlices > 0)
    return false;
  // The queries have positions past .. past + n, the keys 0 .. past + n: they must end together.
  if (!query.isShifted)
    return isSameCount(key.limit, query.limit);
  // The difference of both ends, which the meaning of causal attention adds.
  if (auto gap = query.offset.getDefiningOp<SubOp>())
    return isSameCount(skipScalarViews(gap.getA()), key.limit) &&
           isSameCount(skipScalarViews(gap.getB()), query.limit);
  auto total = key.limit.getDefiningOp<AddOp>();
  if (!total)
    return false;
  Value a = skipScalarViews(total.getA()), b = skipScalarViews(total.getB());
  return (isSameCount(a, query.offset) && isSameCount(b, query.limit)) ||
         (isSameCount(b, query.offset) && isSameCount(a, query.limit));
}

/// Returns the number of keys less that of queries, less the number that was added to what counts
/// the queries, if both count from 0 and that is always the same.
std::optional<int64_t> MaskProof::findGap(const PositionIndex &key,
                                          const PositionIndex &query) const {
  std::optional<double> moved = 0;
  if (query.offset)
    moved = query.isShifted ? evaluateScalar(query.offset) : std::nullopt;
  if (numSlices > 0 || key.offset || !moved || *moved != std::floor(*moved) ||
      std::abs(*moved) >= (1 << 30))
    return std::nullopt;
  auto count = [](Value limit) -> std::optional<SizeSum> {
    auto entries = evaluateShapeValue(limit);
    if (!entries || entries->size() != 1)
      return std::nullopt;
    return SizeSum::get(entries->front().toDim());
  };
  std::optional<SizeSum> keyCount = count(key.limit), queryCount = count(query.limit);
  auto gap = keyCount && queryCount ? SizeSum::subtract(*keyCount, *queryCount) : std::nullopt;
  Dim dim = gap ? gap->toDim() : Dim();
  if (!dim.isStatic())
    return std::nullopt;
  return dim.size - static_cast<int64_t>(*moved);
}

/// Matches a difference of a key's and a query's index, plus a number.
std::optional<MaskProof::Distance> MaskProof::matchDistance(Value value, unsigned depth) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0 || budget == 0)
    return std::nullopt;
  --budget;
  if (std::optional<double> number = evaluateScalar(value);
      number && *number == std::floor(*number) && std::abs(*number) < (1 << 30)) {
    Distance distance;
    distance.constant = static_cast<int64_t>(*number);
    return distance;
  }
  bool isSum = isa<AddOp, SubOp>(op) &&
               (evaluateScalar(op->getOperand(0)) || evaluateScalar(op->getOperand(1)));
  if (std::optional<PositionIndex> index = isSum ? std::nullopt : matchIndex(value, depth - 1)) {
    Distance distance;
    // A single position that is broadcast does not count up.
    if (index->axis == -1 && getDim(value, -1) != 1) {
      distance.key = index;
      distance.keySign = 1;
      return distance;
    }
    if (index->axis == -2 && getDim(value, -2) != 1) {
      distance.query = index;
      distance.querySign = 1;
      return distance;
    }
    return std::nullopt;
  }
  if (isIndexCast(op) || isa<ExpandOp>(op))
    return matchDistance(op->getOperand(0), depth - 1);
  if (auto unsqueeze = dyn_cast<UnsqueezeOp>(op)) {
    std::optional<int64_t> rank = getRank(value);
    std::optional<SmallVector<int64_t>> axes = rank ? getAxes(op, *rank) : std::nullopt;
    if (!axes || llvm::any_of(*axes, [&](int64_t axis) { return axis >= *rank - 2; }))
      return std::nullopt;
    return matchDistance(unsqueeze.getData(), depth - 1);
  }
  if (!isa<AddOp, SubOp>(op))
    return std::nullopt;
  std::optional<Distance> a = matchDistance(op->getOperand(0), depth - 1),
                          b = matchDistance(op->getOperand(1), depth - 1);
  int64_t sign = isa<SubOp>(op) ? -1 : 1;
  if (!a || !b || (a->key && b->key) || (a->query && b->query))
    return std::nullopt;
  a->constant += sign * b->constant;
  if (b->key) {
    a->key = b->key;
    a->keySign = sign * b->keySign;
  }
  if (b->query) {
    a->query = b->query;
    a->querySign = sign * b->querySign;
  }
  return a;
}
