//===- DyTKernel.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Dynamic tanh, a norm's pointwise replacement (arXiv 2503.10622).
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_DYTKERNEL_H
#define BASIN_KERNELS_DYTKERNEL_H

#include "basin/Kernels/KernelBuilder.h"
#include "basin/Kernels/KernelFamily.h"

namespace basin::kernels {

/// y = gamma * tanh(alpha * x) + beta for x [rows, dim] in f32, rounded to y's
/// type. Arguments: x, alpha (one element), gamma [dim], beta [dim] if `bias`, y,
/// rows (i32). tanh is one instruction of 11 bits where y has no more, and made of
/// an exponential where it is f32.
struct DyTSpec {
  int64_t dim = 0;
  bool bias = false;
  /// Of x; of alpha, gamma and beta; of y.
  mlir::Type type, parameterType, resultType;
};

/// "dyt_4096_bf16_bias", unique to the spec.
std::string getName(const DyTSpec &spec);
std::unique_ptr<AnySpec> toAnySpec(const DyTSpec &spec);

/// Appends the kernel; a block has 128 threads and a row, its grid is (rows, 1, 1).
mlir::gpu::GPUFuncOp buildDyTKernel(mlir::gpu::GPUModuleOp module, const DyTSpec &spec);

} // namespace basin::kernels

#endif // BASIN_KERNELS_DYTKERNEL_H
