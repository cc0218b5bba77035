//===- NumberFormat.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The number formats of quantized values: two's complement integers, and the small floats of the
// OCP 8-bit and microscaling specifications. All have fewer bits of precision than f32, so an f32
// holds each of their values exactly.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_QUANTIZATION_NUMBERFORMAT_H
#define BASIN_QUANTIZATION_NUMBERFORMAT_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace basin::quantization {

enum class NumberFormat { Int4, Int8, Int16, Float4E2M1, Float8E4M3 };

struct FormatInfo {
  /// The name in schemes.
  llvm::StringLiteral name;
  unsigned bits;
  bool isFloat;
  /// Bits of a float's fraction, and the exponent of its smallest normal number.
  unsigned fractionBits;
  int minExponent;
  /// The largest number. A scale maps the largest magnitude of its group to it.
  float largest;
  /// The exponent of the largest number, by which a power-of-two scale is chosen.
  int largestExponent;
  /// ONNX's code of the type (`TensorProto.DataType`).
  int32_t onnxType;
  /// The first opset in which QuantizeLinear and DequantizeLinear take the type.
  int64_t opset;
};

const FormatInfo &getInfo(NumberFormat format);

/// Returns the number of the format that is nearest to `x`, ties to even. What is beyond the
/// largest number becomes that (for integers, the lowest one is -2^(bits-1)). NaN stays NaN.
float roundToFormat(float x, NumberFormat format);

/// Returns the bits of `value`, a number of the format, in the low bits.
uint16_t encode(float value, NumberFormat format);

/// Returns 2^floor(log2(x)) for a positive finite `x`.
float floorToPowerOfTwo(float x);

} // namespace basin::quantization

#endif // BASIN_QUANTIZATION_NUMBERFORMAT_H
