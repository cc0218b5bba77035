//===- ShapeRulesNormalization.cpp ------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

LogicalResult infer::softmax(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  setResult(op, types, 0, input);
  if (!input.hasRank())
    return success();
  // Before opset 13 Softmax flattens its input into two dims at the axis. So the default is 1, and
  // an axis equal to the rank is allowed.
  bool flattens = getOpsetVersion(op) < 13;
  int64_t axis = getIntAttr(op, "axis", flattens ? 1 : -1);
  if ((flattens && axis == input.rank()) || (input.rank() == 0 && !op->hasAttr("axis")))
    return success();
  return normalizeAxis(op, axis, input.rank());
}

LogicalResult infer::layerNorm(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  TensorInfo output = input;
  if (!isa<LayerNormalizationOp>(op)) {
    Type scale = getInput(op, 1).element;
    // It depends on the runtime whether the data or the scale gives the type.
    if (scale && scale != input.element)
      output.element = {};
  }
  setResult(op, types, 0, output);
  int64_t stash = getIntAttr(op, "stash_type", 1);
  TensorInfo statistics{getElementType(op->getContext(), stash), input.dims};
  if (input.hasRank()) {
    FailureOr<int64_t> axis = normalizeAxis(op, getIntAttr(op, "axis", -1), input.rank());
    if (failed(axis))
      return failure();
    for (int64_t i = *axis; i < input.rank(); ++i)
      (*statistics.dims)[i] = 1;
  }
  for (unsigned i = 1; i < op->getNumResults(); ++i)
    setResult(op, types, i, statistics);
  return success();
}

LogicalResult infer::skipLayerNorm(Operation *op, Types &types) {
  // The skip may be broadcast to the input, but never the reverse.
  setResult(op, types, 0, getInput(op, 0));
  setResult(op, types, 3, getInput(op, 0));
  return success();
}

LogicalResult infer::batchNorm(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  setResult(op, types, 0, input);
  // All other results are statistics for each channel, like the operands `mean` and `var`.
  Type element = getInput(op, 3).element;
  Dim channels;
  if (input.hasRank() && input.rank() > 1)
    channels = input[1];
  for (unsigned i = 1; i <= 4; ++i) {
    TensorInfo vector = getInput(op, i);
    if (failed(requireRank(op, vector, 1, "statistics and coefficients")))
      return failure();
    if (!vector.hasRank() || !input.hasRank() || input.rank() < 2)
      continue;
    FailureOr<Dim> merged = requireEqual(op, channels, vector[0], "channel counts");
    if (failed(merged))
      return failure();
    channels = *merged;
  }
  for (unsigned i = 1; i < op->getNumResults(); ++i)
    setResult(op, types, i, {element, Dims{channels}});
  return success();
}

LogicalResult infer::dropout(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  setResult(op, types, 0, input);
  // Before opset 10 the mask has the data's type.
  Type mask = getOpsetVersion(op) < 10 ? input.element : Builder(op->getContext()).getI1Type();
  setResult(op, types, 1, {mask, input.dims});
  return success();
}
