//===- AttentionSinks.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttentionSinks.h"
#include "Matchers.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
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

/// Takes `value` as the column: [batch, heads, queries, 1], with one logit for each head that is
/// repeated for every element of the batch and every query, or with one number.
static bool takeColumn(Value value, SinkColumn &column) {
  if (getDim(value, -1) != 1)
    return false;
  column.heads = getRank(value) == 4 ? getDim(value, 1) : std::nullopt;
  column.logit = column.heads ? findLogits(value, *column.heads, column.ops) : Value();
  if (column.logit)
    return true;
  column.ops.clear();
  column.number = evaluateFill(value);
  return column.number && std::isfinite(*column.number);
}

MatchResult<SinkColumn> basin::onnx::matchSinkColumn(ConcatOp concat) {
  if (concat->getNumOperands() != 2 ||
      !isLastAxis(concat->getResult(0), concat.getAxis().value_or(0)))
    return Miss(MissReason::AttentionConcat);
  for (unsigned index : {1u, 0u}) {
    SinkColumn column;
    if (!takeColumn(concat->getOperand(index), column))
      continue;
    column.scores = concat->getOperand(1 - index);
    column.isFirst = index == 0;
    column.ops.insert(concat);
    return column;
  }
  return Miss(MissReason::AttentionColumn);
}

