//===- SoftmaxBody.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds the kernel of one spec and schedule. Private to the family.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_SOFTMAX_SOFTMAXBODY_H
#define BASIN_LIB_KERNELS_SOFTMAX_SOFTMAXBODY_H

#include "../Common/Scores.h"
#include "basin/Kernels/SoftmaxKernel.h"

namespace basin::kernels {

class SoftmaxBody {
public:
  SoftmaxBody(mlir::gpu::GPUModuleOp module, const SoftmaxSpec &spec,
              const SoftmaxSchedule &schedule, llvm::StringRef name);

  mlir::gpu::GPUFuncOp build();

private:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<mlir::Value>;

  /// `width` columns from `first` on that one thread has. They are in the row if `inside`.
  struct Chunk {
    Value first, inside;
    int64_t width;
  };
  /// What memory has for a chunk. `seen` says whether it was read: not if the row sees none of
  /// its columns. Then the scores and the mask's elements are zeros.
  struct Loaded {
    Value seen, scores;
    Values mask;
  };
  /// A maximum in the unit of scores, and the sum of exp(score - maximum).
  struct State {
    Value max, sum;
  };

  // SoftmaxKernel.cpp: the row and its columns.
  void locate();
  void findColumns();
  void findMask();
  Chunk chunkOf(Value step);
  Chunk tailChunk();
  Value countSteps(Value columns);

  // SoftmaxPasses.cpp: the maximum, the sum, the passes.
  Value seed();
  Value sinkTerm();
  Value addExponentials(Value sum, llvm::ArrayRef<Value> exponentials);
  State absorb(State state, llvm::ArrayRef<Value> scores);
  Value reduceMax(Value max);
  void finish(Value max, Value sum);
  void storeLogSumExp(Value max, Value sum);
  void readOnce();
  State firstPass();
  void readTwice();

  // SoftmaxScores.cpp: one chunk.
  Value sees(Value column);
  Value seesSome(const Chunk &chunk);
  Value loadMask(Value column);
  Loaded load(const Chunk &chunk);
  Value finishScore(Value score, Value mask, Value column);
  Values scoresOf(const Chunk &chunk, const Loaded &loaded);
  Value exponential(Value score, Value against);
  Values exponentials(llvm::ArrayRef<Value> scores, Value against);
  void store(const Chunk &chunk, llvm::ArrayRef<Value> exponentials);

  /// Returns the natural score that a finished score of 1 stands for. Scores that nothing is
  /// added to stay as they are in memory. Their differences from the maximum are scaled, so the
  /// error is one of the difference and not one of a large score.
  double unit() const {
    return spec.softcap != 0 || spec.mask == SoftmaxSpec::Bias ? 1 : spec.getScale();
  }

  const SoftmaxSpec &spec;
  const SoftmaxSchedule &schedule;
  KernelBuilder b;
  /// The thread's number within its row, and whether the row is one of the tensor.
  Value thread, isRow;
  /// The row's place; `row` (i64) is its number among all.
  Value batch, head, query, row;
  /// The number of columns, and of those in whole vectors. Both are 0 if there is no row.
  Value columns, whole;
  /// The columns that the row sees: those before `prefix` (null without the option), and
  /// [begin, end). `begin` is null without a window.
  Value prefix, begin, end;
  Value scores, probabilities, mask;
  /// The head's logit, as it is. Null without the option.
  Value sink;
  /// What is subtracted from the row's scores, and what their exponentials are multiplied by.
  Value subtrahend, factor;
};

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_SOFTMAX_SOFTMAXBODY_H
