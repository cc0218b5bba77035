//===- TokenPositionRules.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Follows what counts tokens: positions, the masks and tables that are made of them. An axis of a
// size that is neither static nor that of an input without tokens counts as one of tokens. So an
// element's place among them is known by the type, and only the values need a proof:
//
//   Range(0, n)             i        n is the number of tokens, and no element depends on it
//   Range(0, n) / n         nothing  each element depends on it
//   Slice(table, [0], [n])  table_i
//
//===----------------------------------------------------------------------===//

#include "TokenRowRules.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

static constexpr TokenRow kPositions{TokenRow::Positions};

bool PositionRule::isStable(Value value) {
  TokenRow row = get(value);
  return row.kind == TokenRow::Same || row.kind == TokenRow::Positions ||
         (row.kind == TokenRow::Rows && !row.isJoined);
}

bool PositionRule::areSame(unsigned first) {
  return llvm::all_of(op->getOperands().drop_front(first),
                      [&](Value value) { return get(value).kind == TokenRow::Same; });
}

bool PositionRule::isLength(const Dim &dim) const {
  return !dim.isStatic() && !(dim.name && fixedSizes.contains(dim.name));
}

std::optional<SmallVector<int64_t>> PositionRule::getLengthAxes(Value value) const {
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank())
    return std::nullopt;
  SmallVector<int64_t> axes;
  for (int64_t i = 0; i < info.rank(); ++i)
    if (isLength(info[i]))
      axes.push_back(i);
  return axes;
}

/// Returns whether the axis, which may be unknown or counted from the end, may count tokens.
bool PositionRule::isAlongLength(Value value, std::optional<int64_t> axis) const {
  TensorInfo info = getTensorInfo(value);
  if (!axis || !info.hasRank() || *axis < -info.rank() || *axis >= info.rank())
    return true;
  return isLength(info[*axis < 0 ? *axis + info.rank() : *axis]);
}

static std::optional<int64_t> getAxisAttr(Operation *op, int64_t otherwise) {
  auto attr = op->getAttrOfType<IntegerAttr>("axis");
  return attr ? attr.getInt() : otherwise;
}

//===----------------------------------------------------------------------===//
// What counts
//===----------------------------------------------------------------------===//

/// The elements of a Range do not depend on its limit.
std::optional<TokenRow> PositionRule::applyRange() {
  auto range = cast<RangeOp>(op);
  if (get(range.getStart()).kind != TokenRow::Same || get(range.getDelta()).kind != TokenRow::Same)
    return std::nullopt;
  TokenRow row = kPositions;
  auto start = getConstantScalar(range.getStart()), delta = getConstantScalar(range.getDelta());
  row.isIndex = start == 0.0 && delta == 1.0;
  return row;
}

/// Returns the Slice's data. If the Slice cuts off the leading parts of a Concat, returns the
/// Concat's last part and sets `begin` to 0.
static Value skipLeadingParts(SliceOp slice, ArrayRef<int64_t> axes,
                              MutableArrayRef<int64_t> begins) {
  Value data = slice.getData();
  auto concat = data.getDefiningOp<ConcatOp>();
  TensorInfo info = getTensorInfo(data);
  if (!concat || !info.hasRank() || axes.size() != 1 || begins.size() != 1 ||
      axes.front() != (int64_t(concat.getAxis().value_or(0)) + info.rank()) % info.rank())
    return data;
  Dim leading(0);
  for (Value part : concat->getOperands().drop_back())
    if (TensorInfo one = getTensorInfo(part); one.hasRank())
      leading = addDims(leading, one[axes.front()]);
    else
      return data;
  if (!leading.is(begins.front()))
    return data;
  begins.front() = 0;
  return concat->getOperands().back();
}

