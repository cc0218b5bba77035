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

/// y = gamma * tanh(alpha * x) + beta for x [rows, dim], computed in f32 and rounded to the
/// type of y. The arguments are x, alpha (one element), gamma [dim], beta [dim] if `bias`, y,
/// rows (i32). If y has at most 11 bits (f16, bf16), tanh is one instruction, which has 11
/// good bits. If y is f32, tanh is computed from an exponential.
struct DyTSpec {
  int64_t dim = 0;
  bool bias = false;
  /// The types of x, of alpha, gamma and beta, and of y.
  mlir::Type type, parameterType, resultType;
};

/// Returns the kernel's name, which no other spec has: "dyt_4096_bf16_bias".
std::string getName(const DyTSpec &spec);
std::unique_ptr<AnySpec> toAnySpec(const DyTSpec &spec);

/// Appends the kernel to `module`. A block has 128 threads and computes one row, so the grid
/// is (rows, 1, 1).
mlir::gpu::GPUFuncOp buildDyTKernel(mlir::gpu::GPUModuleOp module, const DyTSpec &spec);

} // namespace basin::kernels

#endif // BASIN_KERNELS_DYTKERNEL_H
