//===- PowerOfTwo.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PowerOfTwo.h"

#include <cstring>

using namespace mlir;
using namespace basin::sink;

bool basin::sink::isScalable(Type type) {
  return type.isF16() || type.isBF16() || type.isF32() || type.isF64();
}

/// `bits` times 2^k by adding to the exponent field; false where that is not
/// exact.
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
    // A subnormal number has no leading one of its own: bring it to the front.
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

template <typename Bits, unsigned kMantissa, unsigned kExponent>
static std::optional<RangeLoss> scaleAll(MutableArrayRef<char> bytes, int64_t inner, int64_t size,
                                         ArrayRef<int> exponents) {
  int64_t count = bytes.size() / sizeof(Bits);
  for (int64_t i = 0; i < count; ++i) {
    int k = exponents.size() == 1 ? exponents[0] : exponents[(i / inner) % size];
    if (k == 0)
      continue;
    Bits bits;
    char *at = bytes.data() + i * sizeof(Bits);
    std::memcpy(&bits, at, sizeof(Bits));
    bool overflows = false;
    if (!scaleOne<Bits, kMantissa, kExponent>(bits, k, overflows))
      return RangeLoss{i, overflows};
    std::memcpy(at, &bits, sizeof(Bits));
  }
  return std::nullopt;
}

std::optional<RangeLoss> basin::sink::scaleByPowersOfTwo(MutableArrayRef<char> bytes, Type type,
                                                         ArrayRef<int64_t> shape, int64_t axis,
                                                         ArrayRef<int> exponents) {
  int64_t inner = 1, size = 1;
  if (!shape.empty()) {
    if (axis < 0)
      axis += shape.size();
    size = shape[axis];
    for (int64_t dim : shape.drop_front(axis + 1))
      inner *= dim;
  }
  if (type.isF16())
    return scaleAll<uint16_t, 10, 5>(bytes, inner, size, exponents);
  if (type.isBF16())
    return scaleAll<uint16_t, 7, 8>(bytes, inner, size, exponents);
  if (type.isF32())
    return scaleAll<uint32_t, 23, 8>(bytes, inner, size, exponents);
  assert(type.isF64() && "checked by isScalable");
  return scaleAll<uint64_t, 52, 11>(bytes, inner, size, exponents);
}
