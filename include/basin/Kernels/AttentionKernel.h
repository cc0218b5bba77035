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

namespace basin::kernels {

/// What an attention kernel computes; the op `sink.attention` has the formulas. Query i stands
/// at key i + diagonal. The diagonal is keys - queries, or 0 if `topLeft`.
struct AttentionSpec {
  enum Mask { NoMask, Bias, Keep };
  enum Gate { NoGate, Plain, Sigmoid };

  /// The type of query, key, value, gate and result: bf16 or f16.
  mlir::Type type;
  /// Multiples of 8 up to 256. A value dim of 0 stands for the head dim.
  int64_t headDim = 0, valueDim = 0;
  /// The factor of the scores. 0 stands for 1 / sqrt(headDim).
  double scale = 0;
  /// If it is not 0, scores become cap * tanh(score / cap).
  double softcap = 0;
  /// Query i does not see keys j > i + diagonal.
  bool causal = false;
  bool topLeft = false;
  /// Query i does not see keys with i + diagonal - j >= window, a scalar of the launch.
  bool window = false;
  /// Bias adds numbers of maskType to the scores. Keep hides keys where its i8 is 0.
  Mask mask = NoMask;
  mlir::Type maskType;
  /// If it is not 0, a key that a Keep mask hides has this score and not -inf. A row that
  /// hides every key then gives each its share. It cannot be combined with causal or window,
  /// which hide with -inf.
  double maskFill = 0;
  /// A row whose scores all are -inf gives NaN, as a Softmax does, instead of zeros.
  bool nanHiddenRows = false;
  /// Each batch has its own number of keys. Keys beyond it are never read.
  bool keyLengths = false;
  /// Each head has a logit in the denominator, which is not scaled. A null `sinkType` stands
  /// for f32.
  bool sinkLogit = false;
  mlir::Type sinkType;
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
  mlir::Type getSinkType() const;
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
