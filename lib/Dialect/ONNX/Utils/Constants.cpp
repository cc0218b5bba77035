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

#include <algorithm>
#include <cmath>

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

/// Returns the QuantizeLinear or DequantizeLinear whose result `value` is, or null.
static Operation *getGridOp(Value value) {
  Operation *op = value ? value.getDefiningOp() : nullptr;
  return isa_and_nonnull<QuantizeLinearOp, DequantizeLinearOp>(op) ? op : nullptr;
}

bool basin::onnx::isConstant(Value value) {
  SmallVector<Type> casts;
  // A weight is quantized and dequantized, or dequantized alone, by a scale that is a constant
  // itself.
  for (unsigned i = 0; i < 2; ++i)
    if (Operation *op = getGridOp(value)) {
      for (Value operand : llvm::drop_begin(op->getOperands()))
        if (!isa<NoneType>(operand.getType()) && !findConstant(operand, casts))
          return false;
      value = op->getOperand(0);
    }
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

static std::optional<SmallVector<double>> getPlainFloats(Value value, size_t maxElements) {
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

namespace {
/// The one scale and zero point of a QuantizeLinear or DequantizeLinear, and the type of its
/// result.
struct Grid {
  float scale;
  double zeroPoint;
  Type element;
};
} // namespace

/// Returns the only number of a constant that stands behind no grid itself.
static std::optional<double> getPlainScalar(Value value) {
  auto numbers = getPlainFloats(value, 1);
  return numbers && numbers->size() == 1 ? std::optional(numbers->front()) : std::nullopt;
}

static std::optional<Grid> getGrid(Operation *op) {
  Value zero = getInputOrNull(op, 2);
  std::optional<double> scale = getPlainScalar(op->getOperand(1)),
                        zeroPoint = zero ? getPlainScalar(zero) : 0.0;
  auto type = dyn_cast<TensorType>(op->getResult(0).getType());
  if (!scale || !zeroPoint || !type || !(*scale > 0))
    return std::nullopt;
  return Grid{static_cast<float>(*scale), *zeroPoint, type.getElementType()};
}

/// Returns the number on the grid, in the range of its type. Numbers halfway go to an even one.
static std::optional<double> quantize(double number, const Grid &grid) {
  auto integer = dyn_cast<IntegerType>(grid.element);
  if (!integer || integer.getWidth() > 16)
    return std::nullopt;
  bool isUnsigned = integer.isUnsigned();
  auto limit = [&](const APInt &value) {
    return isUnsigned ? double(value.getZExtValue()) : double(value.getSExtValue());
  };
  unsigned width = integer.getWidth();
  double least = limit(isUnsigned ? APInt::getMinValue(width) : APInt::getSignedMinValue(width));
  double most = limit(isUnsigned ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width));
  double steps = std::nearbyint(static_cast<float>(number) / grid.scale);
  return std::isnan(steps) ? std::nullopt
                           : std::optional(std::clamp(steps + grid.zeroPoint, least, most));
}

/// Returns the number in the type of the values, by arithmetic in f32.
static std::optional<double> dequantize(double number, const Grid &grid) {
  float steps = static_cast<float>(number - grid.zeroPoint);
  return castNumber(steps * grid.scale, grid.element);
}

std::optional<SmallVector<double>> basin::onnx::getConstantFloats(Value value, size_t maxElements) {
  // A weight is quantized and dequantized, or dequantized alone.
  SmallVector<Operation *, 2> grids;
  while (Operation *op = grids.size() < 2 ? getGridOp(value) : nullptr) {
    grids.push_back(op);
    value = op->getOperand(0);
  }
  auto numbers = getPlainFloats(value, maxElements);
  for (Operation *op : llvm::reverse(grids)) {
    std::optional<Grid> grid = numbers ? getGrid(op) : std::nullopt;
    if (!grid)
      return std::nullopt;
    for (double &number : *numbers) {
      std::optional<double> result =
          isa<QuantizeLinearOp>(op) ? quantize(number, *grid) : dequantize(number, *grid);
      if (!result)
        return std::nullopt;
      number = *result;
    }
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
