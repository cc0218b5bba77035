//===- TokenRowAxisRules.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ops that look along one axis or join and part axes keep rows if that is not the axis of tokens.
//
//===----------------------------------------------------------------------===//

#include "TokenRowRules.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// Softmax, ArgMax and TopK.
RowOutcome RowRule::applyAlongAxis() {
  TokenRow row = get(op->getOperand(0));
  bool isSoftmax = isa<SoftmaxOp, LogSoftmaxOp>(op);
  constexpr int64_t kFirstSingleAxis = 13;
  bool isFlattened = isSoftmax && getOpsetVersion(op) < kFirstSingleAxis;
  std::optional<int64_t> axis = getAxis(op->getOperand(0), isSoftmax ? (isFlattened ? 1 : -1) : 0);
  if (isa<TopKOp>(op))
    axis = getAxis(op->getOperand(0), -1);
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  // Before opset 13 a Softmax takes all axes from its own on as one.
  if (!axis || *axis == row.axis || (isFlattened && *axis < row.axis))
    return fail("it looks at all tokens");
  auto keeps = op->getAttrOfType<IntegerAttr>("keepdims");
  bool isDropped = isa<ArgMaxOp, ArgMinOp>(op) && keeps && keeps.getInt() == 0;
  return give(row.along(isDropped && *axis < row.axis ? row.axis - 1 : row.axis));
}

RowOutcome RowRule::applyReduce() {
  TensorInfo info = getTensorInfo(op->getOperand(0));
  TokenRow row = get(op->getOperand(0));
  auto axes = info.hasRank() ? getAxes(op, info.rank()) : std::nullopt;
  if (!axes || llvm::is_contained(*axes, int64_t(row.axis)))
    return fail("it looks at all tokens");
  auto keeps = op->getAttrOfType<IntegerAttr>("keepdims");
  unsigned dropped = llvm::count_if(*axes, [&](int64_t axis) { return axis < row.axis; });
  return give(row.along(keeps && keeps.getInt() == 0 ? row.axis - dropped : row.axis));
}

RowOutcome RowRule::applyConcat() {
  OpOperand *lead = llvm::find_if(op->getOpOperands(), [&](OpOperand &operand) {
    return get(operand.get()).kind == TokenRow::Rows;
  });
  TensorInfo info = getTensorInfo(lead->get());
  TokenRow row = get(lead->get());
  std::optional<int64_t> axis = getAxis(lead->get(), 0);
  if (!axis || *axis == row.axis)
    return fail("it adds rows to those of the tokens");
  RowOutcome outcome = give(row);
  for (OpOperand &operand : op->getOpOperands()) {
    TokenRow other = get(operand.get());
    TensorInfo size = getTensorInfo(operand.get());
    if (other.kind == TokenRow::Rows && other.axis == row.axis && other.isJoinedLike(row))
      continue;
    bool fits = size.hasRank() && size.rank() == info.rank() &&
                (size[row.axis].provablyEquals(info[row.axis]) ||
                 size[row.axis].provablyEquals(Dim(row.tokens)));
    if (other.kind != TokenRow::Positions || row.isJoined || !fits)
      return fail(quote(operand.get()) + " has no row for each token");
    outcome.whole.push_back({&operand, row.axis});
  }
  return outcome;
}

RowOutcome RowRule::applySplit() {
  TokenRow row = get(op->getOperand(0));
  std::optional<int64_t> axis = getAxis(op->getOperand(0), 0);
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  if (!axis || *axis == row.axis)
    return fail("it parts the tokens");
  return give(row);
}