MatchResult<SinkColumn> basin::onnx::matchSinkColumn(PadOp pad) {
  std::optional<int64_t> rank = getRank(pad.getData());
  std::optional<SmallVector<int64_t>> pads;
  if (pad.getPadsInput())
    pads = evaluateInts(pad.getPadsInput());
  else if (pad.getPads())
    pads = llvm::to_vector(*pad.getPads());
  if (!rank || !pads || pad.getAxes() || pads->size() != size_t(2 * *rank) ||
      pad.getMode().value_or("constant") != "constant")
    return Miss(MissReason::AttentionPad);
  SinkColumn column;
  int64_t &before = (*pads)[*rank - 1], &after = (*pads)[2 * *rank - 1];
  column.isFirst = before == 1;
  bool isColumn = before + after == 1 && (before == 0 || before == 1);
  before = after = 0;
  if (!isColumn || llvm::any_of(*pads, [](int64_t size) { return size != 0; }))
    return Miss(MissReason::AttentionPad);
  if (pad.getConstantValue() && !isa<NoneType>(pad.getConstantValue().getType()))
    column.number = evaluateScalar(pad.getConstantValue());
  else
    column.number = pad.getValue() ? pad.getValue()->convertToDouble() : 0;
  if (!column.number || !std::isfinite(*column.number))
    return Miss(MissReason::AttentionColumn);
  column.heads = *rank == 4 ? getDim(pad.getData(), 1) : std::nullopt;
  column.scores = pad.getData();
  column.ops.insert(pad);
  return column;
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

//===----------------------------------------------------------------------===//
// Scores of rows before the keys
//===----------------------------------------------------------------------===//

/// The bounds of a Slice of the last axis. An end at or beyond 2^31 - 1 is that of the axis.
namespace {
struct Columns {
  Value data;
  int64_t start = 0, end = 0;
  static constexpr int64_t kAll = std::numeric_limits<int32_t>::max();
};
} // namespace

static std::optional<Columns> matchColumns(Value value) {
  auto slice = value.getDefiningOp<SliceOp>();
  if (!slice || !slice.getStartsInput() || !slice.getEndsInput() ||
      (slice.getSteps() && evaluateInt(slice.getSteps()) != 1))
    return std::nullopt;
  std::optional<int64_t> axis = evaluateInt(slice.getAxesInput()),
                         start = evaluateInt(slice.getStartsInput()),
                         end = evaluateInt(slice.getEndsInput());
  if (!axis || !start || !end || !isLastAxis(slice.getData(), *axis))
    return std::nullopt;
  return Columns{slice.getData(), *start, std::min(*end, Columns::kAll)};
}

std::optional<RowScores> basin::onnx::matchRowScores(ConcatOp concat) {
  if (concat->getNumOperands() != 2 ||
      !isLastAxis(concat->getResult(0), concat.getAxis().value_or(0)))
    return std::nullopt;
  std::optional<Columns> first = matchColumns(concat->getOperand(0));
  if (!first || first->start != 0 || first->end < 1 || first->end == Columns::kAll)
    return std::nullopt;
  RowScores found{first->data, first->end, concat->getOperand(1), {}};
  found.ops.insert(concat);
  found.ops.insert(concat->getOperand(0).getDefiningOp());
  return found;
}

bool basin::onnx::isKeyScores(Value value, Value all, int64_t count) {
  std::optional<Columns> keys = matchColumns(value);
  return keys && keys->data == all && keys->start == count && keys->end == Columns::kAll;
}

Value basin::onnx::skipKeyScores(Value value) {
  std::optional<Columns> keys = matchColumns(value);
  if (!keys || keys->start < 1 || keys->end != Columns::kAll)
    return {};
  bool isApart = llvm::any_of(keys->data.getUsers(), [&](Operation *user) {
    std::optional<Columns> first =
        isa<SliceOp>(user) ? matchColumns(user->getResult(0)) : std::nullopt;
    return first && first->start == 0 && first->end == keys->start;
  });
  return isApart ? keys->data : Value();
}

//===----------------------------------------------------------------------===//
// Learned rows of keys and values
//===----------------------------------------------------------------------===//

bool basin::onnx::isFilledWith(Value value, double number) {
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

/// Returns whether a value is a constant, or a view of one, as turned rows are.
static bool isWeight(Value value) {
  for (value = skipCasts(value); Operation *op = value.getDefiningOp();
       value = skipCasts(op->getOperand(0)))
    if (!isa<ReshapeOp, TransposeOp, SqueezeOp, UnsqueezeOp>(op))
      break;
  return isConstant(value);
}

/// Finds learned rows [heads, count, d] that an Expand repeats for each element of the batch.
static bool takeLearnedRows(Value part, SinkRows &found) {
  auto expand = part.getDefiningOp<ExpandOp>();
  if (!expand || found.layout != sink::Layout::bhsd || getRank(part) != 4)
    return false;
  Ops ops;
  ops.insert(expand);
  Value rows = expand->getOperand(0);
  // The Expand may widen a new first axis of one element.
  if (auto unsqueeze = rows.getDefiningOp<UnsqueezeOp>()) {
    if (getAxes(unsqueeze, 4) != SmallVector<int64_t>{0})
      return false;
    ops.insert(unsqueeze);
    rows = unsqueeze.getData();
  }
  std::optional<RankedTensorType> type = getStaticType(rows);
  if (!type || type->getRank() != 3 || !isWeight(rows))
    return false;
  // The Expand must repeat nothing but the batch.
  for (int64_t axis = 0; axis < 3; ++axis)
    if (getDim(part, axis + 1) != type->getDimSize(axis))
      return false;
  found.rows = rows;
  found.heads = type->getDimSize(0);
  found.ops.insert(ops.begin(), ops.end());
  return true;
}

/// Returns the tensor [batch * heads, sequence, d] that a Reshape parts into batch and heads.
static ReshapeOp matchPartedHeads(Value value) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  if (!reshape)
    return {};
  TensorInfo from = getTensorInfo(reshape.getData()), to = getTensorInfo(value);
  bool isParted = from.hasRank() && from.rank() == 3 && to.hasRank() && to.rank() == 4 &&
                  from[1].provablyEquals(to[2]) && from[2].provablyEquals(to[3]);
  return isParted ? reshape : ReshapeOp();
}

/// Returns whether the Concat joins along `axis`, one of `rank`.
static bool joinsAlong(ConcatOp concat, int64_t axis, int64_t rank) {
  int64_t joined = concat.getAxis().value_or(0);
  return (joined < 0 ? joined + rank : joined) == axis;
}

/// Returns the constant that `part` repeats along `batchAxis` alone, or null. An axis of one
/// element may be missing there.
static Value findRepeated(Value part, int64_t batchAxis, Ops &ops) {
  Value constant = part;
  while (Operation *op = constant.getDefiningOp()) {
    if (!isa<ExpandOp, TileOp>(op))
      break;
    ops.insert(op);
    constant = op->getOperand(0);
  }
  std::optional<RankedTensorType> type = getStaticType(constant);
  int64_t rank = getRank(part).value_or(0);
  if (!type || type->getRank() > rank || !isWeight(constant))
    return {};
  int64_t missing = rank - type->getRank();
  for (int64_t axis = 0; axis < rank; ++axis) {
    int64_t size = axis < missing ? 1 : type->getDimSize(axis - missing);
    if (axis == batchAxis ? size != 1 : getDim(part, axis) != size)
      return {};
  }
  return constant;
}

std::optional<SinkRows> basin::onnx::matchRows(Value part) {
  SinkRows found;
  std::optional<int64_t> rank = getRank(part), count = getDim(part, -2);
  if ((rank != 4 && rank != 3) || !count || *count < 1)
    return std::nullopt;
  found.count = *count;
  if (rank == 4)
    return takeLearnedRows(part, found) || isFilledWith(part, 0) ? std::optional(found)
                                                                 : std::nullopt;
  Ops ops;
  Value rows = findRepeated(part, /*batchAxis=*/0, ops);
  if (isFilledWith(rows ? rows : part, 0))
    return found;
  found.rows = rows;
  found.turned = true;
  return rows ? std::optional(found) : std::nullopt;
}

/// Finds rows of `heads` heads that a Concat joins to `found.layout`, or to the same layout with
/// heads and their elements in one axis.
static bool takeJoinedRows(Value joined, int64_t heads, SinkRows &found) {
  auto concat = joined.getDefiningOp<ConcatOp>();
  int64_t axis = sink::getSequenceAxis(found.layout), rank = getRank(joined).value_or(0);
  if (!concat || concat->getNumOperands() != 2 || rank < 3 || !joinsAlong(concat, axis, rank))
    return false;
  for (unsigned index : {0u, 1u}) {
    Value part = concat->getOperand(index);
    std::optional<int64_t> count = getDim(part, axis);
    if (!count || *count < 1)
      continue;
    Ops ops;
    Value rows = findRepeated(part, /*batchAxis=*/1 - axis, ops);
    bool isZero = isFilledWith(rows ? rows : part, 0);
    if (!rows && !isZero)
      continue;
    found.rows = isZero ? Value() : rows;
    found.turned = !isZero;
    found.heads = heads;
    found.rest = concat->getOperand(1 - index);
    found.count = *count;
    found.isLast = index == 1;
    found.ops.insert(concat);
    found.ops.insert(ops.begin(), ops.end());
    return true;
  }
  return false;
}

namespace {
/// A tensor [sequence, batch, heads * dim] that is viewed as [batch * heads, sequence, dim], or as
/// [batch * heads, dim, sequence].
struct TurnedHeads {
  Value flat;
  int64_t heads = 0, dim = 0;
  Ops ops;
};
} // namespace

static std::optional<TurnedHeads> matchTurnedHeads(Value value, bool dimFirst = false) {
  auto turn = value.getDefiningOp<TransposeOp>();
  auto part = turn ? turn.getData().getDefiningOp<ReshapeOp>() : ReshapeOp();
  SmallVector<int64_t> perm =
      dimFirst ? SmallVector<int64_t>{1, 2, 0} : SmallVector<int64_t>{1, 0, 2};
  if (!part || turn.getPerm() != ArrayRef(perm))
    return std::nullopt;
  TensorInfo from = getTensorInfo(part.getData()), to = getTensorInfo(part->getResult(0));
  std::optional<int64_t> width = getDim(part.getData(), -1), dim = getDim(part->getResult(0), -1);
  bool hasRanks = from.hasRank() && from.rank() == 3 && to.hasRank() && to.rank() == 3;
  if (!hasRanks || !width || !dim || *dim <= 0 || *width % *dim != 0)
    return std::nullopt;
  // As many elements as before leave the sequence as it is if batch and heads are joined.
  int64_t heads = *width / *dim;
  if (!from[0].provablyEquals(to[0]) && !multiplyDims({from[1], heads}).provablyEquals(to[1]))
    return std::nullopt;
  TurnedHeads found{part.getData(), heads, *dim, {}};
  found.ops.insert(turn);
  found.ops.insert(part);
  return found;
}

std::optional<int64_t> basin::onnx::findTurnedHeads(Value value) {
  std::optional<TurnedHeads> turned = matchTurnedHeads(value);
  return turned ? std::optional(turned->heads) : std::nullopt;
}

/// Takes the Transpose that brings heads before the sequence, and sets the layout before it.
static Value takeTurn(Value value, sink::Layout &layout, Ops &ops) {
  auto turn = value.getDefiningOp<TransposeOp>();
  bool dimFirst = layout == sink::Layout::bhds;
  if (!turn || !turn.getPerm() || (layout != sink::Layout::bhsd && !dimFirst))
    return value;
  using Perm = ArrayRef<int64_t>;
  if (*turn.getPerm() == (dimFirst ? Perm({0, 2, 3, 1}) : Perm({0, 2, 1, 3})))
    layout = sink::Layout::bshd;
  else if (*turn.getPerm() == (dimFirst ? Perm({1, 2, 3, 0}) : Perm({1, 2, 0, 3})))
    layout = sink::Layout::sbhd;
  else
    return value;
  ops.insert(turn);
  return turn.getData();
}

/// Finds rows in layouts whose heads do not come before the sequence.
static std::optional<SinkRows> matchLaterHeads(Value value, sink::Layout layout) {
  SinkRows found;
  Value joined = value;
  if (ReshapeOp reshape = layout == sink::Layout::bhsd ? matchPartedHeads(value) : ReshapeOp()) {
    found.ops.insert(reshape);
    joined = reshape.getData();
  }
  bool dimFirst = layout == sink::Layout::hds;
  if (std::optional<TurnedHeads> turned = matchTurnedHeads(joined, dimFirst)) {
    found.ops.insert(turned->ops.begin(), turned->ops.end());
    found.layout = sink::Layout::sbhd;
    found.partedDim = turned->dim;
    return takeJoinedRows(turned->flat, turned->heads, found) ? std::optional(std::move(found))
                                                              : std::nullopt;
  }
  value = takeTurn(value, layout, found.ops);
  std::optional<int64_t> heads = getRank(value) == 4 ? getDim(value, 2) : std::nullopt;
  if ((layout != sink::Layout::bshd && layout != sink::Layout::sbhd) || !heads)
    return std::nullopt;
  found.layout = layout;
  if (takeJoinedRows(value, *heads, found))
    return found;
  // Heads may be parted after rows are joined to [batch, sequence, heads * d].
  auto part = value.getDefiningOp<ReshapeOp>();
  if (!part || getRank(part.getData()) != 3)
    return std::nullopt;
  TensorInfo from = getTensorInfo(part.getData()), to = getTensorInfo(value);
  if (!from[0].provablyEquals(to[0]) || !from[1].provablyEquals(to[1]) ||
      !takeJoinedRows(part.getData(), *heads, found))
    return std::nullopt;
  found.ops.insert(part);
  if (layout == sink::Layout::bshd)
    found.layout = sink::Layout::bsd;
  else
    found.partedDim = getDim(value, 3);
  return found.layout == sink::Layout::bsd || found.partedDim ? std::optional(std::move(found))
                                                              : std::nullopt;
}

/// Finds rows in layouts whose heads come before the sequence.
static std::optional<SinkRows> matchEarlierHeads(Value value, sink::Layout layout) {
  SinkRows found;
  if (layout == sink::Layout::hsd && getRank(value) == 3)
    found.layout = layout;
  else if (getRank(value) != 4)
    return std::nullopt;
  // Keys [batch * heads, d, sequence] may be turned before their heads are parted.
  if (layout == sink::Layout::bhds) {
    ReshapeOp reshape = matchPartedHeads(value);
    auto turn = reshape ? reshape.getData().getDefiningOp<TransposeOp>() : TransposeOp();
    if (!turn || turn.getPerm() != ArrayRef<int64_t>{0, 2, 1})
      return std::nullopt;
    found.ops.insert(reshape);
    found.ops.insert(turn);
    found.layout = sink::Layout::hsd;
    value = turn.getData();
  } else if (layout != sink::Layout::bhsd && layout != sink::Layout::hsd) {
    return std::nullopt;
  }
  if (ReshapeOp reshape = getRank(value) == 4 ? matchPartedHeads(value) : ReshapeOp()) {
    found.ops.insert(reshape);
    found.layout = sink::Layout::hsd;
    value = reshape.getData();
  }
  auto concat = value.getDefiningOp<ConcatOp>();
  int64_t axis = sink::getSequenceAxis(found.layout);
  if (!concat || concat->getNumOperands() != 2 || !joinsAlong(concat, axis, *getRank(value)))
    return std::nullopt;
  found.ops.insert(concat);
  for (unsigned index : {0u, 1u}) {
    Value part = concat->getOperand(index);
    std::optional<int64_t> count = getDim(part, axis);
    if (!count || *count < 1 || !(takeLearnedRows(part, found) || isFilledWith(part, 0)))
      continue;
    found.rest = concat->getOperand(1 - index);
    found.count = *count;
    found.isLast = index == 1;
    return found;
  }
  return std::nullopt;
}

std::optional<SinkRows> basin::onnx::matchSinkRows(Value value, sink::Layout layout) {
  std::optional<SinkRows> found = matchEarlierHeads(value, layout);
  return found ? std::move(found) : matchLaterHeads(value, layout);
}

/// Returns the pads of a Pad by constants, as far as they are known, and whether it pads by
/// `number`.
static std::optional<ShapeValue> evaluatePads(PadOp pad, double number) {
  std::optional<int64_t> rank = getRank(pad.getData());
  std::optional<ShapeValue> pads =
      pad.getPadsInput() ? evaluateShapeValue(pad.getPadsInput()) : std::nullopt;
  bool isGiven = pad.getConstantValue() && !isa<NoneType>(pad.getConstantValue().getType());
  if (!rank || !pads || pad.getAxes() || pads->size() != size_t(2 * *rank) ||
      pad.getMode().value_or("constant") != "constant" ||
      (isGiven ? evaluateScalar(pad.getConstantValue()) : 0.0) != number)
    return std::nullopt;
  return pads;
}

/// Returns whether all pads but those before (or after) the last axis are zero.
static bool padsOneSide(const ShapeValue &pads, bool isAfter) {
  size_t side = isAfter ? pads.size() - 1 : pads.size() / 2 - 1;
  for (auto [i, entry] : llvm::enumerate(pads))
    if (i != side && !entry.is(0))
      return false;
  return true;
}

Value basin::onnx::findSameMask(Operation *op) {
  if (auto unsqueeze = dyn_cast<UnsqueezeOp>(op)) {
    std::optional<int64_t> rank = getRank(unsqueeze->getResult(0));
    std::optional<SmallVector<int64_t>> axes = rank ? getAxes(unsqueeze, *rank) : std::nullopt;
    return axes && llvm::equal(*axes, llvm::seq<int64_t>(0, axes->size())) ? unsqueeze.getData()
                                                                           : Value();
  }
  if (isa<MulOp>(op))
    for (unsigned i : {0u, 1u})
      if (evaluateFactor(op->getOperand(i), op->getOperand(1 - i)) == 1.0)
        return op->getOperand(1 - i);
  return {};
}

std::optional<MaskColumns> basin::onnx::matchMaskColumns(Value mask, MaskKind kind,
                                                         const SinkRows &rows,
                                                         std::optional<int64_t> heads) {
  MaskColumns found;
  double visible = kind == MaskKind::keep ? 1 : 0;
  Operation *def = mask.getDefiningOp();
  if (!def || kind == MaskKind::lengths)
    return std::nullopt;
  found.ops.insert(def);
  if (Value same = findSameMask(def)) {
    std::optional<MaskColumns> inner = matchMaskColumns(same, kind, rows, heads);
    if (inner)
      inner->ops.insert(def);
    return inner;
  }
  if (auto concat = dyn_cast<ConcatOp>(def)) {
    unsigned index = rows.isLast ? 1 : 0;
    if (concat->getNumOperands() != 2 || !isLastAxis(mask, concat.getAxis().value_or(0)) ||
        getDim(concat->getOperand(index), -1) != rows.count ||
        !isFilledWith(concat->getOperand(index), visible))
      return std::nullopt;
    found.rest = concat->getOperand(1 - index);
    return found;
  }
  auto pad = dyn_cast<PadOp>(def);
  std::optional<ShapeValue> pads = pad ? evaluatePads(pad, visible) : std::nullopt;
  if (!pads)
    return std::nullopt;
  size_t side = rows.isLast ? pads->size() - 1 : pads->size() / 2 - 1;
  if (padsOneSide(*pads, rows.isLast) && (*pads)[side].is(rows.count)) {
    found.rest = pad.getData();
    return found;
  }
  // All keys but one get zeros.
  size_t others = rows.isLast ? pads->size() / 2 - 1 : pads->size() - 1;
  Dim keys = getTensorInfo(rows.rest)[sink::getSequenceAxis(rows.layout)];
  if (kind != MaskKind::additive || rows.count != 1 || !padsOneSide(*pads, !rows.isLast) ||
      !(*pads)[others].toDim().provablyEquals(keys) || getDim(pad.getData(), -1) != 1 || !heads)
    return std::nullopt;
  found.logit = findLogits(pad.getData(), *heads, found.ops);
  return found.logit ? std::optional(std::move(found)) : std::nullopt;
}
