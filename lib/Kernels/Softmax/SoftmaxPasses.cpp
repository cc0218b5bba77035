//===- SoftmaxPasses.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The maximum of a row, the sum of its exponentials, and what is stored.
//
// Scores in registers: all loads -> scores -> maximum -> exponentials and their sum -> stores.
// Otherwise a first pass keeps a maximum and a sum for each thread, and rescales the sum when
// the maximum grows. A second pass reads the scores once more. The order of a sum depends on
// the schedule alone.
//
//===----------------------------------------------------------------------===//

#include "../Common/RowReduction.h"
#include "SoftmaxBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace basin::kernels;

//===----------------------------------------------------------------------===//
// The maximum and the sum
//===----------------------------------------------------------------------===//

/// Returns the maximum before the first score: that of the sink logit, or -inf. It may be
/// rounded, because any number near the maximum can be subtracted.
Value SoftmaxBody::seed() {
  if (!spec.sinkLogit)
    return b.f32(-INFINITY);
  sink = b.toF32(b.load(b.arg("sink_logit"), spec.getSinkType(), head));
  return b.fmul(sink, b.f32(1 / unit()));
}

/// Returns the sink logit's share of the sum. One thread of the row has it.
Value SoftmaxBody::sinkTerm() {
  Value minus = arith::NegFOp::create(b, subtrahend);
  Value power = b.fmul(b.fma(minus, b.f32(unit()), sink), b.f32(kLog2E));
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, b.i32(0));
  return b.select(isFirst, b.exp2(power), b.f32(0));
}

/// Adds the exponentials of a chunk to a sum.
Value SoftmaxBody::addExponentials(Value sum, ArrayRef<Value> exponentials) {
  if (exponentials.size() == 1)
    return b.fadd(sum, exponentials.front());
  return b.fadd(sum, b.sum(b.combine(exponentials)));
}

/// Adds the scores of a chunk to a thread's maximum and sum.
SoftmaxBody::State SoftmaxBody::absorb(State state, ArrayRef<Value> scores) {
  Value highest = state.max;
  for (Value score : scores)
    highest = b.fmax(highest, score);
  Value against = getSubtrahend(b, highest);
  Value before = b.fmul(state.sum, exponential(state.max, against));
  return {highest, addExponentials(before, exponentials(scores, against))};
}

/// Returns the row's maximum and finds what is subtracted.
Value SoftmaxBody::reduceMax(Value max) {
  Value highest = reduceRow(b, Reduction::Max, max, schedule.threadsPerRow, 0);
  subtrahend = getSubtrahend(b, highest);
  return highest;
}

/// Finds the factor of the exponentials from the row's maximum and the thread's share of the
/// sum. A row that saw nothing becomes zeros, or NaN if the spec has `nanHiddenRows`.
void SoftmaxBody::finish(Value max, Value sum) {
  if (sink)
    sum = b.fadd(sum, sinkTerm());
  sum = reduceRow(b, Reduction::Sum, sum, schedule.threadsPerRow, schedule.sharedBytes() / 2);
  Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, b.f32(0));
  factor = b.select(isZero, b.f32(spec.nanHiddenRows ? NAN : 0), b.reciprocal(sum));
  if (spec.logSumExp)
    storeLogSumExp(max, sum);
}

/// Stores the row's log(sum of exp(score)), the natural logarithm. If the row saw nothing, the
/// sum is 0 and lg2 gives -inf.
void SoftmaxBody::storeLogSumExp(Value max, Value sum) {
  Value log = b.intrinsic("llvm.nvvm.lg2.approx.ftz.f", b.getF32Type(), sum);
  Value value = b.fma(max, b.f32(unit()), b.fmul(log, b.f32(kLn2)));
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, b.i32(0));
  b.ifThen(arith::AndIOp::create(b, isRow, isFirst),
           [&] { b.store(value, b.arg("log_sum_exp"), b.getF32Type(), row); });
}

//===----------------------------------------------------------------------===//
// Passes
//===----------------------------------------------------------------------===//

/// Loads all chunks before the first is used, so that all loads are under way at once.
void SoftmaxBody::readOnce() {
  SmallVector<Chunk> chunks;
  for (int64_t step = 0; step < schedule.steps(spec.maxKeys); ++step)
    chunks.push_back(chunkOf(b.i32(step)));
  if (schedule.vector > 1)
    chunks.push_back(tailChunk());
  auto loads = llvm::map_to_vector(chunks, [&](const Chunk &chunk) { return load(chunk); });
  SmallVector<Values> rows;
  Value max = seed();
  for (auto [chunk, loaded] : llvm::zip(chunks, loads)) {
    rows.push_back(scoresOf(chunk, loaded));
    for (Value score : rows.back())
      max = b.fmax(max, score);
  }
  max = reduceMax(max);
  Value sum = b.f32(0);
  for (Values &row : rows) {
    row = exponentials(row, subtrahend);
    sum = addExponentials(sum, row);
  }
  finish(max, sum);
  for (auto [chunk, row] : llvm::zip(chunks, rows))
    store(chunk, row);
}

/// Returns the thread's maximum and sum. Steps before the first key of the window and behind the
/// last key are left out.
SoftmaxBody::State SoftmaxBody::firstPass() {
  Value last = arith::MinUIOp::create(b, end, whole), from = b.i32(0);
  if (begin && !prefix)
    from = b.divU(begin, schedule.columnsPerStep());
  Values carried = b.forLoop(from, countSteps(last), b.i32(1), {seed(), b.f32(0)},
                             [&](Value step, ValueRange state) -> SmallVector<Value> {
                               Chunk chunk = chunkOf(step);
                               State next =
                                   absorb({state[0], state[1]}, scoresOf(chunk, load(chunk)));
                               return {next.max, next.sum};
                             });
  State state{carried[0], carried[1]};
  if (schedule.vector == 1)
    return state;
  Chunk tail = tailChunk();
  return absorb(state, scoresOf(tail, load(tail)));
}

void SoftmaxBody::readTwice() {
  State own = firstPass();
  Value max = reduceMax(own.max);
  finish(max, b.fmul(own.sum, exponential(own.max, subtrahend)));
  auto write = [&](const Chunk &chunk) {
    store(chunk, exponentials(scoresOf(chunk, load(chunk)), subtrahend));
  };
  b.forLoop(b.i32(0), countSteps(whole), b.i32(1), {},
            [&](Value step, ValueRange) -> SmallVector<Value> {
              write(chunkOf(step));
              return {};
            });
  if (schedule.vector > 1)
    write(tailChunk());
}
