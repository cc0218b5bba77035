//===- Half.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Numbers of the three types of products, in memory, as doubles.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_UNITTESTS_FAKECUBLASLT_HALF_H
#define BASIN_UNITTESTS_FAKECUBLASLT_HALF_H

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace basin::test {

/// Rounds a double that has at most the 24 bits of an f32 to bf16, ties to even.
inline uint16_t bf16Of(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return 0x7fc0;
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float f32OfBF16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

/// An f32, f16 or bf16, by the number that CUDA has for the type: 0, 2 or 14.
inline double readNumber(const void *memory, int cudaType, int64_t index) {
  if (cudaType == 0)
    return static_cast<const float *>(memory)[index];
  if (cudaType == 2)
    return static_cast<double>(static_cast<const _Float16 *>(memory)[index]);
  return f32OfBF16(static_cast<const uint16_t *>(memory)[index]);
}

inline void writeNumber(void *memory, int cudaType, int64_t index, float value) {
  if (cudaType == 0)
    static_cast<float *>(memory)[index] = value;
  else if (cudaType == 2)
    static_cast<_Float16 *>(memory)[index] = static_cast<_Float16>(value);
  else
    static_cast<uint16_t *>(memory)[index] = bf16Of(value);
}

} // namespace basin::test

#endif // BASIN_UNITTESTS_FAKECUBLASLT_HALF_H
