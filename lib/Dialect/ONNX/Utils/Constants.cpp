//===- Constants.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/APSInt.h"

using namespace mlir;
using namespace basin::onnx;

static constexpr size_t kMaxInts = 4096;
static constexpr unsigned kMaxChain = 64;

/// Returns the Constant or initializer behind `value`, or null if there is none. `casts` becomes
/// the element types of the Casts in between, in order from the constant on.
static Value findConstant(Value value, SmallVectorImpl<Type> &casts) {
  for (unsigned i = 0; value && i < kMaxChain; ++i) {
    Operation *op = value.getDefiningOp();
    if (isa_and_nonnull<ConstantOp, InitializerOp>(op)) {
      std::reverse(casts.begin(), casts.end());
      return value;
    }
    if (auto cast = dyn_cast_or_null<CastOp>(op)) {
      Type type = cast.getTo() ? getElementType(op->getContext(), int32_t(*cast.getTo())) : Type();
      if (!type)
        return {};
      casts.push_back(type);
    } else if (!isa_and_nonnull<IdentityOp, UnsqueezeOp, SqueezeOp, ReshapeOp>(op)) {
      return {};
    }
    value = getInputOrNull(op, 0);
  }
  return {};
}

bool basin::onnx::isConstant(Value value) {
  SmallVector<Type> casts;
  return bool(findConstant(value, casts));
}

std::optional<double> basin::onnx::castNumber(double number, Type type) {
  if (auto real = dyn_cast<FloatType>(type)) {
    APFloat converted(number);
    bool losesInfo;
    APFloat::opStatus status =
        converted.convert(real.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
    // For narrow types the attribute `saturate` decides whether an overflow saturates.
    if ((status & (APFloat::opOverflow | APFloat::opInvalidOp)) && real.getWidth() < 16)
      return std::nullopt;
    converted.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    return converted.convertToDouble();
  }
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return std::nullopt;
  if (integer.getWidth() == 1)
    return number != 0 ? 1.0 : 0.0;
  APFloat source(number);
  llvm::APSInt target(integer.getWidth(), integer.isUnsigned());
  bool exact;
  if (source.convertToInteger(target, APFloat::rmTowardZero, &exact) & APFloat::opInvalidOp)
    return std::nullopt;
  APFloat result(0.0);
  result.convertFromAPInt(target, target.isSigned(), APFloat::rmNearestTiesToEven);
  return result.convertToDouble();
}

/// Returns `number` as an integer of `type`, or nothing if it does not fit.
static std::optional<int64_t> castInteger(int64_t number, IntegerType type) {
  if (type.getWidth() == 1)
    return number != 0;
  bool fits = type.isUnsigned() ? number >= 0 && llvm::isUIntN(type.getWidth(), uint64_t(number))
                                : llvm::isIntN(type.getWidth(), number);
  return fits ? std::optional(number) : std::nullopt;
}

std::optional<SmallVector<int64_t>> basin::onnx::getConstantInts(Value value) {
  SmallVector<Type> casts;
  Value constant = findConstant(value, casts);
  if (!constant)
    return std::nullopt;
  auto ints = readIntElements(getConstantAttr(constant), constant.getDefiningOp(), kMaxInts);
  if (!ints)
    return std::nullopt;
  for (Type cast : casts) {
    auto integer = dyn_cast<IntegerType>(cast);
    if (!integer)
      return std::nullopt;
    for (int64_t &number : *ints) {
      std::optional<int64_t> converted = castInteger(number, integer);
      if (!converted)
        return std::nullopt;
      number = *converted;
    }
  }
  return ints;
}

std::optional<SmallVector<double>> basin::onnx::getConstantFloats(Value value, size_t maxElements) {
  SmallVector<Type> casts;
  Value constant = findConstant(value, casts);
  if (!constant)
    return std::nullopt;
  auto numbers =
      readFloatElements(getConstantAttr(constant), constant.getDefiningOp(), maxElements);
  if (!numbers)
    return std::nullopt;
  for (Type cast : casts)
    for (double &number : *numbers) {
      std::optional<double> converted = castNumber(number, cast);
      if (!converted)
        return std::nullopt;
      number = *converted;
    }
  return numbers;
}

std::optional<double> basin::onnx::getConstantScalar(Value value) {
  auto numbers = getConstantFloats(value, 1);
  return numbers && numbers->size() == 1 ? std::optional(numbers->front()) : std::nullopt;
}

/// Returns the operand that the schema of the node calls `axes` or `axis`.
static Value findAxesOperand(Operation *op) {
  auto node = dyn_cast<NodeInterface>(op);
  const NodeSchema *schema = nullptr;
  if (!node || !lookupTypedOp(op->getContext(), node.getOpDomain(), node.getOpType(), schema))
    return {};
  for (auto [i, name] : llvm::enumerate(schema->inputs)) {
    StringRef bare = name.rtrim("?");
    if (bare == "axesInput" || bare == "axes" || bare == "axis")
      return getInputOrNull(op, i);
  }
  return {};
}

std::optional<SmallVector<int64_t>> basin::onnx::getAxes(Operation *op, int64_t rank) {
  std::optional<SmallVector<int64_t>> axes;
  if (auto list = op->getAttrOfType<DenseI64ArrayAttr>("axes"))
    axes = llvm::to_vector(list.asArrayRef());
  else if (auto axis = op->getAttrOfType<IntegerAttr>("axis"))
    axes = SmallVector<int64_t>{axis.getInt()};
  else if (Value operand = findAxesOperand(op))
    axes = getConstantInts(operand);
  if (!axes)
    return std::nullopt;
  for (int64_t &axis : *axes) {
    if (axis < -rank || axis >= rank)
      return std::nullopt;
    axis = axis < 0 ? axis + rank : axis;
  }
  return axes;
}