/// A Slice that starts at a constant place from the front, and ends anywhere.
std::optional<TokenRow> PositionRule::applySlice() {
  auto slice = cast<SliceOp>(op);
  Value starts = slice.getStartsInput(), steps = slice.getSteps(), axes = slice.getAxesInput();
  if (!starts || get(starts).kind != TokenRow::Same || (axes && get(axes).kind != TokenRow::Same))
    return std::nullopt;
  auto begins = evaluateInts(starts);
  auto strides = steps ? getConstantInts(steps) : SmallVector<int64_t>{};
  if (!begins || !strides || llvm::any_of(*begins, [](int64_t i) { return i < 0; }) ||
      llvm::any_of(*strides, [](int64_t i) { return i != 1; }))
    return std::nullopt;
  Value data = slice.getData();
  if (TensorInfo info = getTensorInfo(data); info.hasRank() && axes)
    if (auto along = getAxes(op, info.rank()))
      data = skipLeadingParts(slice, *along, *begins);
  if (!isStable(data))
    return std::nullopt;
  TokenRow row = kPositions;
  row.isIndex = get(data).isIndex && llvm::all_of(*begins, [](int64_t i) { return i == 0; });
  // Rows of tokens move if the first ones are cut off: then a row would depend on a later one.
  bool isMoved = llvm::any_of(*begins, [](int64_t i) { return i > 0; });
  std::optional<SmallVector<int64_t>> lengths = getLengthAxes(data);
  std::optional<SmallVector<int64_t>> kept = getLengthAxes(op->getResult(0));
  bool isConstant = get(data).kind == TokenRow::Same;
  if (!lengths || !kept)
    return std::nullopt;
  // The first token alone is always one of those that are left out.
  TensorInfo info = getTensorInfo(op->getResult(0));
  bool keepsAll = llvm::all_of(*lengths, [&](int64_t i) {
    return llvm::is_contained(*kept, i) || (info.hasRank() && info[i].is(1));
  });
  if (!isConstant && !lengths->empty() && (isMoved || !keepsAll))
    return std::nullopt;
  return row;
}

/// Returns whether each axis of tokens of `x` is one of `result`, with as many elements after it,
/// and the other way round.
bool PositionRule::keepsLengths(Value x, Value result) const {
  TensorInfo from = getTensorInfo(x), to = getTensorInfo(result);
  if (!from.hasRank() || !to.hasRank())
    return false;
  std::optional<SmallVector<int64_t>> old = getLengthAxes(x), made = getLengthAxes(result);
  if (old->size() != made->size())
    return false;
  for (auto [a, b] : llvm::zip(*old, *made)) {
    Dim after = multiplyDims(ArrayRef<Dim>(*from.dims).drop_front(a + 1));
    Dim left = multiplyDims(ArrayRef<Dim>(*to.dims).drop_front(b + 1));
    if (!from[a].provablyEquals(to[b]) || !after.provablyEquals(left))
      return false;
  }
  return true;
}

