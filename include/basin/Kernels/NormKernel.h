//===- NormKernel.h ---------------------------------------------*- C++ -*-===//
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

#include "basin/Kernels/KernelBuilder.h"
#include "basin/Kernels/KernelFamily.h"

namespace basin::kernels {

enum class GateActivation { Sigmoid, Tanh, Silu, Identity };

/// What a norm kernel computes, for x [rows, dim]:
///   h = x, or round(x + residual), or round(round(x + residual) + residual_bias)
///   u = pre_affine * h
///   y = weight * u / sqrt(mean(u^2) + epsilon)                    (RMSNorm)
///   y = weight * (u - mean(u)) / sqrt(var(u) + epsilon) + bias    (LayerNorm)
/// and, with a gate of rank r (GatedNorm, arXiv 2601.22966),
///   y = act(swish(y gate_down^T) gate_up^T) * y
/// Where it rounds, to the type of x; all else is f32 until y is rounded to its
/// type, but for the gate's products, whose operands are of that of x, or tf32 where
/// that is f32.
/// Arguments, in this order, those that there are: x, residual, residual_bias,
/// pre_affine, weight, bias, gate_down [r, dim], gate_up [dim, r] or [1, r] where
/// tensorwise (both of x's type, as linear layers store them), y, sum (h as
/// stored), rows (i32).
struct NormSpec {
  bool layer = false;
  bool residual = false, residualBias = false, sum = false;
  bool preAffine = false, weight = false, bias = false;
  int64_t dim = 0;
  double epsilon = 1e-5;
  /// 0 without a gate; otherwise a multiple of 8 up to 64.
  int64_t gateRank = 0;
  bool tensorwise = false;
  GateActivation activation = GateActivation::Sigmoid;
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
  ScheduleParts getParts();
  /// Why the schedule cannot do `spec`; empty where it can.
  std::string check(const NormSpec &spec) const;
};

/// The schedule for any dim from 1 to 65536.
NormSchedule chooseNormSchedule(const NormSpec &spec);

/// How a gated one is done: a block has 16 rows at a time, the tile of the matrix
/// instruction, and splits the columns among its warps, 32 at a time.
struct GatedNormSchedule {
  int64_t warps = 4;
  /// Of each warp, for 32 columns of the rows in shared memory. With at least `steps`
  /// the rows stay there between the passes, the next ones come while these are
  /// computed, and a launch has only the blocks that the device runs at once. With
  /// none the rows are read again.
  int64_t slots = 0;
  /// Where it has slots: groups of columns that the weights and the residual come ahead
  /// to slots of their own.
  int64_t ahead = 0;

  int64_t blockSize() const { return 32 * warps; }
  /// Groups of 32 columns of one warp.
  int64_t steps(int64_t dim) const { return (dim + 32 * warps - 1) / (32 * warps); }
  int64_t residualSlots(const NormSpec &spec) const { return spec.residual ? ahead : 0; }
  // Parts of shared memory, in this order: what warps tell each other through; the
  // vectors of parameters; the slots of x, of the residual, of weights.
  int64_t exchangeBytes(const NormSpec &spec) const;
  int64_t vectorBytes(const NormSpec &spec) const;
  int64_t slotBytes(const NormSpec &spec) const;
  int64_t weightBytes(const NormSpec &spec) const;
  int64_t sharedBytes(const NormSpec &spec) const;
  ScheduleParts getParts();
  /// Why the schedule cannot do `spec` on a block's shared memory of `chip`; empty
  /// where it can.
  std::string check(const NormSpec &spec, llvm::StringRef chip) const;
};

GatedNormSchedule chooseGatedNormSchedule(const NormSpec &spec, llvm::StringRef chip);

/// "rms_norm_4096_bf16_residual_sum_weight_eps3727c5ac", unique to the spec: what it
/// computes, with the bits of eps as f32.
std::string getName(const NormSpec &spec);
std::unique_ptr<AnySpec> toAnySpec(const NormSpec &spec);

/// What the kernel takes.
llvm::SmallVector<KernelArgument> getArguments(const NormSpec &spec);

/// Appends the kernel; its grid is (ceil(rows / rowsPerBlock), 1, 1). `name`
/// instead of the spec's where that is not empty.
mlir::gpu::GPUFuncOp buildNormKernel(mlir::gpu::GPUModuleOp module, const NormSpec &spec,
                                     const NormSchedule &schedule, llvm::StringRef name = {});

/// The same for a spec with a gate: grid (ceil(rows / 16), 1, 1), or fewer where the
/// schedule has slots (`setResident`). The schedule is one that its `check` accepts.
mlir::gpu::GPUFuncOp buildGatedNormKernel(mlir::gpu::GPUModuleOp module, const NormSpec &spec,
                                          const GatedNormSchedule &schedule,
                                          llvm::StringRef name = {});

} // namespace basin::kernels

#endif // BASIN_KERNELS_NORMKERNEL_H
