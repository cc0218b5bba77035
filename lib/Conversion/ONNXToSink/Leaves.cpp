//===- Leaves.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Leaves.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;

bool basin::onnx::isRealType(Type type) {
  return type && (type.isF16() || type.isBF16() || type.isF32() || type.isF64());
}

/// Returns the element types on both sides of a Cast. They are null if unknown, or if `op` is not
/// a Cast.
static std::pair<Type, Type> getCastTypes(Operation *op) {
  if (!isa<CastOp, CastLikeOp>(op))
    return {};
  return {getElementTypeOf(op->getOperand(0)), getElementTypeOf(op->getResult(0))};
}

bool basin::onnx::isFloatCast(Operation *op) {
  auto [from, to] = getCastTypes(op);
  return isa<IdentityOp>(op) || (isRealType(from) && isRealType(to));
}

bool basin::onnx::isIndexCast(Operation *op) {
  auto [from, to] = getCastTypes(op);
  auto holdsIndices = [](Type type) {
    return type && (type.isInteger(32) || type.isInteger(64) || type.isF32() || type.isF64());
  };
  return isa<IdentityOp>(op) || (holdsIndices(from) && holdsIndices(to));
}

bool basin::onnx::isFlagCast(Operation *op) {
  auto [from, to] = getCastTypes(op);
  if (isa<IdentityOp>(op) || !from || !to)
    return isa<IdentityOp>(op);
  bool isWide = isRealType(to) || to.isInteger(1) || to.isInteger(32) || to.isInteger(64);
  if (from.isInteger(1))
    return isWide || isa<IntegerType>(to);
  // As an integer, a fraction becomes 0, and a large number may become anything.
  if (isRealType(from))
    return isRealType(to) || to.isInteger(1);
  return (from.isInteger(32) || from.isInteger(64)) && isWide;
}

bool basin::onnx::isNarrower(Type type, Type than) {
  if (!isRealType(type) || !isRealType(than))
    return false;
  const llvm::fltSemantics &a = cast<FloatType>(type).getFloatSemantics(),
                           &b = cast<FloatType>(than).getFloatSemantics();
  return APFloat::semanticsPrecision(a) < APFloat::semanticsPrecision(b) ||
         APFloat::semanticsMaxExponent(a) < APFloat::semanticsMaxExponent(b);
}

bool basin::onnx::hasNarrowerCast(const Ops &ops, Value x) {
  Type type = getElementTypeOf(x);
  return llvm::any_of(ops, [&](Operation *op) {
    return isa<CastOp, CastLikeOp>(op) && isNarrower(getElementTypeOf(op->getResult(0)), type);
  });
}

/// Goes up over Casts between reals and over Identities. With `wide`, it stops at a Cast to a
/// narrower type.
static Value skipCastsOf(Value value, Ops *ops, bool wide) {
  while (Operation *op = value ? value.getDefiningOp() : nullptr) {
    bool narrows = isa<CastOp, CastLikeOp>(op) && isNarrower(getElementTypeOf(op->getResult(0)),
                                                             getElementTypeOf(op->getOperand(0)));
    if (!isFloatCast(op) || (wide && narrows))
      break;
    if (ops)
      ops->insert(op);
    value = op->getOperand(0);
  }
  return value;
}

Value basin::onnx::skipCasts(Value value, Ops *ops) { return skipCastsOf(value, ops, false); }

Value basin::onnx::skipWidenings(Value value, Ops *ops) { return skipCastsOf(value, ops, true); }

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

/// Divides elements of `type`. Integers are divided toward zero.
static std::optional<double> divide(double a, double b, Type type) {
  if (isRealType(type))
    return a / b;
  if (!isa_and_nonnull<IntegerType>(type) || b == 0)
    return std::nullopt;
  return std::trunc(a / b);
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
  Type type = op->getNumResults() > 0 ? getElementTypeOf(op->getResult(0)) : Type();
  if (isa<CastOp, CastLikeOp>(op))
    return type ? castNumber(*a, type) : std::nullopt;
  if (isa<IdentityOp, UnsqueezeOp, SqueezeOp, ReshapeOp>(op))
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
    return divide(*a, *b, type);
  if (isa<PowOp>(op) && isRealType(type))
    return std::pow(*a, *b);
  return std::nullopt;
}

std::optional<double> basin::onnx::evaluateFactor(Value value, Value other) {
  return keepsRank(value, other) ? evaluateScalar(value) : std::nullopt;
}

bool basin::onnx::keepsRank(Value value, Value other) {
  std::optional<int64_t> rank = getRank(value), full = getRank(other);
  return rank && *rank <= full.value_or(1);
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
  Operation *op = skipWidenings(value, &ops).getDefiningOp();
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
      if (std::optional<double> factor =
              evaluateFactor(mul->getOperand(i), mul->getOperand(1 - i))) {
        ops.insert(op);
        return Scaled{mul->getOperand(1 - i), *factor};
      }
  } else if (auto div = dyn_cast_or_null<DivOp>(op)) {
    std::optional<double> divisor = evaluateFactor(div.getB(), div.getA());
    if (divisor && *divisor != 0 && isRealType(getElementTypeOf(div.getB()))) {
      ops.insert(op);
      return Scaled{div.getA(), 1 / *divisor};
    }
  }
  return std::nullopt;
}
