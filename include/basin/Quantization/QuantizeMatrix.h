//===- QuantizeMatrix.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Quantizes matrices of numbers. The nodes that QuantizeNodes.h writes compute the same bits.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_QUANTIZATION_QUANTIZEMATRIX_H
#define BASIN_QUANTIZATION_QUANTIZEMATRIX_H

#include "basin/Quantization/Scheme.h"

#include <vector>

namespace basin::quantization {

/// The layout of a matrix of `rows` channels (or tokens) of `depth` = K elements.
struct MatrixLayout {
  int64_t rows, depth, rowStride, depthStride;

  int64_t at(int64_t row, int64_t k) const { return row * rowStride + k * depthStride; }
};

struct QuantizedMatrix {
  /// The numbers of the format, in the layout of the matrix.
  std::vector<float> codes;
  /// Scales [rowGroups, depthGroups], and second scales [rowGroups] or [1], if there are any.
  std::vector<float> scales, seconds;
  int64_t rowGroups = 1, depthGroups = 1;
  /// How many rows and how many elements along K share a scale.
  int64_t groupRows = 1, groupDepth = 1;

  /// Returns the scale s of an element, as `Quantizer` defines it.
  float getScale(int64_t row, int64_t k) const;
};

/// Quantizes finite numbers. A quantizer that is not dynamic needs a `range`. A quantizer with a
/// zero point is not taken.
QuantizedMatrix quantizeMatrix(llvm::ArrayRef<float> data, const MatrixLayout &layout,
                               const Quantizer &quantizer,
                               std::optional<CalibratedRange> range = std::nullopt);

/// Returns what the numbers become: code times scale. Takes every quantizer.
std::vector<float> fakeQuantize(llvm::ArrayRef<float> data, const MatrixLayout &layout,
                                const Quantizer &quantizer,
                                std::optional<CalibratedRange> range = std::nullopt);

/// The scale and the zero point of a calibrated range, as `Quantizer` defines them.
struct ZeroPointScale {
  float scale, zeroPoint;
};
ZeroPointScale getZeroPointScale(CalibratedRange range);

/// The largest code beside a zero point.
inline constexpr float kMostWithZeroPoint = 255.0f;

// The least values of scales, so that none is zero.
inline constexpr float kLeastScale = 0x1p-126f, kLeastSecond = 0x1p-100f, kLeastE4M3 = 0x1p-9f,
                       kLeastMagnitude = 0x1p-100f;

} // namespace basin::quantization

#endif // BASIN_QUANTIZATION_QUANTIZEMATRIX_H
