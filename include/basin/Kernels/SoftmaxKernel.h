//===- SoftmaxKernel.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The softmax of attention's scores, between the two matrix products, for attention that the
// fused kernel does not take. See docs/kernels-softmax.md.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_SOFTMAXKERNEL_H
#define BASIN_KERNELS_SOFTMAXKERNEL_H

#include "basin/Kernels/KernelFamily.h"
#include "basin/Kernels/ScoreOptions.h"

namespace basin::kernels {

/// Computes probabilities from the products of queries and keys, which are [batch, heads,
/// queries, keys] and not scaled. Rows follow each other at the distance `row_stride`, a scalar
/// of the launch. The type is that of the products: f32, f16 or bf16. A scale of 0 stands for 1.
struct SoftmaxSpec : ScoreOptions {
  /// The type of the probabilities. A null one stands for the type of the scores. If the two
  /// are the same, probabilities replace the scores, in one argument, unless they are to be
  /// `separate`.
  mlir::Type resultType;
  bool separate = false;
  /// Every query sees the first `prefix` columns, a scalar of the launch, whatever hides others.
  /// Keys are counted behind them: a mask and lengths have no columns for them.
  bool prefix = false;
  /// The kernel writes log(sum of exp(score)) of each row, with the sink logit's share.
  bool logSumExp = false;
  /// Rows of scores and of probabilities begin at multiples of 16 bytes.
  bool aligned = false;
  /// A launch has at most this many columns. 0 stands for any number.
  int64_t maxKeys = 0;

  double getScale() const { return scale != 0 ? scale : 1; }
  mlir::Type getResultType() const { return resultType ? resultType : type; }
  bool isInPlace() const { return getResultType() == type && !separate; }
};

/// How the softmax is computed: a row has `threadsPerRow` threads, and a block has the rows of
/// one query in `rowsPerBlock` heads. Accesses have `vector` elements.
struct SoftmaxSchedule {
  int64_t threadsPerRow = 32, rowsPerBlock = 4, vector = 1;
  /// Scores stay in registers, and memory is read once. Otherwise it is read once for the
  /// maximum and the sum, and once more for the probabilities.
  bool inRegisters = false;

  int64_t blockSize() const { return threadsPerRow * rowsPerBlock; }
  int64_t columnsPerStep() const { return threadsPerRow * vector; }
  /// Returns how many vectors of a row with `keys` columns a thread has.
  int64_t steps(int64_t keys) const;
  int64_t sharedBytes() const;
  ScheduleParts getParts();
  /// Returns why the schedule cannot do `spec`, or nothing if it can.
  WhyNot check(const SoftmaxSpec &spec) const;
};

/// Chooses a schedule. `spec` must be one that `check` accepts.
SoftmaxSchedule chooseSoftmaxSchedule(const SoftmaxSpec &spec);

/// Returns why no schedule can do `spec`, or nothing if one can.
WhyNot check(const SoftmaxSpec &spec);

/// Returns the kernel's name, which no other spec has: "softmax_f32_causal_aligned_max1024".
std::string getName(const SoftmaxSpec &spec);
std::unique_ptr<AnySpec> toAnySpec(const SoftmaxSpec &spec);

/// Appends the kernel to `module`. Its grid is (queries * ceil(heads / schedule.rowsPerBlock) *
/// batch, 1, 1), with the queries of one group of heads side by side. The kernel is called
/// `name`, or `getName(spec)` if that is empty.
mlir::gpu::GPUFuncOp buildSoftmaxKernel(mlir::gpu::GPUModuleOp module, const SoftmaxSpec &spec,
                                        const SoftmaxSchedule &schedule, llvm::StringRef name = {});

} // namespace basin::kernels

#endif // BASIN_KERNELS_SOFTMAXKERNEL_H
