//===- RowReduction.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reductions over the threads of a row. Private to the kernels.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_COMMON_ROWREDUCTION_H
#define BASIN_LIB_KERNELS_COMMON_ROWREDUCTION_H

#include "basin/Kernels/KernelBuilder.h"

namespace basin::kernels {

enum class Reduction { Sum, Max };

/// Returns the sum or maximum of `x` over the `threadsPerRow` threads of a row, a power of two of
/// at least 32, in a fixed order. All threads of the block must come here. If a row has several
/// warps, the reduction uses an f32 for each warp of the block in shared memory, from
/// `sharedOffset` on. A reduction with another place need not wait until all threads have read
/// the results of the one before.
mlir::Value reduceRow(KernelBuilder &b, Reduction reduction, mlir::Value x, int64_t threadsPerRow,
                      int64_t sharedOffset);

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_COMMON_ROWREDUCTION_H
