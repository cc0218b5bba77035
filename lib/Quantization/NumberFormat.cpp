//===- NumberFormat.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rounding is done in f32: a number divided by the distance of its neighbours, a power of two, is
// rounded to an integer. Both the division and the product with that distance are exact.
//
//===----------------------------------------------------------------------===//

#include "basin/Quantization/NumberFormat.h"

#include <cassert>
#include <cmath>
#include <iterator>

using namespace basin::quantization;

static constexpr FormatInfo kFormats[] = {
    {"int4", 4, false, 0, 0, 7.0f, 2, 22, 21},
    {"int8", 8, false, 0, 0, 127.0f, 6, 3, 10},
    {"int16", 16, false, 0, 0, 32767.0f, 14, 5, 21},
    {"float4e2m1", 4, true, 1, 0, 6.0f, 2, 23, 23},
    {"float8e4m3", 8, true, 3, -6, 448.0f, 8, 17, 19},
};

const FormatInfo &basin::quantization::getInfo(NumberFormat format) {
  auto index = static_cast<size_t>(format);
  assert(index < std::size(kFormats) && "a format that has no entry");
  return kFormats[index];
}

float basin::quantization::roundToFormat(float x, NumberFormat format) {
  const FormatInfo &info = getInfo(format);
  if (std::isnan(x))
    return x;
  if (!info.isFloat)
    return std::fmin(std::fmax(std::nearbyint(x), -info.largest - 1), info.largest);
  if (std::fabs(x) >= info.largest)
    return std::copysign(info.largest, x);
  int exponent = x == 0 ? info.minExponent : std::ilogb(x);
  if (exponent < info.minExponent)
    exponent = info.minExponent;
  int shift = exponent - static_cast<int>(info.fractionBits);
  return std::ldexp(std::nearbyint(std::ldexp(x, -shift)), shift);
}

uint16_t basin::quantization::encode(float value, NumberFormat format) {
  const FormatInfo &info = getInfo(format);
  auto mask = static_cast<uint16_t>((1u << info.bits) - 1);
  if (!info.isFloat)
    return static_cast<uint16_t>(static_cast<int32_t>(value)) & mask;
  float size = std::fabs(value);
  int exponent = size == 0 ? info.minExponent : std::ilogb(size);
  bool isNormal = exponent >= info.minExponent && size != 0;
  if (!isNormal)
    exponent = info.minExponent;
  // The leading bit of a normal number's integer becomes the exponent 1.
  int shift = static_cast<int>(info.fractionBits) - exponent;
  auto integer = static_cast<unsigned>(std::ldexp(size, shift));
  unsigned bits =
      integer + (static_cast<unsigned>(exponent - info.minExponent) << info.fractionBits);
  unsigned sign = std::signbit(value) ? 1u << (info.bits - 1) : 0;
  return static_cast<uint16_t>(bits | sign) & mask;
}

float basin::quantization::floorToPowerOfTwo(float x) { return std::ldexp(1.0f, std::ilogb(x)); }
