//===- ShapeRulesGather.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rules of ops that look elements up by index.
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

LogicalResult infer::gather(Operation *op, Types &types) {
  TensorInfo data = getInput(op, 0), indices = getInput(op, 1);
  TensorInfo output{data.element, std::nullopt};
  if (data.hasRank()) {
    FailureOr<int64_t> axis = normalizeAxis(op, getIntAttr(op, "axis", 0), data.rank());
    if (failed(axis))
      return failure();
    if (indices.hasRank()) {
      ArrayRef<Dim> dims = *data.dims;
      output.dims = Dims(dims.take_front(*axis));
      output.dims->append(*indices.dims);
      output.dims->append(dims.drop_front(*axis + 1).begin(), dims.end());
    }
  }
  setResult(op, types, 0, output);
  return success();
}

LogicalResult infer::gatherElements(Operation *op, Types &types) {
  TensorInfo data = getInput(op, 0), indices = getInput(op, 1);
  if (data.hasRank() && (failed(normalizeAxis(op, getIntAttr(op, "axis", 0), data.rank())) ||
                         failed(requireRank(op, indices, data.rank(), "indices"))))
    return failure();
  setResult(op, types, 0, {data.element, indices.dims});
  return success();
}

LogicalResult infer::gatherND(Operation *op, Types &types) {
  TensorInfo data = getInput(op, 0), indices = getInput(op, 1);
  TensorInfo output{data.element, std::nullopt};
  int64_t batch = getIntAttr(op, "batch_dims", 0);
  if (data.hasRank() && indices.hasRank() && indices.rank() > 0 &&
      indices.dims->back().isStatic()) {
    int64_t depth = indices.dims->back().size;
    if (batch < 0 || batch >= indices.rank() || depth > data.rank() - batch)
      return op->emitOpError("expected index tuples of at most ")
             << data.rank() - batch << " entries, but got " << depth;
    output.dims = Dims(ArrayRef(*indices.dims).drop_back());
    output.dims->append(data.dims->begin() + batch + depth, data.dims->end());
  }
  setResult(op, types, 0, output);
  return success();
}

LogicalResult infer::oneHot(Operation *op, Types &types) {
  TensorInfo indices = getInput(op, 0);
  TensorInfo output{getInput(op, 2).element, std::nullopt};
  if (indices.hasRank()) {
    FailureOr<int64_t> axis = normalizeAxis(op, getIntAttr(op, "axis", -1), indices.rank() + 1);
    if (failed(axis))
      return failure();
    Dim depth;
    if (auto value = evaluateShapeValue(getInputOrNull(op, 1)); value && value->size() == 1)
      depth = value->front().toDim();
    output.dims = indices.dims;
    output.dims->insert(output.dims->begin() + *axis, depth);
  }
  setResult(op, types, 0, output);
  return success();
}

LogicalResult infer::nonZero(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  Dim rank;
  if (input.hasRank())
    rank = input.rank();
  setResult(op, types, 0, {Builder(op->getContext()).getI64Type(), Dims{rank, Dim()}});
  return success();
}