/// Reshape, Flatten, Squeeze and Unsqueeze. Of several in a row, only the first operand and the
/// last result count.
std::optional<TokenRow> PositionRule::applyView() {
  Value x = op->getOperand(0);
  constexpr unsigned kMost = 8;
  for (unsigned i = 0; i < kMost; ++i) {
    if (isStable(x) && keepsLengths(x, op->getResult(0))) {
      TokenRow row = kPositions;
      row.isIndex = get(x).isIndex;
      return row;
    }
    Operation *before = x.getDefiningOp();
    if (!isa_and_nonnull<ReshapeOp, FlattenOp, SqueezeOp, UnsqueezeOp>(before))
      break;
    x = before->getOperand(0);
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Lookups
//===----------------------------------------------------------------------===//

/// Returns whether `value` is batch * tokens + an index of rows.
bool PositionRule::isFlatIndex(Value value, StringAttr tokens) {
  auto sum = value.getDefiningOp<AddOp>();
  if (!sum || !tokens)
    return false;
  for (unsigned i : {0u, 1u}) {
    auto product = sum->getOperand(1 - i).getDefiningOp<MulOp>();
    if (!product || !get(sum->getOperand(i)).isIndex)
      continue;
    for (unsigned j : {0u, 1u}) {
      auto size = evaluateShapeValue(product->getOperand(j));
      if (get(product->getOperand(1 - j)).kind == TokenRow::Same && size && size->size() == 1 &&
          size->front().symbol == tokens)
        return true;
    }
  }
  return false;
}

std::optional<TokenRow> PositionRule::applyLookup() {
  Value data = op->getOperand(0), indices = op->getOperand(1);
  TokenRow rows = get(data);
  if (isa<GatherNDOp>(op)) {
    // Pairs of a batch element and a token.
    auto pairs = indices.getDefiningOp<ConcatOp>();
    auto dims = op->getAttrOfType<IntegerAttr>("batch_dims");
    TensorInfo info = getTensorInfo(data);
    bool isPair = pairs && pairs->getNumOperands() == 2 && (!dims || dims.getInt() == 0) &&
                  isStable(data) && info.hasRank() && info.rank() == 2 && !isLength(info[0]) &&
                  isStable(pairs->getOperand(0)) && get(pairs->getOperand(1)).isIndex;
    return isPair ? std::optional(kPositions) : std::nullopt;
  }
  if (rows.kind == TokenRow::Rows && rows.isJoined && !rows.isFirst && rows.axis == 0)
    return getAxisAttr(op, 0) == 0 && isFlatIndex(indices, rows.tokens) ? std::optional(kPositions)
                                                                        : std::nullopt;
  if (!isStable(data) || !isStable(indices))
    return std::nullopt;
  if (rows.kind == TokenRow::Same || get(indices).kind == TokenRow::Same) {
    // Chosen rows of tokens stay in their order only if none is chosen by a number.
    bool isKept = rows.kind == TokenRow::Same || !isAlongLength(data, getAxisAttr(op, 0));
    return isKept ? std::optional(kPositions) : std::nullopt;
  }
  return get(indices).isIndex ? std::optional(kPositions) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

std::optional<TokenRow> PositionRule::applyReduce() {
  TensorInfo info = getTensorInfo(op->getOperand(0));
  auto axes = info.hasRank() ? getAxes(op, info.rank()) : std::nullopt;
  bool isApart = axes && isStable(op->getOperand(0)) &&
                 llvm::none_of(*axes, [&](int64_t axis) { return isLength(info[axis]); });
  return isApart ? std::optional(kPositions) : std::nullopt;
}

/// Returns whether a MatMul or Einsum sums over no tokens. One of its operands is the same.
bool PositionRule::isProductApart() {
  Value a = op->getOperand(0), b = op->getOperand(1);
  TensorInfo left = getTensorInfo(a), right = getTensorInfo(b);
  bool isOne = get(a).kind == TokenRow::Same || get(b).kind == TokenRow::Same;
  return isOne && isStable(a) && isStable(b) && left.hasRank() && right.hasRank() &&
         left.rank() >= 2 && right.rank() >= 2 && !isLength(left[left.rank() - 1]) &&
         !isLength(right[right.rank() - 2]);
}

std::optional<TokenRow> PositionRule::apply() {
  auto when = [](bool holds) { return holds ? std::optional(kPositions) : std::nullopt; };
  bool isAllStable = llvm::all_of(op->getOperands(), [&](Value value) { return isStable(value); });
  if (isa<RangeOp>(op))
    return applyRange();
  if (isa<CastOp, IdentityOp>(op) && isAllStable) {
    TokenRow row = kPositions;
    row.isIndex = get(op->getOperand(0)).isIndex;
    return row;
  }
  if (isElementwise(op))
    return when(isAllStable && getLengthAxes(op->getResult(0)));
  if (isa<ConstantOfShapeOp>(op))
    return kPositions;
  if (isa<ExpandOp>(op)) {
    // Elements are repeated. A single position that is repeated is no index.
    Value x = op->getOperand(0);
    TensorInfo info = getTensorInfo(x);
    TensorInfo made = getTensorInfo(op->getResult(0));
    if (!isStable(x) || !info.hasRank())
      return std::nullopt;
    TokenRow row = kPositions;
    row.isIndex = get(x).isIndex && made.hasRank();
    std::optional<SmallVector<int64_t>> axes = getLengthAxes(x);
    for (int64_t axis : *axes)
      row.isIndex =
          row.isIndex && made[made.rank() - info.rank() + axis].provablyEquals(info[axis]);
    return row;
  }
  if (isa<SliceOp>(op))
    return applySlice();
  if (isa<ReshapeOp, FlattenOp, SqueezeOp, UnsqueezeOp>(op))
    return applyView();
  if (isa<GatherOp, GatherNDOp>(op))
    return applyLookup();
  if (isa<TransposeOp>(op)) {
    TokenRow row = kPositions;
    row.isIndex = get(op->getOperand(0)).isIndex;
    return isAllStable ? std::optional(row) : std::nullopt;
  }
  if (isa<TriluOp>(op))
    return when(isAllStable && areSame(1));
  // Behind a part of a fixed size, elements are farther back than in their own part.
  if (isa<ConcatOp>(op))
    return when(isAllStable && llvm::none_of(op->getOperands().drop_back(), [&](Value value) {
                  return isAlongLength(value, getAxisAttr(op, 0));
                }));
  if (isa<SplitOp>(op))
    return when(isAllStable && areSame(1) && !isAlongLength(op->getOperand(0), getAxisAttr(op, 0)));
  if (isa<CumSumOp>(op)) {
    auto isSet = [&](StringRef name) {
      auto attr = op->getAttrOfType<IntegerAttr>(name);
      return attr && attr.getInt() != 0;
    };
    return when(isAllStable && areSame(1) && !isSet("reverse"));
  }
  if (isa<ReduceMeanOp, ReduceSumOp, ReduceMaxOp, ReduceMinOp, ReduceProdOp>(op))
    return applyReduce();
  if (isa<MatMulOp>(op))
    return when(isProductApart());
  return std::nullopt;
}
