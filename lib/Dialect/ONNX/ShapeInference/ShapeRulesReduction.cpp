//===- ShapeRulesReduction.cpp ----------------------------------*- C++ -*-===//
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

static Dims reduceDims(ArrayRef<Dim> dims, ArrayRef<int64_t> axes, bool keepDims) {
  Dims result;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    if (!llvm::is_contained(axes, int64_t(i)))
      result.push_back(dim);
    else if (keepDims)
      result.push_back(1);
  }
  return result;
}

LogicalResult infer::reduce(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0), output{input.element, std::nullopt};
  bool keepDims = getIntAttr(op, "keepdims", 1) != 0;
  bool noop = getIntAttr(op, "noop_with_empty_axes", 0) != 0;
  IntList axes = getIntList(op, "axes", 1);
  bool empty = !axes.present || axes.size == 0;
  if (empty && noop) {
    output.dims = input.dims;
  } else if (empty) {
    if (input.hasRank())
      output.dims = Dims(keepDims ? input.rank() : 0, Dim(1));
    else if (!keepDims)
      output.dims = Dims();
  } else if (input.hasRank() && axes.values) {
    FailureOr<Ints> normal = normalizeAxes(op, *axes.values, input.rank());
    if (failed(normal))
      return failure();
    output.dims = reduceDims(*input.dims, *normal, keepDims);
  } else if (input.hasRank() && keepDims) {
    output.dims = Dims(input.rank(), Dim());
  } else if (input.hasRank() && axes.size && *axes.size <= input.rank()) {
    output.dims = Dims(input.rank() - *axes.size, Dim());
  }
  setResult(op, types, 0, output);
  return success();
}

LogicalResult infer::argReduce(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  TensorInfo output{Builder(op->getContext()).getI64Type(), std::nullopt};
  if (input.hasRank()) {
    FailureOr<int64_t> axis = normalizeAxis(op, getIntAttr(op, "axis", 0), input.rank());
    if (failed(axis))
      return failure();
    output.dims = reduceDims(*input.dims, *axis, getIntAttr(op, "keepdims", 1) != 0);
  }
  setResult(op, types, 0, output);
  return success();
}

LogicalResult infer::topK(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  if (input.hasRank()) {
    FailureOr<int64_t> axis = normalizeAxis(op, getIntAttr(op, "axis", -1), input.rank());
    if (failed(axis))
      return failure();
    Dim count;
    if (auto attr = op->getAttrOfType<IntegerAttr>("k"))
      count = ShapeEntry(attr.getInt()).toDim();
    else if (auto k = evaluateShapeValue(getInputOrNull(op, 1)); k && k->size() == 1)
      count = k->front().toDim();
    Dim &dim = (*input.dims)[*axis];
    if (count.isStatic() && dim.isStatic() && count.size > dim.size)
      return op->emitOpError("expected k of at most ") << dim.size << ", but got " << count.size;
    dim = count;
  }
  setResult(op, types, 0, input);
  setResult(op, types, 1, {Builder(op->getContext()).getI64Type(), input.dims});
  return success();
}
