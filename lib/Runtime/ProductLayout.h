//===- ProductLayout.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Says a matrix product in the words of cuBLASLt: matrices that are contiguous along columns, one
// axis of batches, and calls that differ only in their pointers.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_PRODUCTLAYOUT_H
#define BASIN_LIB_RUNTIME_PRODUCTLAYOUT_H

#include "basin/Runtime/basin_rt.h"

#include <array>
#include <cstddef>

namespace basin::rt {

/// A matrix in memory, contiguous along its columns. The strides of the outer axes count bytes.
struct BlasMatrix {
  const void *pointer;
  bool isTransposed; // whether the product takes its transpose
  int64_t rows, columns, leading;
  int64_t batchStride; // in elements
  uint32_t alignment;  // of the pointers in all calls, in bytes, at most 256
  std::array<int64_t, BASIN_RT_MAX_BATCH> outerStrides;
};

/// The calls that make up a product: d = a b for each element of the outer axes, each call with
/// `batch` products.
struct BlasProduct {
  BlasMatrix a, b, d;
  int64_t batch = 1;
  size_t outerRank = 0;
  std::array<int64_t, BASIN_RT_MAX_BATCH> outerSizes = {};
};

/// Arranges a product that has been checked, and that has results and k > 0.
BlasProduct arrange(const basin_rt_product &product);

/// Steps to the next element of the outer axes. `index` begins at 0. Returns false after the last
/// one.
bool nextCall(const BlasProduct &product, std::array<int64_t, BASIN_RT_MAX_BATCH> &index);

/// Returns where a matrix lies in the call of an outer element.
const void *pointerAt(const BlasProduct &product, const BlasMatrix &matrix,
                      const std::array<int64_t, BASIN_RT_MAX_BATCH> &index);

/// Finds the largest power of two up to 256 that divides the number.
uint32_t alignmentOf(uint64_t number);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_PRODUCTLAYOUT_H
