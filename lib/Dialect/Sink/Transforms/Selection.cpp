//===- Selection.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Selection.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::sink;

static std::optional<Selection> getSplit(SplitOp op, Value result, const TensorInfo &from) {
  int64_t axis = op.getAxis().value_or(0);
  axis += axis < 0 ? from.rank() : 0;
  int64_t begin = 0;
  for (Value each : op->getResults()) {
    TensorInfo part = getTensorInfo(each);
    if (axis < 0 || axis >= from.rank() || !part.hasRank() || part.rank() != from.rank() ||
        !part[axis].isStatic())
      return std::nullopt;
    if (each == result)
      return Selection{axis, begin, part[axis].size};
    begin += part[axis].size;
  }
  return std::nullopt;
}

/// Returns the numbers of an attribute, or else of an operand.
static std::optional<SmallVector<int64_t>> getBounds(Operation *op, StringRef name,
                                                     unsigned index) {
  if (auto list = op->getAttrOfType<DenseI64ArrayAttr>(name))
    return SmallVector<int64_t>(list.asArrayRef());
  Value operand = getInputOrNull(op, index);
  return operand ? getConstantInts(operand) : std::nullopt;
}

static std::optional<Selection> getSlice(SliceOp op, const TensorInfo &from) {
  auto begins = getBounds(op, "starts", 1), ends = getBounds(op, "ends", 2);
  std::optional<SmallVector<int64_t>> axes = getAxes(op, from.rank());
  Value steps = getInputOrNull(op, 4);
  std::optional<SmallVector<int64_t>> step;
  if (steps)
    step = getConstantInts(steps);
  if (!begins || !ends || begins->size() != 1 || ends->size() != 1 || !axes || axes->size() != 1 ||
      (steps && (!step || step->size() != 1 || step->front() != 1)))
    return std::nullopt;
  int64_t axis = axes->front();
  if (!from[axis].isStatic())
    return std::nullopt;
  int64_t size = from[axis].size;
  auto clamp = [&](int64_t bound) {
    return std::clamp<int64_t>(bound < 0 ? bound + size : bound, 0, size);
  };
  int64_t begin = clamp(begins->front()), end = clamp(ends->front());
  return begin < end ? std::optional(Selection{axis, begin, end - begin}) : std::nullopt;
}

static std::optional<Selection> getPoint(GatherOp op, const TensorInfo &from) {
  TensorInfo indices = getTensorInfo(op->getOperand(1));
  std::optional<SmallVector<int64_t>> index = getConstantInts(op->getOperand(1));
  int64_t axis = op.getAxis().value_or(0);
  axis += axis < 0 ? from.rank() : 0;
  if (!indices.hasRank() || indices.rank() != 0 || !index || index->size() != 1 || axis < 0 ||
      axis >= from.rank() || !from[axis].isStatic())
    return std::nullopt;
  int64_t at = index->front() < 0 ? index->front() + from[axis].size : index->front();
  if (at < 0 || at >= from[axis].size)
    return std::nullopt;
  return Selection{axis, at, 1, /*isPoint=*/true};
}

std::optional<Selection> basin::sink::getSelection(Operation *op, Value result) {
  if (op->getNumOperands() == 0)
    return std::nullopt;
  TensorInfo from = getTensorInfo(op->getOperand(0));
  if (!from.hasRank())
    return std::nullopt;
  if (auto split = dyn_cast<SplitOp>(op))
    return getSplit(split, result, from);
  if (auto slice = dyn_cast<SliceOp>(op))
    return getSlice(slice, from);
  if (auto gather = dyn_cast<GatherOp>(op))
    return getPoint(gather, from);
  return std::nullopt;
}
