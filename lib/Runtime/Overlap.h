//===- Overlap.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Whether two tensors may share memory.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_OVERLAP_H
#define BASIN_LIB_RUNTIME_OVERLAP_H

#include "basin/Runtime/basin_rt.h"

namespace basin::rt {

/// The addresses from a tensor's first byte to behind its last. It has elements.
struct Extent {
  uint64_t begin, end;
};
Extent extentOf(const basin_rt_tensor &tensor);

/// Where their extents overlap they do not share memory if they are columns of one matrix:
/// all their runs of neighbours begin at multiples of one distance, and within that distance
/// they lie apart. Says true where it is unsure. Takes strides that are not negative.
bool overlap(const basin_rt_tensor &a, const basin_rt_tensor &b);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_OVERLAP_H
