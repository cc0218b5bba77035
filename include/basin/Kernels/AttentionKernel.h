//===- AttentionKernel.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The attention family, forward: softmax attention over tiles of keys with what
// sinks need (a logit a head in the denominator, key and value rows in front of
// all keys, a gate on the output). See docs/kernels-attention.md.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_ATTENTIONKERNEL_H
#define BASIN_KERNELS_ATTENTIONKERNEL_H

#include "basin/Kernels/KernelFamily.h"

namespace basin::kernels {

/// What an attention kernel computes; `sink.attention` says it in formulas. Query
/// i stands at key i + diagonal, which is keys - queries, or 0 where `topLeft`.
struct AttentionSpec {
  enum Mask { NoMask, Bias, Keep };
  enum Gate { NoGate, Plain, Sigmoid };

  /// Of query, key, value, gate and result: bf16 or f16.
  mlir::Type type;
  /// Multiples of 8 up to 256; the value's is the head dim's where it is 0.
  int64_t headDim = 0, valueDim = 0;
  /// Of the scores; 1 / sqrt(headDim) where it is 0.
  double scale = 0;
  /// cap * tanh(score / cap) where it is not 0.
  double softcap = 0;
  /// Hides j > i + diagonal.
  bool causal = false;
  bool topLeft = false;
  /// Hides i + diagonal - j >= window, a scalar of the launch.
  bool window = false;
  /// Added to the scores (of maskType), or an i8 that hides where it is 0.
  Mask mask = NoMask;
  mlir::Type maskType;
  /// The score of a key that a Keep mask hides, in place of -inf where it is not 0:
  /// a row that hides every key then gives each its share. Not beside causal or
  /// window, which hide with -inf.
  double maskFill = 0;
  /// A row whose every score is -inf gives NaN, as a Softmax does, and not zeros.
  bool nanHiddenRows = false;
  /// Keys of each batch, those beyond are never read.
  bool keyLengths = false;
  /// A logit in the denominator for each head, not scaled, f32 where `sinkType` is
  /// null.
  bool sinkLogit = false;
  mlir::Type sinkType;
  /// Rows in front of the keys that every query sees.
  bool sinkKeyValue = false;
  /// Factor of the result: the gate, or its sigmoid; an element's own, or one for a
  /// row of a head.
  Gate gate = NoGate;
  bool gatePerHead = false;
  /// Writes log(sum of exp(score)) of each row, the sink logit's share included.
  bool logSumExp = false;

  int64_t getValueDim() const { return valueDim ? valueDim : headDim; }
  double getScale() const;
  mlir::Type getSinkType() const;
};

/// Elements of shared memory for a row of `dim`.
int64_t getTileColumns(int64_t dim);

/// How it is done: a block takes `queries` rows of one head, and `keys` rows of key and
/// value at a time. Shared memory holds `stages` such tiles.
struct AttentionSchedule {
  int64_t queries = 64, keys = 64, warps = 4, stages = 1;
  /// The queries' fragments stay in registers and their shared memory is used
  /// again.
  bool queryInRegisters = false;
  /// KernelBuilder::wantRegisters.
  bool wantsRegisters = false;

  int64_t blockSize() const { return warps * 32; }
  int64_t rowsPerWarp() const { return queries / warps; }
  int64_t sharedBytes(const AttentionSpec &spec) const;
  ScheduleParts getParts();
  /// Why the schedule cannot do `spec` on `chip`; empty where it can.
  std::string check(const AttentionSpec &spec, llvm::StringRef chip) const;
};

/// The schedule on `chip` ("sm_80"); `spec` is one that `check` accepts.
AttentionSchedule chooseAttentionSchedule(const AttentionSpec &spec, llvm::StringRef chip);

/// Why no schedule can do `spec`; empty where one can.
std::string check(const AttentionSpec &spec);

/// "attention_128_bf16_causal_sinklogit", unique to the spec.
std::string getName(const AttentionSpec &spec);
std::unique_ptr<AnySpec> toAnySpec(const AttentionSpec &spec);

/// Appends the kernel; its grid is (ceil(queries / schedule.queries) * heads * batch,
/// 1, 1), with the tiles of one head side by side. The kernel is called `name`, or as
/// `getName` says where that is empty.
mlir::gpu::GPUFuncOp buildAttentionKernel(mlir::gpu::GPUModuleOp module, const AttentionSpec &spec,
                                          const AttentionSchedule &schedule,
                                          llvm::StringRef name = {});

} // namespace basin::kernels

#endif // BASIN_KERNELS_ATTENTIONKERNEL_H
