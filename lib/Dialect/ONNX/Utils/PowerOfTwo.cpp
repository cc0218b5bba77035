//===- PowerOfTwo.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "llvm/ADT/APFloat.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace basin::onnx;

bool basin::onnx::isScalable(Type type) {
  return type.isF16() || type.isBF16() || type.isF32() || type.isF64();
}

/// Multiplies `bits` by 2^k by adding to the exponent field. Returns false if that is not exact.
template <typename Bits, unsigned kMantissa, unsigned kExponent>
static bool scaleOne(Bits &bits, int k, bool &overflows) {
  constexpr Bits kMantissaMask = (Bits(1) << kMantissa) - 1;
  constexpr int kMax = (1 << kExponent) - 1;
  int exponent = static_cast<int>((bits >> kMantissa) & Bits(kMax));
  Bits mantissa = bits & kMantissaMask;
  Bits sign = bits & static_cast<Bits>(Bits(1) << (kMantissa + kExponent));
  if (exponent == kMax || (exponent == 0 && mantissa == 0) || k == 0)
    return true;
  if (exponent == 0) {
    // A subnormal number has no implicit leading one, so its first one is shifted there.
    overflows = false;
    if (k < 0)
      return false;
    exponent = 1;
    while (!(mantissa >> kMantissa)) {
      mantissa = static_cast<Bits>(mantissa << 1);
      --exponent;
    }
    mantissa &= kMantissaMask;
  }
  exponent += k;
  if (exponent >= kMax || exponent <= 0) {
    overflows = exponent >= kMax;
    return false;
  }
  bits = static_cast<Bits>(sign | (static_cast<Bits>(exponent) << kMantissa) | mantissa);
  return true;
}

namespace {

/// How the elements of a tensor lie along one of its axes.
struct AxisLayout {
  AxisLayout(ArrayRef<int64_t> shape, int64_t axis) {
    if (shape.empty())
      return;
    axis = axis < 0 ? axis + static_cast<int64_t>(shape.size()) : axis;
    size = shape[axis];
    for (int64_t dim : shape.drop_front(axis + 1))
      inner *= dim;
  }
  int64_t positionOf(int64_t element) const { return (element / inner) % size; }

  int64_t inner = 1, size = 1;
};

/// Gives the exponent of each element in order, without a division for each one.
class ExponentWalk {
public:
  ExponentWalk(AxisLayout layout, ArrayRef<int> exponents) : layout(layout), exponents(exponents) {}
  int next() {
    if (exponents.size() == 1)
      return exponents.front();
    int k = exponents[position];
    if (++step == layout.inner) {
      step = 0;
      position = position + 1 == layout.size ? 0 : position + 1;
    }
    return k;
  }

private:
  AxisLayout layout;
  ArrayRef<int> exponents;
  int64_t step = 0, position = 0;
};

} // namespace

/// Scales each element and writes it to `out` unless that is null.
template <typename Bits, unsigned kMantissa, unsigned kExponent>
static std::optional<RangeLoss> scaleAll(ArrayRef<char> bytes, char *out, AxisLayout layout,
                                         ArrayRef<int> exponents) {
  int64_t count = bytes.size() / sizeof(Bits);
  ExponentWalk walk(layout, exponents);
  for (int64_t i = 0; i < count; ++i) {
    int k = walk.next();
    if (k == 0)
      continue;
    Bits bits;
    std::memcpy(&bits, bytes.data() + i * sizeof(Bits), sizeof(Bits));
    bool overflows = false;
    if (!scaleOne<Bits, kMantissa, kExponent>(bits, k, overflows))
      return RangeLoss{i, overflows};
    if (out)
      std::memcpy(out + i * sizeof(Bits), &bits, sizeof(Bits));
  }
  return std::nullopt;
}

static std::optional<RangeLoss> scale(ArrayRef<char> bytes, char *out, Type type,
                                      ArrayRef<int64_t> shape, int64_t axis,
                                      ArrayRef<int> exponents) {
  AxisLayout layout(shape, axis);
  if (type.isF16())
    return scaleAll<uint16_t, 10, 5>(bytes, out, layout, exponents);
  if (type.isBF16())
    return scaleAll<uint16_t, 7, 8>(bytes, out, layout, exponents);
  if (type.isF32())
    return scaleAll<uint32_t, 23, 8>(bytes, out, layout, exponents);
  assert(type.isF64() && "checked by isScalable");
  return scaleAll<uint64_t, 52, 11>(bytes, out, layout, exponents);
}

std::optional<RangeLoss> basin::onnx::scaleByPowersOfTwo(MutableArrayRef<char> bytes, Type type,
                                                         ArrayRef<int64_t> shape, int64_t axis,
                                                         ArrayRef<int> exponents) {
  return scale(bytes, bytes.data(), type, shape, axis, exponents);
}

std::optional<RangeLoss> basin::onnx::findRangeLoss(ArrayRef<char> bytes, Type type,
                                                    ArrayRef<int64_t> shape, int64_t axis,
                                                    ArrayRef<int> exponents) {
  return scale(bytes, nullptr, type, shape, axis, exponents);
}

