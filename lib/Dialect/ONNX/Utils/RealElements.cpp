//===- RealElements.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/RealElements.h"

#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace basin::onnx;

/// Writes one number. Returns whether it is as finite as before.
static bool writeReal(double number, FloatType type, char *at) {
  if (type.isF64()) {
    std::memcpy(at, &number, sizeof(number));
    return true;
  }
  if (type.isF32()) {
    auto narrow = static_cast<float>(number);
    std::memcpy(at, &narrow, sizeof(narrow));
    return std::isfinite(narrow) || !std::isfinite(number);
  }
  APFloat value(number);
  bool lossy;
  value.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
  uint64_t bits = value.bitcastToAPInt().getZExtValue();
  std::memcpy(at, &bits, type.getWidth() / 8);
  return value.isFinite() || !std::isfinite(number);
}

std::vector<double> basin::onnx::readReals(ArrayRef<char> bytes, Type type) {
  auto size = static_cast<int64_t>(bytes.size() * 8 / type.getIntOrFloatBitWidth());
  std::vector<double> numbers;
  numbers.reserve(size);
  visitElements(bytes, type, {size}, 0, [&](double number, int64_t) { numbers.push_back(number); });
  return numbers;
}

bool basin::onnx::writeReals(ArrayRef<double> numbers, Type type, MutableArrayRef<char> bytes) {
  auto element = cast<FloatType>(type);
  unsigned width = element.getWidth() / 8;
  bool isFinite = true;
  for (auto [i, number] : llvm::enumerate(numbers))
    isFinite &= writeReal(number, element, bytes.data() + i * width);
  return isFinite;
}

bool basin::onnx::multiplyElements(MutableArrayRef<char> bytes, Type type, ArrayRef<int64_t> shape,
                                   int64_t axis, ArrayRef<double> factors) {
  auto element = cast<FloatType>(type);
  unsigned width = element.getWidth() / 8;
  bool isFinite = true;
  char *at = bytes.data();
  visitElements(bytes, type, shape, axis, [&](double number, int64_t position) {
    double product = number * factors[position];
    isFinite &= writeReal(product, element, at);
    isFinite &= std::isfinite(product) || !std::isfinite(number);
    at += width;
  });
  return isFinite;
}
