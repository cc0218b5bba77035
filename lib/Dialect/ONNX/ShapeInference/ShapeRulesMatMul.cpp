//===- ShapeRulesMatMul.cpp -------------------------------------*- C++ -*-===//
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

/// Returns the shape of numpy.matmul. A 1-D operand gets a dim of 1 that the result drops again.
static FailureOr<std::optional<Dims>> multiplyShapes(Operation *op, TensorInfo a, TensorInfo b) {
  if ((a.hasRank() && a.rank() == 0) || (b.hasRank() && b.rank() == 0)) {
    op->emitOpError("expected operands of rank 1 or more, but got a scalar");
    return failure();
  }
  if (!a.hasRank() || !b.hasRank())
    return std::optional<Dims>();
  bool dropRows = a.rank() == 1, dropColumns = b.rank() == 1;
  if (dropRows)
    a.dims->insert(a.dims->begin(), Dim(1));
  if (dropColumns)
    b.dims->push_back(Dim(1));
  if (failed(requireEqual(op, a.dims->back(), b[b.rank() - 2], "contraction dims")))
    return failure();
  TensorInfo batches[] = {{Type(), Dims(ArrayRef(*a.dims).drop_back(2))},
                          {Type(), Dims(ArrayRef(*b.dims).drop_back(2))}};
  FailureOr<std::optional<Dims>> result = broadcastAll(op, batches);
  if (failed(result))
    return failure();
  if (!dropRows)
    (*result)->push_back(a[a.rank() - 2]);
  if (!dropColumns)
    (*result)->push_back(b.dims->back());
  return result;
}

LogicalResult infer::matMul(Operation *op, Types &types) {
  auto element = getCommonElement(op, 0, 1);
  auto dims = multiplyShapes(op, getInput(op, 0), getInput(op, 1));
  if (failed(element) || failed(dims))
    return failure();
  setResult(op, types, 0, {*element, *dims});
  return success();
}

LogicalResult infer::matMulInteger(Operation *op, Types &types) {
  auto dims = multiplyShapes(op, getInput(op, 0), getInput(op, 1));
  if (failed(dims))
    return failure();
  setResult(op, types, 0, {Builder(op->getContext()).getI32Type(), *dims});
  return success();
}

LogicalResult infer::gemm(Operation *op, Types &types) {
  auto element = getCommonElement(op, 0, 2);
  TensorInfo a = getInput(op, 0), b = getInput(op, 1), c = getInput(op, 2);
  if (failed(element) || failed(requireRank(op, a, 2, "a matrix A")) ||
      failed(requireRank(op, b, 2, "a matrix B")))
    return failure();
  bool transA = getIntAttr(op, "transA", 0) != 0, transB = getIntAttr(op, "transB", 0) != 0;
  Dims result(2, Dim());
  if (a.hasRank())
    result[0] = a[transA];
  if (b.hasRank())
    result[1] = b[!transB];
  if (a.hasRank() && b.hasRank() &&
      failed(requireEqual(op, a[!transA], b[transB], "contraction dims")))
    return failure();
  if (c.hasRank()) {
    std::optional<Dims> joint = broadcastDims(result, *c.dims);
    // C is broadcast to the product, but the product never to C.
    bool widens =
        joint && (joint->size() > 2 || llvm::any_of(llvm::zip(*joint, result), [](auto pair) {
                    return std::get<1>(pair).is(1) && std::get<0>(pair).isStatic() &&
                           !std::get<0>(pair).is(1);
                  }));
    if (!joint || widens)
      return op->emitOpError("expected C to broadcast to ")
             << toString(result) << ", but got " << toString(*c.dims);
  }
  setResult(op, types, 0, {*element, result});
  return success();
}

LogicalResult infer::matMulNBits(Operation *op, Types &types) {
  TensorInfo a = getInput(op, 0);
  auto columns = op->getAttrOfType<IntegerAttr>("N");
  if (a.hasRank() && a.rank() > 0) {
    if (auto rows = op->getAttrOfType<IntegerAttr>("K"); rows && rows.getInt() >= 0)
      if (failed(requireEqual(op, a.dims->back(), Dim(rows.getInt()), "contraction dims")))
        return failure();
    a.dims->back() = columns ? ShapeEntry(columns.getInt()).toDim() : Dim();
  } else {
    a.dims = std::nullopt;
  }
  setResult(op, types, 0, a);
  return success();
}
