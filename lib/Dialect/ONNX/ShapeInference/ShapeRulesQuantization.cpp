//===- ShapeRulesQuantization.cpp -------------------------------*- C++ -*-===//
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

/// Returns the type that `output_dtype` names, or null if it is absent or names no type.
static Type getOutputType(Operation *op) {
  int64_t code = getIntAttr(op, "output_dtype", 0);
  return llvm::isInt<32>(code) ? getElementType(op->getContext(), int32_t(code)) : Type();
}

LogicalResult infer::quantizeLinear(Operation *op, Types &types) {
  Type stated = getOutputType(op);
  Type element = stated;
  if (getInputOrNull(op, 2)) {
    Type zeroPoint = getInput(op, 2).element;
    if (stated && zeroPoint && stated != zeroPoint)
      return op->emitOpError("expected a zero point of element type ")
             << stated << ", but got " << zeroPoint;
    element = stated ? stated : zeroPoint;
  } else if (!element) {
    element = IntegerType::get(op->getContext(), 8, IntegerType::Unsigned);
  }
  setResult(op, types, 0, {element, getInput(op, 0).dims});
  return success();
}

LogicalResult infer::dequantizeLinear(Operation *op, Types &types) {
  Type element = getOutputType(op);
  if (!element)
    element = getInput(op, 1).element;
  // Before opset 19 the scale can only be f32.
  if (!element && getOpsetVersion(op) < 19 && getOpsetVersion(op) > 0)
    element = Builder(op->getContext()).getF32Type();
  Type data = getInput(op, 0).element, zeroPoint = getInput(op, 2).element;
  if (data && zeroPoint && data != zeroPoint)
    return op->emitOpError("expected a zero point of element type ")
           << data << ", but got " << zeroPoint;
  setResult(op, types, 0, {element, getInput(op, 0).dims});
  return success();
}

LogicalResult infer::dynamicQuantizeLinear(Operation *op, Types &types) {
  Type byte = IntegerType::get(op->getContext(), 8, IntegerType::Unsigned);
  setResult(op, types, 0, {byte, getInput(op, 0).dims});
  setResult(op, types, 1, {Builder(op->getContext()).getF32Type(), Dims()});
  setResult(op, types, 2, {byte, Dims()});
  return success();
}
