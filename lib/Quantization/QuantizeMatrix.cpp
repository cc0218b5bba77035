//===- QuantizeMatrix.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every operation is one f32 operation of the definition in Scheme.h, in its order. A product or a
// quotient of constants is not folded, because the graph's nodes do not fold it either.
//
//===----------------------------------------------------------------------===//

#include "basin/Quantization/QuantizeMatrix.h"

#include <algorithm>
#include <cassert>
#include <cmath>

using namespace basin::quantization;
using llvm::ArrayRef;

static int64_t divideCeil(int64_t a, int64_t b) { return (a + b - 1) / b; }

float QuantizedMatrix::getScale(int64_t row, int64_t k) const {
  int64_t rowGroup = row / groupRows;
  float scale = scales[rowGroup * depthGroups + k / groupDepth];
  if (seconds.empty())
    return scale;
  return scale * seconds[seconds.size() == 1 ? 0 : rowGroup];
}

/// Sets how the elements are grouped.
static void setGroups(QuantizedMatrix &out, const MatrixLayout &layout,
                      const Quantizer &quantizer) {
  bool isTensor = quantizer.granularity == Granularity::Tensor;
  bool isBlock = quantizer.granularity == Granularity::Block;
  out.groupRows = isTensor ? std::max<int64_t>(layout.rows, 1) : quantizer.blockChannels;
  out.groupDepth = isBlock ? quantizer.blockSize : std::max<int64_t>(layout.depth, 1);
  out.rowGroups = divideCeil(layout.rows, out.groupRows);
  out.depthGroups = divideCeil(layout.depth, out.groupDepth);
}

/// Returns the first element of the largest magnitude of each group.
static std::vector<float> findExtremes(ArrayRef<float> data, const MatrixLayout &layout,
                                       const QuantizedMatrix &out) {
  std::vector<float> extremes(out.rowGroups * out.depthGroups, 0.0f);
  for (int64_t row = 0; row < layout.rows; ++row)
    for (int64_t k = 0; k < layout.depth; ++k) {
      float &one = extremes[row / out.groupRows * out.depthGroups + k / out.groupDepth];
      float x = data[layout.at(row, k)];
      if (std::fabs(x) > std::fabs(one))
        one = x;
    }
  return extremes;
}

static float largestOf(ArrayRef<float> values) {
  return values.empty() ? 0.0f : *llvm::max_element(values);
}

/// Sets the second scales, and turns the largest magnitudes into E4M3 scales below them.
static void setTwoScales(QuantizedMatrix &out, std::vector<float> largest,
                         const Quantizer &quantizer, std::optional<CalibratedRange> calibrated) {
  float most = getInfo(quantizer.format).largest;
  float range = most * getInfo(NumberFormat::Float8E4M3).largest;
  auto second = [&](float a) { return std::max(a / range, kLeastSecond); };
  if (quantizer.secondPerToken) {
    for (int64_t row = 0; row < out.rowGroups; ++row)
      out.seconds.push_back(second(
          largestOf(ArrayRef<float>(largest).slice(row * out.depthGroups, out.depthGroups))));
  } else {
    out.seconds.push_back(
        second(quantizer.isDynamic ? largestOf(largest) : calibrated->getLargest()));
  }
  for (auto [index, a] : llvm::enumerate(largest)) {
    float second = out.seconds.size() == 1 ? out.seconds[0] : out.seconds[index / out.depthGroups];
    a = std::max(roundToFormat(a / most / second, NumberFormat::Float8E4M3), kLeastE4M3);
  }
  out.scales = std::move(largest);
}

