//===- NormKernel.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The norm family: RMSNorm and LayerNorm over the last axis, together with the operations
// around them in a transformer.
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
/// `round` is to the type of x. Everything else is f32 until y is rounded to its type, except
/// the operands of the gate's products: they have the type of x, or tf32 if that is f32.
/// The kernel takes those of these arguments that the spec has, in this order: x, residual,
/// residual_bias, pre_affine, weight, bias, gate_down [r, dim], gate_up [dim, r] ([1, r] if
/// `tensorwise`), y, sum (h as stored), rows (i32). The gate's matrices have the type of x and
/// are laid out as linear layers store them.
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
  /// `type` is that of x, residual, sum and the gate's matrices, `parameterType` that of the
  /// vectors, and `resultType` that of y.
  mlir::Type type, parameterType, resultType;
};

/// How a norm without a gate is computed: `threadsPerRow` threads (a power of two from 32 to
/// 1024) hold a row in registers, and an access has `vector` elements.
struct NormSchedule {
  int64_t threadsPerRow = 32, rowsPerBlock = 4, vector = 1;

  int64_t blockSize() const { return threadsPerRow * rowsPerBlock; }
  /// Returns the number of accesses of one thread to a row.
  int64_t steps(int64_t dim) const {
    int64_t each = threadsPerRow * vector;
    return (dim + each - 1) / each;
  }
  int64_t sharedBytes() const;
  ScheduleParts getParts();
  /// Returns why the schedule cannot do `spec`, or nothing if it can.
  WhyNot check(const NormSpec &spec) const;
};

/// Chooses a schedule. It can do any dim from 1 to 65536.
NormSchedule chooseNormSchedule(const NormSpec &spec);

/// How a gated norm is computed: a block has 16 rows at a time, as many as a matrix
/// instruction, and divides their columns among its warps in groups of 32.
struct GatedNormSchedule {
  int64_t warps = 4;
  /// The number of slots of each warp in shared memory; a slot holds 32 columns of the rows.
  /// If there are any, there are at least `steps`: the rows stay there between the passes, the
  /// next rows arrive while these are computed, and a launch has only as many blocks as the
  /// device runs at once. If there are none, each pass reads the rows again.
  int64_t slots = 0;
  /// If there are slots, the weights and the residual have slots of their own and arrive this
  /// many groups of columns ahead of their use.
  int64_t ahead = 0;

  int64_t blockSize() const { return 32 * warps; }
  /// Returns the number of groups of 32 columns that one warp has.
  int64_t steps(int64_t dim) const { return (dim + 32 * warps - 1) / (32 * warps); }
  int64_t residualSlots(const NormSpec &spec) const { return spec.residual ? ahead : 0; }
  // The bytes of the parts of shared memory, which lie in this order: what warps exchange, the
  // vectors of parameters, the slots of x, of the residual and of weights. `slotBytes` and
  // `weightBytes` are those of one slot of all warps.
  int64_t exchangeBytes(const NormSpec &spec) const;
  int64_t vectorBytes(const NormSpec &spec) const;
  int64_t slotBytes(const NormSpec &spec) const;
  int64_t weightBytes(const NormSpec &spec) const;
  int64_t sharedBytes(const NormSpec &spec) const;
  ScheduleParts getParts();
  /// Returns why the schedule cannot do `spec` with the shared memory that a block may have on
  /// `chip`, or nothing if it can.
  WhyNot check(const NormSpec &spec, llvm::StringRef chip) const;
};

GatedNormSchedule chooseGatedNormSchedule(const NormSpec &spec, llvm::StringRef chip);

/// Returns the kernel's name, which no other spec has. It says what the kernel computes and
/// ends with epsilon's bits as f32: "rms_norm_4096_bf16_residual_sum_weight_eps3727c5ac".
std::string getName(const NormSpec &spec);
std::unique_ptr<AnySpec> toAnySpec(const NormSpec &spec);

/// Returns the kernel's arguments, in order.
llvm::SmallVector<KernelArgument> getArguments(const NormSpec &spec);

/// Appends the kernel to `module`. Its grid is (ceil(rows / rowsPerBlock), 1, 1). It is called
/// `name`, or `getName(spec)` if that is empty.
mlir::gpu::GPUFuncOp buildNormKernel(mlir::gpu::GPUModuleOp module, const NormSpec &spec,
                                     const NormSchedule &schedule, llvm::StringRef name = {});

/// Appends the kernel of a spec with a gate. Its grid is (ceil(rows / 16), 1, 1), or has fewer
/// blocks if the schedule has slots (`setResident`). The schedule must be one that its `check`
/// accepts.
mlir::gpu::GPUFuncOp buildGatedNormKernel(mlir::gpu::GPUModuleOp module, const NormSpec &spec,
                                          const GatedNormSchedule &schedule,
                                          llvm::StringRef name = {});

} // namespace basin::kernels

#endif // BASIN_KERNELS_NORMKERNEL_H