RowOutcome RowRule::applySlice() {
  Value x = op->getOperand(0);
  TensorInfo info = getTensorInfo(x);
  TokenRow row = get(x);
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  auto read = [&](StringRef name, unsigned operand) -> std::optional<SmallVector<int64_t>> {
    if (auto attr = op->getAttrOfType<DenseI64ArrayAttr>(name))
      return SmallVector<int64_t>(attr.asArrayRef());
    Value value = getInputOrNull(op, operand);
    return value ? getConstantInts(value) : std::nullopt;
  };
  auto axes = info.hasRank() ? getAxes(op, info.rank()) : std::nullopt;
  auto starts = read("starts", 1), ends = read("ends", 2), steps = read("steps", 4);
  bool hasAxes = op->hasAttr("axes") || getInputOrNull(op, 3);
  if (!axes && starts && !hasAxes)
    axes = llvm::to_vector(llvm::seq<int64_t>(0, starts->size()));
  if (!axes)
    return fail("its axes are not known");
  auto *at = llvm::find(*axes, int64_t(row.axis));
  if (at == axes->end())
    return give(row);
  size_t i = at - axes->begin();
  constexpr int64_t kEnd = std::numeric_limits<int32_t>::max();
  bool isStepped = getInputOrNull(op, 4) && (!steps || (*steps)[i] != 1);
  if (!starts || !ends || i >= starts->size() || i >= ends->size() || isStepped ||
      (*ends)[i] < kEnd || row.isJoined)
    return fail("it chooses among the tokens");
  if ((*starts)[i] == 0)
    return give(row);
  // The last token is never left out.
  return (*starts)[i] == -1 ? give({TokenRow::Last}) : fail("it chooses among the tokens");
}

RowOutcome RowRule::applyGather() {
  Value data = op->getOperand(0), indices = op->getOperand(1);
  TensorInfo info = getTensorInfo(data), index = getTensorInfo(indices);
  TokenRow row = get(data), chosen = get(indices);
  std::optional<int64_t> axis = getAxis(data, 0);
  if (!axis || !index.hasRank())
    return fail("its axis is not known");
  if (row.kind == TokenRow::Same && chosen.kind == TokenRow::Rows)
    return give(chosen.along(*axis + chosen.axis));
  if (row.kind != TokenRow::Rows || chosen.kind != TokenRow::Same)
    return fail("it looks up what depends on the tokens");
  if (*axis != row.axis)
    return give(row.along(*axis < row.axis ? row.axis + index.rank() - 1 : row.axis));
  auto last = getConstantInts(indices);
  if (!row.isJoined && last && llvm::all_of(*last, [](int64_t i) { return i == -1; }))
    return give({TokenRow::Last});
  return fail("it chooses among the tokens");
}

RowOutcome RowRule::applyExpand() {
  TensorInfo from = getTensorInfo(op->getOperand(0)), to = getTensorInfo(op->getResult(0));
  TokenRow row = get(op->getOperand(0));
  if (row.kind != TokenRow::Rows || !from.hasRank() || !to.hasRank())
    return fail("its sizes are not known");
  unsigned axis = to.rank() - from.rank() + row.axis;
  if (!to[axis].provablyEquals(from[row.axis]))
    return fail("it may repeat the tokens");
  return give(row.along(axis));
}

/// QuantizeLinear and DequantizeLinear with a scale for the tensor or along another axis, or with
/// scales of blocks along another axis, which each token has of its own.
RowOutcome RowRule::applyQuantize() {
  TokenRow row = get(op->getOperand(0)), scales = get(op->getOperand(1));
  TensorInfo scale = getTensorInfo(op->getOperand(1));
  std::optional<int64_t> axis = getAxis(op->getOperand(0), 1);
  auto block = op->getAttrOfType<IntegerAttr>("block_size");
  bool isBlocked = block && block.getValue().isStrictlyPositive();
  if (isBlocked && scales.kind == TokenRow::Rows && axis && *axis != row.axis &&
      scales.axis == row.axis && scales.isJoinedLike(row) && !findChangedOperand(2))
    return give(row);
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  bool isOne = scale.hasRank() && llvm::all_of(*scale.dims, [](Dim dim) { return dim.is(1); });
  if (!isOne && (!scale.hasRank() || scale.rank() != 1 || !axis || *axis == row.axis))
    return fail("its scales are not proven to be those of any token");
  return give(row);
}