QuantizedMatrix basin::quantization::quantizeMatrix(ArrayRef<float> data,
                                                    const MatrixLayout &layout,
                                                    const Quantizer &quantizer,
                                                    std::optional<CalibratedRange> calibrated) {
  assert(quantizer.isSymmetric && "a zero point");
  assert((quantizer.isDynamic || calibrated) && "no calibrated magnitude");
  const FormatInfo &info = getInfo(quantizer.format);
  QuantizedMatrix out;
  setGroups(out, layout, quantizer);
  std::vector<float> extremes = findExtremes(data, layout, out);
  std::vector<float> largest;
  for (float one : extremes)
    largest.push_back(std::fabs(one));
  switch (quantizer.scale) {
  case ScaleFormat::Float32:
    if (quantizer.usesFullRange) {
      for (float b : extremes) {
        float scale = b / -(info.largest + 1.0f);
        out.scales.push_back(std::fabs(scale) < kLeastScale ? kLeastScale : scale);
      }
      break;
    }
    out.scales = std::move(largest);
    for (float &a : out.scales)
      a = std::max((quantizer.isDynamic ? a : calibrated->getLargest()) / info.largest,
                   kLeastScale);
    break;
  case ScaleFormat::PowerOfTwo:
    out.scales = std::move(largest);
    for (float &a : out.scales)
      a = std::ldexp(floorToPowerOfTwo(std::max(a, kLeastMagnitude)), -info.largestExponent);
    break;
  case ScaleFormat::Float8E4M3:
    setTwoScales(out, std::move(largest), quantizer, calibrated);
    break;
  }
  out.codes.resize(data.size());
  for (int64_t row = 0; row < layout.rows; ++row)
    for (int64_t k = 0; k < layout.depth; ++k) {
      int64_t at = layout.at(row, k);
      out.codes[at] = roundToFormat(data[at] / out.getScale(row, k), quantizer.format);
    }
  return out;
}

ZeroPointScale basin::quantization::getZeroPointScale(CalibratedRange range) {
  float lowest = std::min(range.lowest, 0.0f), highest = std::max(range.highest, 0.0f);
  float scale = std::max((highest - lowest) / kMostWithZeroPoint, kLeastScale);
  return {scale, std::nearbyint(std::min(std::max(-lowest / scale, 0.0f), kMostWithZeroPoint))};
}

/// Computes what ONNX's QuantizeLinear, or DynamicQuantizeLinear, and DequantizeLinear do.
static std::vector<float> quantizeWithZeroPoint(ArrayRef<float> data,
                                                std::optional<CalibratedRange> calibrated) {
  constexpr float kMost = kMostWithZeroPoint;
  CalibratedRange range = calibrated.value_or(CalibratedRange{0.0f, 0.0f});
  if (!calibrated)
    for (float x : data) {
      range.lowest = std::min(range.lowest, x);
      range.highest = std::max(range.highest, x);
    }
  auto [scale, zeroPoint] = getZeroPointScale(range);
  if (!calibrated) {
    scale = (range.highest - range.lowest) / kMost;
    // Where all numbers are zero, the runtime's scale is 1.
    if (scale == 0.0f)
      scale = 1.0f;
    zeroPoint = std::nearbyint(std::min(std::max(-range.lowest / scale, 0.0f), kMost));
  }
  std::vector<float> out;
  out.reserve(data.size());
  for (float x : data) {
    float code = std::min(std::max(std::nearbyint(x / scale) + zeroPoint, 0.0f), kMost);
    out.push_back((code - zeroPoint) * scale);
  }
  return out;
}

std::vector<float> basin::quantization::fakeQuantize(ArrayRef<float> data,
                                                     const MatrixLayout &layout,
                                                     const Quantizer &quantizer,
                                                     std::optional<CalibratedRange> calibrated) {
  if (!quantizer.isSymmetric)
    return quantizeWithZeroPoint(data, quantizer.isDynamic ? std::nullopt : calibrated);
  QuantizedMatrix made = quantizeMatrix(data, layout, quantizer, calibrated);
  std::vector<float> out = std::move(made.codes);
  for (int64_t row = 0; row < layout.rows; ++row)
    for (int64_t k = 0; k < layout.depth; ++k)
      out[layout.at(row, k)] *= made.getScale(row, k);
  return out;
}
