//===- Scheme.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Quantization schemes: what is done to the weights and to the inputs of matrix products. Each is
// defined here once, or by a user in YAML with the same fields.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_QUANTIZATION_SCHEME_H
#define BASIN_QUANTIZATION_SCHEME_H

#include "basin/Quantization/NumberFormat.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <algorithm>
#include <optional>
#include <string>

namespace basin::quantization {

/// The elements that share a scale. A matrix product sums over K elements of an activation's token
/// and of a weight's channel. A block is a part of these K elements.
enum class Granularity { Tensor, Channel, Token, Block };

/// How a scale is stored: as it is, as the power of two below it, or as E4M3 times a second scale
/// in f32.
enum class ScaleFormat { Float32, PowerOfTwo, Float8E4M3 };

/// How one tensor is quantized. With a = the largest magnitude of a group and m = the largest
/// number of the format:
///   Float32     s = max(a / m, 2^-126)
///   PowerOfTwo  s = 2^(floor(log2(max(a, 2^-100))) - e), e the exponent of m
///   Float8E4M3  s = s1 s2, s2 = max(A / (m 448), 2^-100) for the largest magnitude A of the tensor
///               or token, s1 = max(E4M3(a / m / s2), 2^-9)
/// and x becomes round(x / s) s, in f32, where round saturates. Weights may use the full range of
/// integers, which has one more number below zero: with b = the first element of magnitude a,
///   s = b / -(m + 1), or 2^-126 if |s| is less.
/// With a zero point z, numbers from `lowest` to `highest` (0 among them) become codes from 0 to
/// 255:
///   s = (highest - lowest) / 255, z = round(-lowest / s), code = round(x / s) + z
/// where s is 1 instead of 0 if it is dynamic, as DynamicQuantizeLinear has it, and else at least
/// 2^-126, and z and the code saturate.
struct Quantizer {
  NumberFormat format = NumberFormat::Int8;
  Granularity granularity = Granularity::Tensor;
  /// Elements of a block along K. A weight's blocks may span several channels.
  int64_t blockSize = 0, blockChannels = 1;
  ScaleFormat scale = ScaleFormat::Float32;
  /// Where the second scale is per token. Otherwise there is one for the tensor.
  bool secondPerToken = false;
  /// Whether scales (or second scales) come from the numbers at hand rather than from calibration.
  /// Weights are at hand.
  bool isDynamic = true;
  /// An integer of 8 bits for a whole activation may have a zero point.
  bool isSymmetric = true;
  /// Whether a weight's integers use the lowest number, so that scales may be negative.
  bool usesFullRange = false;

  /// Whether a scale is needed that calibration finds.
  bool needsCalibration() const { return !isDynamic; }
};

/// The calibrated numbers that a static scale maps to the ends of a format. Without a zero point
/// the larger one of the two magnitudes counts.
struct CalibratedRange {
  float lowest, highest;

  float getLargest() const { return std::max(-lowest, highest); }
};

struct Scheme {
  std::string name;
  std::optional<Quantizer> weights, activations;
};

/// Returns the scheme of that name, or nothing.
std::optional<Scheme> findScheme(llvm::StringRef name);
/// Returns the names of all schemes, in alphabetical order.
llvm::SmallVector<llvm::StringRef> listSchemes();

/// Reads a scheme from YAML. The error is one line that names the line of the text.
llvm::Expected<Scheme> parseScheme(llvm::StringRef yaml);
/// Returns the YAML of a scheme, which parseScheme reads.
std::string printScheme(const Scheme &scheme);

/// Returns the quantizer of residual streams, caches of keys and values, and other tensors that no
/// weight multiplies: "int4", "int8", "int16" or "fp8", with one scale for the tensor or for each
/// token. Scales of tokens are dynamic.
std::optional<Quantizer> findTensorQuantizer(llvm::StringRef format, bool perToken);

} // namespace basin::quantization

#endif // BASIN_QUANTIZATION_SCHEME_H
