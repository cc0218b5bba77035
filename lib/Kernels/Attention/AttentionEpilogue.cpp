//===- AttentionEpilogue.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What follows the last tile: the division by the sum, the gate, and rounding. The result goes
// through shared memory, so that global memory is written in chunks of 16 bytes.
//
//===----------------------------------------------------------------------===//

#include "../Common/Scores.h"
#include "AttentionBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace basin::kernels;

/// Stores a row's log(sum of exp(score)), the natural logarithm. If the row saw nothing, the
/// sum is 0 and lg2 gives -inf.
void AttentionBody::storeLogSumExp(Value row, Value max, Value sum) {
  Value log = b.intrinsic("llvm.nvvm.lg2.approx.ftz.f", b.getF32Type(), sum);
  Value value = b.fmul(b.fadd(max, log), b.f32(kLn2));
  Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, laneColumn, b.i32(0));
  b.ifThen(arith::AndIOp::create(b, first, b.lessS(row, queries)), [&] {
    Value before = b.add(b.mul(batch, b.arg("heads")), head);
    Value offset = arith::MulIOp::create(b, b.extend(before), b.extend(queries));
    b.store(value, b.at(b.arg("log_sum_exp"), b.getF32Type(), offset), b.getF32Type(), row);
  });
}

/// Adds up the sums of the four lanes of a row, and divides the result by the sum. A row that
/// saw nothing becomes zeros, or NaN if the spec has `nanHiddenRows`.
void AttentionBody::finishRows(State &state) {
  Value zero = b.f32(0);
  for (int64_t line = 0; line < 2 * rowTiles; ++line) {
    Value sum = b.warpSum(state.sum[line], 4);
    Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, zero);
    // If there are no keys at all, the result is an empty sum, and 0 in either case.
    Value nothing = zero;
    if (spec.nanHiddenRows)
      nothing = b.select(b.lessS(b.i32(0), keys), b.f32(NAN), zero);
    Value inverse = b.select(isZero, nothing, b.reciprocal(sum));
    for (int64_t i = 0; i < 2 * valueTiles; ++i) {
      Value &output = state.output[line / 2 * valueTiles + i / 2][line % 2 * 2 + i % 2];
      output = b.fmul(output, inverse);
    }
    if (spec.logSumExp)
      storeLogSumExp(rowOf(line / 2, line % 2), state.max[line], sum);
  }
}

/// Returns the factor that a gate stands for: the gate itself or its sigmoid.
Value AttentionBody::gateFactor(Value gate) {
  if (spec.gate == AttentionSpec::Plain)
    return gate;
  return b.reciprocal(b.fadd(b.exp2(b.fmul(gate, b.f32(-kLog2E))), b.f32(1)));
}

/// Multiplies one of the lane's rows by its one gate.
void AttentionBody::applyRowGate(int64_t line, State &state) {
  Value row = minS(rowOf(line / 2, line % 2), b.sub(queries, b.i32(1)));
  Value factor = gateFactor(b.toF32(b.load(rowPointer("gate", row), spec.type, b.i32(0))));
  for (int64_t i = 0; i < 2 * valueTiles; ++i) {
    Value &output = state.output[line / 2 * valueTiles + i / 2][line % 2 * 2 + i % 2];
    output = b.fmul(output, factor);
  }
}

/// Multiplies one of the lane's rows by the gates of its elements. They lie in shared memory,
/// at the places that the result will have.
void AttentionBody::applyGate(int64_t line, State &state, ArrayRef<Value> places) {
  for (int64_t column = 0; column < valueTiles; ++column) {
    Value pair = b.toF32(b.load(places[column], spec.type, b.i32(0), 2));
    for (int64_t i = 0; i < 2; ++i) {
      Value &output = state.output[line / 2 * valueTiles + column][line % 2 * 2 + i];
      output = b.fmul(output, gateFactor(b.extract(pair, i)));
    }
  }
}

/// Writes the result's tile to shared memory, over queries, keys and values. It waits for all
/// copies first: if the block visited no tile, the queries are still on their way.
void AttentionBody::stageOutput(State &state) {
  waitForCopies(b, 0);
  b.barrier();
  bool isStaged = spec.gate != AttentionSpec::NoGate && !spec.gatePerHead;
  if (isStaged) {
    copyQueryRows("gate", valueTile, b.shared());
    commitCopies(b);
    waitForCopies(b, 0);
    b.barrier();
  }
  Value own = b.add(b.mul(warp, b.i32(schedule.rowsPerWarp())), laneRow);
  for (int64_t line = 0; line < 2 * rowTiles; ++line) {
    Value row = b.add(own, b.i32(line * 8));
    Values places;
    for (int64_t column = 0; column < valueTiles; ++column) {
      Value offset = b.add(valueTile.offset(b, row, b.i32(column)), b.mul(laneColumn, b.i32(2)));
      places.push_back(b.at(b.shared(), b.getI8Type(), offset));
    }
    if (isStaged)
      applyGate(line, state, places);
    else if (spec.gate != AttentionSpec::NoGate)
      applyRowGate(line, state);
    for (int64_t column = 0; column < valueTiles; ++column) {
      const Fragment &output = state.output[line / 2 * valueTiles + column];
      Value both = pack(b, output[line % 2 * 2], output[line % 2 * 2 + 1], spec.type);
      b.store(both, places[column], b.getI32Type(), b.i32(0));
    }
  }
  b.barrier();
}

void AttentionBody::storeOutput() {
  Value chunk = b.remU(thread, valueTile.group());
  forRowsOfThread(valueTile, schedule.queries, [&](Value row, int64_t) {
    Value query = b.add(firstQuery, row);
    b.ifThen(b.lessS(query, queries), [&] {
      Value target = rowPointer("result", query);
      for (int64_t first = 0; first < valueTile.chunks(); first += valueTile.group()) {
        Value column = b.add(chunk, b.i32(first));
        auto storeChunk = [&] {
          Value place = b.at(b.shared(), b.getI8Type(), valueTile.offset(b, row, column));
          Value eight = b.load(place, spec.type, b.i32(0), 8);
          b.store(eight, target, spec.type, b.mul(column, b.i32(8)));
        };
        if (first + valueTile.group() <= valueTile.ownChunks())
          storeChunk();
        else
          b.ifThen(b.lessU(column, b.i32(valueTile.ownChunks())), storeChunk);
      }
    });
  });
}
