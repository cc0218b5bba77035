//===- Leaves.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Leaves.h"

#include "basin/Dialect/ONNX/IR/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;

bool basin::onnx::isFloatCast(Operation *op) {
  if (isa<IdentityOp>(op))
    return true;
  if (!isa<CastOp, CastLikeOp>(op))
    return false;
  // An unknown type is no integer's: nothing but floats gets to a Softmax.
  Type from = getElementTypeOf(op->getOperand(0)), to = getElementTypeOf(op->getResult(0));
  return (!from || isa<FloatType>(from)) && (!to || isa<FloatType>(to));
}

Value basin::onnx::skipCasts(Value value, Ops *ops) {
  while (Operation *op = value ? value.getDefiningOp() : nullptr) {
    if (!isFloatCast(op))
      break;
    if (ops)
      ops->insert(op);
    value = op->getOperand(0);
  }
  return value;
}

Type basin::onnx::getElementTypeOf(Value value) {
  auto type = value ? dyn_cast<TensorType>(value.getType()) : TensorType();
  return type ? type.getElementType() : Type();
}

std::optional<int64_t> basin::onnx::getRank(Value value) {
  auto type = value ? dyn_cast<RankedTensorType>(value.getType()) : RankedTensorType();
  return type ? std::optional<int64_t>(type.getRank()) : std::nullopt;
}

std::optional<int64_t> basin::onnx::getDim(Value value, int64_t axis) {
  auto type = value ? dyn_cast<RankedTensorType>(value.getType()) : RankedTensorType();
  if (!type)
    return std::nullopt;
  if (axis < 0)
    axis += type.getRank();
  if (axis < 0 || axis >= type.getRank() || type.isDynamicDim(axis))
    return std::nullopt;
  return type.getDimSize(axis);
}

bool basin::onnx::isLastAxis(Value value, int64_t axis) {
  if (axis == -1)
    return true;
  std::optional<int64_t> rank = getRank(value);
  return rank && axis == *rank - 1;
}

std::optional<double> basin::onnx::evaluateScalar(Value value, unsigned depth) {
  if (std::optional<double> constant = getConstantScalar(value))
    return constant;
  if (auto ints = evaluateInts(value); ints && ints->size() == 1)
    return static_cast<double>(ints->front());
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0 || op->getNumOperands() == 0)
    return std::nullopt;
  std::optional<double> a = evaluateScalar(op->getOperand(0), depth - 1);
  if (!a)
    return std::nullopt;
  if (isa<CastOp, CastLikeOp, IdentityOp, UnsqueezeOp, SqueezeOp, ReshapeOp>(op))
    return a;
  if (isa<SqrtOp>(op))
    return std::sqrt(*a);
  if (isa<ReciprocalOp>(op))
    return 1 / *a;
  if (op->getNumOperands() != 2)
    return std::nullopt;
  std::optional<double> b = evaluateScalar(op->getOperand(1), depth - 1);
  if (!b)
    return std::nullopt;
  if (isa<MulOp>(op))
    return *a * *b;
  if (isa<DivOp>(op))
    return *a / *b;
  if (isa<PowOp>(op))
    return std::pow(*a, *b);
  return std::nullopt;
}

Value basin::onnx::otherOperand(Operation *op, Value value) {
  if (op->getNumOperands() != 2)
    return {};
  if (op->getOperand(0) == value)
    return op->getOperand(1);
  return op->getOperand(1) == value ? op->getOperand(0) : Value();
}

Operation *basin::onnx::getOnlyUser(Value value) {
  return value.hasOneUse() ? *value.getUsers().begin() : nullptr;
}

bool basin::onnx::isInferenceDropout(Operation *op) {
  if (!isa<DropoutOp>(op))
    return false;
  Value training = getInputOrNull(op, 2);
  return !training || getConstantInts(training) == SmallVector<int64_t>{0};
}

Value basin::onnx::matchSquare(Value value, Ops &ops) {
  Operation *op = skipCasts(value, &ops).getDefiningOp();
  if (auto mul = dyn_cast_or_null<MulOp>(op); mul && mul.getA() == mul.getB()) {
    ops.insert(mul);
    return mul.getA();
  }
  if (auto pow = dyn_cast_or_null<PowOp>(op))
    if (getConstantScalar(pow.getY()) == 2.0) {
      ops.insert(pow);
      return pow.getX();
    }
  return {};
}

bool basin::onnx::isVector(Value value, std::optional<int64_t> d) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() == 0)
    return false;
  for (int64_t size : type.getShape().drop_back())
    if (size != 1)
      return false;
  int64_t last = type.getShape().back();
  if (ShapedType::isDynamic(last) || last == 1)
    return d == 1 && last == 1;
  return !d || *d == last;
}

std::optional<Scaled> basin::onnx::matchScaled(Value value, Ops &ops) {
  Operation *op = value.getDefiningOp();
  if (auto mul = dyn_cast_or_null<MulOp>(op)) {
    for (unsigned i : {1u, 0u})
      if (std::optional<double> factor = evaluateScalar(mul->getOperand(i))) {
        ops.insert(op);
        return Scaled{mul->getOperand(1 - i), *factor};
      }
  } else if (auto div = dyn_cast_or_null<DivOp>(op)) {
    if (std::optional<double> divisor = evaluateScalar(div.getB()); divisor && *divisor != 0) {
      ops.insert(op);
      return Scaled{div.getA(), 1 / *divisor};
    }
  }
  return std::nullopt;
}
