//===- AttentionKernel.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The attention family, forward: softmax attention over tiles of keys, with everything that
// models use for sinks: a logit of each head in the denominator, key and value rows in front
// of all keys, and a gate on the output. See docs/kernels-attention.md.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_ATTENTIONKERNEL_H
#define BASIN_KERNELS_ATTENTIONKERNEL_H

#include "basin/Kernels/KernelFamily.h"
#include "basin/Kernels/ScoreOptions.h"

namespace basin::kernels {

/// What an attention kernel computes; the op `sink.attention` has the formulas. The type is
/// that of query, key, value, gate and result: bf16 or f16. A scale of 0 stands for
/// 1 / sqrt(headDim).
struct AttentionSpec : ScoreOptions {
  enum Gate { NoGate, Plain, Sigmoid };

  /// Multiples of 8 up to 256. A value dim of 0 stands for the head dim.
  int64_t headDim = 0, valueDim = 0;
  /// There are rows of keys and values in front of all keys, and every query sees them.
  bool sinkKeyValue = false;
  /// The result is multiplied by a gate or by its sigmoid. Each element has a gate of its own,
  /// or, with `gatePerHead`, each row of a head.
  Gate gate = NoGate;
  bool gatePerHead = false;
  /// The kernel writes log(sum of exp(score)) of each row, with the sink logit's share.
  bool logSumExp = false;

  int64_t getValueDim() const { return valueDim ? valueDim : headDim; }
  double getScale() const;
};

/// Returns how many elements of shared memory a row of `dim` elements takes.
int64_t getTileColumns(int64_t dim);

/// How attention is computed: a block has `queries` rows of one head, and visits tiles of
/// `keys` rows of key and value. Shared memory holds `stages` such tiles.
struct AttentionSchedule {
  int64_t queries = 64, keys = 64, warps = 4, stages = 1;
  /// The queries' fragments stay in registers, and keys and values use their shared memory.
  bool queryInRegisters = false;
  /// The builder calls KernelBuilder::wantRegisters.
  bool wantsRegisters = false;

  int64_t blockSize() const { return warps * 32; }
  int64_t rowsPerWarp() const { return queries / warps; }
  int64_t sharedBytes(const AttentionSpec &spec) const;
  ScheduleParts getParts();
  /// Returns why the schedule cannot do `spec` on `chip`, or nothing if it can.
  WhyNot check(const AttentionSpec &spec, llvm::StringRef chip) const;
};

/// Chooses a schedule for `chip` ("sm_80"). `spec` must be one that `check` accepts.
AttentionSchedule chooseAttentionSchedule(const AttentionSpec &spec, llvm::StringRef chip);

/// Returns why no schedule can do `spec`, or nothing if one can.
WhyNot check(const AttentionSpec &spec);

/// Returns the kernel's name, which no other spec has: "attention_128_bf16_causal_sinklogit".
std::string getName(const AttentionSpec &spec);
std::unique_ptr<AnySpec> toAnySpec(const AttentionSpec &spec);

/// Appends the kernel to `module`. Its grid is (ceil(queries / schedule.queries) * heads *
/// batch, 1, 1), with the tiles of one head side by side. The kernel is called `name`, or
/// `getName(spec)` if that is empty.
mlir::gpu::GPUFuncOp buildAttentionKernel(mlir::gpu::GPUModuleOp module, const AttentionSpec &spec,
                                          const AttentionSchedule &schedule,
                                          llvm::StringRef name = {});

} // namespace basin::kernels

#endif // BASIN_KERNELS_ATTENTIONKERNEL_H