//===----------------------------------------------------------------------===//
// Elements as numbers
//===----------------------------------------------------------------------===//

static APFloat readElement(const char *at, FloatType type) {
  uint64_t bits = 0;
  std::memcpy(&bits, at, type.getWidth() / 8);
  return APFloat(type.getFloatSemantics(), APInt(type.getWidth(), bits));
}

static double toDouble(APFloat value) {
  bool lossy;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
  return value.convertToDouble();
}

double basin::onnx::roundByPowersOfTwo(MutableArrayRef<char> bytes, Type type,
                                       ArrayRef<int64_t> shape, int64_t axis,
                                       ArrayRef<int> exponents) {
  auto element = cast<FloatType>(type);
  unsigned width = element.getWidth() / 8;
  AxisLayout layout(shape, axis);
  std::vector<double> errors(layout.size, 0), largest(layout.size, 0);
  for (int64_t i = 0, e = bytes.size() / width; i < e; ++i) {
    int64_t position = layout.positionOf(i);
    int k = exponents[exponents.size() == 1 ? 0 : position];
    APFloat value = readElement(bytes.data() + i * width, element);
    if (!value.isFiniteNonZero())
      continue;
    APFloat scaled = llvm::scalbn(value, k, APFloat::rmNearestTiesToEven);
    uint64_t bits = scaled.bitcastToAPInt().getZExtValue();
    std::memcpy(bytes.data() + i * width, &bits, width);
    double before = toDouble(value);
    // Both are elements of a type no wider than double, so the difference is exact.
    double error = std::abs(std::ldexp(toDouble(scaled), -k) - before);
    errors[position] = std::max(errors[position], error);
    largest[position] = std::max(largest[position], std::abs(before));
  }
  double worst = 0;
  for (auto [error, magnitude] : llvm::zip_equal(errors, largest))
    if (error > 0)
      worst = std::max(worst, error / magnitude);
  return worst;
}

void basin::onnx::visitElements(ArrayRef<char> bytes, Type type, ArrayRef<int64_t> shape,
                                int64_t axis, llvm::function_ref<void(double, int64_t)> visit) {
  auto element = cast<FloatType>(type);
  unsigned width = element.getWidth() / 8;
  AxisLayout layout(shape, axis);
  int64_t step = 0, position = 0;
  for (int64_t i = 0, e = bytes.size() / width; i < e; ++i) {
    const char *at = bytes.data() + i * width;
    if (type.isF32()) {
      float number;
      std::memcpy(&number, at, sizeof(number));
      visit(number, position);
    } else {
      visit(toDouble(readElement(at, element)), position);
    }
    if (++step == layout.inner) {
      step = 0;
      position = position + 1 == layout.size ? 0 : position + 1;
    }
  }
}

std::optional<std::vector<char>> basin::onnx::makePowersOfTwo(Type element,
                                                              ArrayRef<int> exponents) {
  APFloat one(cast<FloatType>(element).getFloatSemantics(), 1);
  uint64_t bits = one.bitcastToAPInt().getZExtValue();
  unsigned width = element.getIntOrFloatBitWidth() / 8;
  std::vector<char> bytes;
  for (size_t i = 0; i < exponents.size(); ++i)
    bytes.insert(bytes.end(), reinterpret_cast<char *>(&bits),
                 reinterpret_cast<char *>(&bits) + width);
  int64_t size = exponents.size();
  if (scaleByPowersOfTwo(bytes, element, {size}, -1, exponents))
    return std::nullopt;
  return bytes;
}

Value basin::onnx::makeScaledScalar(OpBuilder &b, Value constant, ArrayRef<int> exponents) {
  std::optional<double> number = getConstantScalar(constant);
  auto type = dyn_cast<RankedTensorType>(constant.getType());
  if (!number || !type || !type.hasStaticShape() || !isScalable(type.getElementType()))
    return {};
  auto element = cast<FloatType>(type.getElementType());
  APFloat value(*number);
  bool lossy;
  value.convert(element.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
  uint64_t bits = value.bitcastToAPInt().getZExtValue();
  auto bytes = std::make_shared<std::vector<char>>();
  for (size_t i = 0; i < exponents.size(); ++i)
    bytes->insert(bytes->end(), reinterpret_cast<char *>(&bits),
                  reinterpret_cast<char *>(&bits) + element.getWidth() / 8);
  int64_t size = exponents.size();
  if (scaleByPowersOfTwo(*bytes, element, {size}, -1, exponents))
    return {};
  SmallVector<int64_t> shape(type.getShape());
  if (exponents.size() > 1) {
    if (shape.empty())
      shape.push_back(1);
    shape.back() = size;
  }
  auto scaledType = RankedTensorType::get(shape, element);
  NamedAttribute attr = b.getNamedAttr("value", makeElements(scaledType, *bytes, bytes, "scaled"));
  return ConstantOp::create(b, constant.getLoc(), scaledType, ValueRange(), attr)->getResult(0);
}
