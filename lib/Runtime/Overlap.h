//===- Overlap.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decides whether two tensors may share memory.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_OVERLAP_H
#define BASIN_LIB_RUNTIME_OVERLAP_H

#include "basin/Runtime/basin_rt.h"

namespace basin::rt {

/// The addresses of a tensor's first byte and of the byte behind its last one. The tensor must
/// have elements.
struct Extent {
  uint64_t begin, end;
};
Extent extentOf(const basin_rt_tensor &tensor);

/// Returns whether two tensors may share memory; true if it is unsure. Tensors whose extents
/// overlap share none if they are columns of one matrix: all runs of contiguous elements begin
/// at multiples of one distance, and within that distance they lie apart. Strides must not be
/// negative.
bool overlap(const basin_rt_tensor &a, const basin_rt_tensor &b);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_OVERLAP_H
