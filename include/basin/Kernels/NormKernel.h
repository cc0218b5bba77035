//===- NormKernel.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The norm family: RMSNorm and LayerNorm over the last axis with what stands
// around them in a transformer, one pass over memory.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_NORMKERNEL_H
#define BASIN_KERNELS_NORMKERNEL_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace basin::kernels {

/// What a norm kernel computes, for x [rows, dim]:
///   h = x, or round(x + residual), or round(round(x + residual) + residual_bias)
///   u = pre_affine * h
///   y = weight * u / sqrt(mean(u^2) + epsilon)                    (RMSNorm)
///   y = weight * (u - mean(u)) / sqrt(var(u) + epsilon) + bias    (LayerNorm)
/// Where it rounds, to the type of x; all else is f32 until y is rounded to its
/// type. Arguments, in this order, those that there are: x, residual,
/// residual_bias, pre_affine, weight, bias, y, sum (h as stored), rows (i32).
struct NormSpec {
  bool layer = false;
  bool residual = false, residualBias = false, sum = false;
  bool preAffine = false, weight = false, bias = false;
  int64_t dim = 0;
  double epsilon = 1e-5;
  /// Of x, residual and sum; of the vectors; of y.
  mlir::Type type, parameterType, resultType;
};

/// How it is done: `threadsPerRow` lanes (32 to 1024, a power of two) hold a row
/// in registers, `vector` elements an access.
struct NormSchedule {
  int64_t threadsPerRow = 32, rowsPerBlock = 4, vector = 1;

  int64_t blockSize() const { return threadsPerRow * rowsPerBlock; }
  /// Accesses of one thread to a row.
  int64_t steps(int64_t dim) const {
    int64_t each = threadsPerRow * vector;
    return (dim + each - 1) / each;
  }
  int64_t sharedBytes() const;
  /// Why the schedule cannot do `spec`; empty where it can.
  std::string check(const NormSpec &spec) const;
};

/// The schedule for any dim from 1 to 65536.
NormSchedule chooseNormSchedule(const NormSpec &spec);

/// "rms_norm_4096_bf16_residual_sum_weight", unique to the spec.
std::string getName(const NormSpec &spec);

/// Appends the kernel; its grid is (ceil(rows / rowsPerBlock), 1, 1). `name`
/// instead of the spec's where that is not empty.
mlir::gpu::GPUFuncOp buildNormKernel(mlir::gpu::GPUModuleOp module, const NormSpec &spec,
                                     const NormSchedule &schedule, llvm::StringRef name = {});

} // namespace basin::kernels

#endif // BASIN_KERNELS_NORMKERNEL_H
