//===- AttentionSinks.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttentionSinks.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;
using basin::sink::MaskKind;

/// Returns whether the last axes of both certainly have the same size.
static bool sameWidth(Value a, Value b) {
  TensorInfo x = getTensorInfo(a), y = getTensorInfo(b);
  return x.hasRank() && y.hasRank() && x.rank() > 0 && y.rank() > 0 &&
         x[x.rank() - 1].provablyEquals(y[y.rank() - 1]);
}

static std::optional<RankedTensorType> getStaticType(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() ? std::optional(type) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// A column of one logit for each head
//===----------------------------------------------------------------------===//

/// Returns whether `value` has one element for each head. If there are several heads, they must
/// be along the third axis from the end.
static bool isPerHead(Value value, int64_t heads) {
  std::optional<RankedTensorType> type = getStaticType(value);
  if (!type || type->getNumElements() != heads)
    return false;
  return heads == 1 || (type->getRank() >= 3 && type->getDimSize(type->getRank() - 3) == heads);
}

/// Finds the logits that `column` [batch, heads, queries, 1] repeats for every element of the
/// batch and every query. Returns null if there are none.
static Value findLogits(Value column, int64_t &heads, Ops &ops) {
  std::optional<int64_t> count = getRank(column) == 4 ? getDim(column, 1) : std::nullopt;
  if (!count || getDim(column, 3) != 1)
    return {};
  heads = *count;
  Value cur = column;
  while (!isPerHead(cur, heads)) {
    Operation *op = cur.getDefiningOp();
    if (!op || !(isFloatCast(op) || isa<ExpandOp>(op)))
      return {};
    ops.insert(op);
    cur = op->getOperand(0);
  }
  // Steps that keep all elements in order are passed, since the shape does not matter. A step
  // whose result others read too stays outside.
  while (Operation *op = cur.getDefiningOp()) {
    if (!(isFloatCast(op) || isa<ReshapeOp, UnsqueezeOp, SqueezeOp, FlattenOp>(op)) ||
        !cur.hasOneUse())
      break;
    std::optional<RankedTensorType> type = getStaticType(op->getOperand(0));
    if (!type || type->getNumElements() != heads)
      break;
    ops.insert(op);
    cur = op->getOperand(0);
  }
  return cur;
}

MatchResult<SinkColumn> basin::onnx::matchSinkColumn(ConcatOp concat) {
  if (concat->getNumOperands() != 2 ||
      !isLastAxis(concat->getResult(0), concat.getAxis().value_or(0)))
    return Miss(MissReason::AttentionConcat);
  for (unsigned index : {1u, 0u}) {
    SinkColumn column;
    column.logit = findLogits(concat->getOperand(index), column.heads, column.ops);
    if (!column.logit)
      continue;
    column.scores = concat->getOperand(1 - index);
    column.isFirst = index == 0;
    column.ops.insert(concat);
    return column;
  }
  return Miss(MissReason::AttentionColumn);
}

static std::optional<int64_t> evaluateInt(Value value) {
  auto ints = value ? evaluateInts(value) : std::nullopt;
  return ints && ints->size() == 1 ? std::optional(ints->front()) : std::nullopt;
}

/// Returns whether the Slice keeps all but the column. Either its end says so (-1 if the column
/// is last, the very end if it is first), or its rows have as many elements as those of the
/// scores.
static bool isSliceOfScores(SliceOp slice, const SinkColumn &column) {
  if (!slice.getStartsInput())
    return false;
  std::optional<int64_t> axis = evaluateInt(slice.getAxesInput()),
                         start = evaluateInt(slice.getStartsInput()),
                         end = evaluateInt(slice.getEndsInput());
  if (!axis || !isLastAxis(slice.getData(), *axis) || !start ||
      (slice.getSteps() && evaluateInt(slice.getSteps()) != 1))
    return false;
  if (*start != (column.isFirst ? 1 : 0))
    return false;
  constexpr int64_t kEnd = std::numeric_limits<int32_t>::max();
  if (end && (column.isFirst ? *end >= kEnd : *end == -1))
    return true;
  return sameWidth(slice->getResult(0), column.scores);
}

Value basin::onnx::matchDroppedColumn(Operation *op, Value probs, const SinkColumn &column) {
  if (op->getOperand(0) != probs)
    return {};
  if (auto slice = dyn_cast<SliceOp>(op))
    return isSliceOfScores(slice, column) ? op->getResult(0) : Value();
  auto split = dyn_cast<SplitOp>(op);
  if (!split || op->getNumResults() != 2 || !isLastAxis(probs, split.getAxis().value_or(0)))
    return {};
  unsigned index = column.isFirst ? 0 : 1;
  return getDim(op->getResult(index), -1) == 1 ? op->getResult(1 - index) : Value();
}

Value basin::onnx::matchRowMax(SubOp sub, Ops &ops) {
  Ops found;
  auto max = skipCasts(sub.getB(), &found).getDefiningOp<ReduceMaxOp>();
  std::optional<int64_t> rank = getRank(sub.getA());
  if (!max || !rank || max.getKeepdims().value_or(1) == 0 || max.getData() != sub.getA())
    return {};
  std::optional<SmallVector<int64_t>> axes = getAxes(max, *rank);
  if (!axes || axes->size() != 1 || axes->front() != *rank - 1)
    return {};
  ops.insert(found.begin(), found.end());
  ops.insert(max);
  ops.insert(sub);
  return sub.getA();
}

//===----------------------------------------------------------------------===//
// Learned rows of keys and values
//===----------------------------------------------------------------------===//

std::optional<SinkRows> basin::onnx::matchSinkRows(Value value) {
  auto concat = value.getDefiningOp<ConcatOp>();
  if (!concat || concat->getNumOperands() != 2 || getRank(value) != 4 ||
      concat.getAxis().value_or(0) != 2)
    return std::nullopt;
  SinkRows found;
  found.rest = concat->getOperand(1);
  auto expand = concat->getOperand(0).getDefiningOp<ExpandOp>();
  if (!expand || getRank(expand->getResult(0)) != 4)
    return std::nullopt;
  found.rows = expand->getOperand(0);
  found.ops.insert(concat);
  found.ops.insert(expand);
  // The Expand may widen a new first axis of one element.
  if (auto unsqueeze = found.rows.getDefiningOp<UnsqueezeOp>()) {
    std::optional<SmallVector<int64_t>> axes = getAxes(unsqueeze, 4);
    if (axes != SmallVector<int64_t>{0})
      return std::nullopt;
    found.ops.insert(unsqueeze);
    found.rows = unsqueeze.getData();
  }
  std::optional<RankedTensorType> type = getStaticType(found.rows);
  if (!type || type->getRank() != 3 || !isConstant(skipCasts(found.rows)))
    return std::nullopt;
  // The Expand must repeat nothing but the batch.
  for (int64_t axis = 0; axis < 3; ++axis)
    if (getDim(expand->getResult(0), axis + 1) != type->getDimSize(axis))
      return std::nullopt;
  found.heads = type->getDimSize(0);
  found.count = type->getDimSize(1);
  return found;
}

/// Returns whether all elements are certainly `number`.
static bool isFilledWith(Value value, double number) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isFlagCast(op) && !isa<ExpandOp, UnsqueezeOp, ReshapeOp>(op))
      break;
    value = op->getOperand(0);
  }
  if (std::optional<double> constant = getConstantScalar(value))
    return *constant == number;
  if (auto fill = value.getDefiningOp<ConstantOfShapeOp>()) {
    if (!fill.getValue())
      return number == 0;
    auto dense = dyn_cast<DenseElementsAttr>(*fill.getValue());
    if (!dense || !dense.isSplat())
      return false;
    if (isa<FloatType>(dense.getElementType()))
      return dense.getSplatValue<APFloat>().convertToDouble() == number;
    return dense.getElementType().isInteger() &&
           dense.getSplatValue<APInt>().getZExtValue() == number;
  }
  constexpr size_t kMaxElements = 1 << 20;
  auto elements = getConstantFloats(value, kMaxElements);
  return elements && llvm::all_of(*elements, [&](double element) { return element == number; });
}

Value basin::onnx::matchVisibleColumns(Value mask, MaskKind kind, int64_t count) {
  auto concat = mask.getDefiningOp<ConcatOp>();
  if (!concat || concat->getNumOperands() != 2 || kind == MaskKind::lengths ||
      !isLastAxis(mask, concat.getAxis().value_or(0)) ||
      getDim(concat->getOperand(0), -1) != count ||
      !isFilledWith(concat->getOperand(0), kind == MaskKind::keep ? 1 : 0))
    return {};
  return concat->getOperand(1);
}
