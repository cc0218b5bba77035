//===- ShapeRulesElementwise.cpp --------------------------------*- C++ -*-===//
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

/// The result has the operand's type, which need not be a tensor: Identity takes sequences as well.
LogicalResult infer::same(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  Value input = getInputOrNull(op, 0);
  if (input && !isa<UnknownType>(input.getType()))
    types[0] = input.getType();
  return success();
}

LogicalResult infer::sameAsFirst(Operation *op, Types &types) {
  TensorInfo info = getInput(op, 0);
  if (isa<RMSNormalizationOp>(op)) {
    // By the schema the result has the scale's type, but `onnx` gives it the data's.
    Type scale = getInput(op, 1).element;
    if (scale && scale != info.element)
      info.element = {};
  }
  setResult(op, types, 0, info);
  return success();
}

LogicalResult infer::boolean(Operation *op, Types &types) {
  setResult(op, types, 0, {Builder(op->getContext()).getI1Type(), getInput(op, 0).dims});
  return success();
}

static FailureOr<std::optional<Dims>> broadcastOperands(Operation *op) {
  SmallVector<TensorInfo> operands;
  for (Value operand : op->getOperands())
    operands.push_back(getTensorInfo(operand));
  return broadcastAll(op, operands);
}

LogicalResult infer::broadcast(Operation *op, Types &types) {
  // The exponent of a Pow has a type of its own.
  bool isPow = isa<PowOp>(op);
  auto element = getCommonElement(op, 0, isPow ? 0 : op->getNumOperands());
  auto dims = broadcastOperands(op);
  if (failed(element) || failed(dims))
    return failure();
  setResult(op, types, 0, {*element, *dims});
  return success();
}

LogicalResult infer::compare(Operation *op, Types &types) {
  auto dims = broadcastOperands(op);
  if (failed(getCommonElement(op, 0, 1)) || failed(dims))
    return failure();
  setResult(op, types, 0, {Builder(op->getContext()).getI1Type(), *dims});
  return success();
}

LogicalResult infer::where(Operation *op, Types &types) {
  Type condition = getInput(op, 0).element;
  if (condition && !condition.isInteger(1))
    return op->emitOpError("expected a condition of element type i1, but got ") << condition;
  auto element = getCommonElement(op, 1, 2);
  auto dims = broadcastOperands(op);
  if (failed(element) || failed(dims))
    return failure();
  setResult(op, types, 0, {*element, *dims});
  return success();
}

LogicalResult infer::cast(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  auto to = op->getAttrOfType<IntegerAttr>("to");
  if (!to)
    return op->emitOpError("expected an attribute 'to', but got none");
  int64_t code = to.getInt();
  Type element = llvm::isInt<32>(code) ? getElementType(op->getContext(), int32_t(code)) : Type();
  if (!element)
    return op->emitOpError("expected 'to' to be an element type, but got ") << code;
  setResult(op, types, 0, {element, getInput(op, 0).dims});
  return success();
}

LogicalResult infer::castLike(Operation *op, Types &types) {
  setResult(op, types, 0, {getInput(op, 1).element, getInput(op, 0).dims});
  return success();
}
