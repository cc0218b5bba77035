//===- AttentionLoad.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Copies from global to shared memory, 16 bytes at once, and loads the queries into registers.
// Rows beyond the end become zeros: the scores of such keys are hidden later, but their values
// are multiplied by 0, and 0 times garbage could be NaN. Columns beyond the head dim become
// zeros, too, because scores are sums over all columns of the tile.
//
//===----------------------------------------------------------------------===//

#include "../Common/Scores.h"
#include "AttentionBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace basin::kernels;

static Value mulLong(KernelBuilder &b, Value x, Value y) { return arith::MulIOp::create(b, x, y); }

/// Returns the offset (i64) of the first element of the block's batch and of `head`.
Value AttentionBody::offsetOf(StringRef tensor, Value head) {
  Value ofBatch = mulLong(b, b.extend(batch), b.arg((tensor + "_batch_stride").str()));
  Value ofHead = mulLong(b, b.extend(head), b.arg((tensor + "_head_stride").str()));
  return arith::AddIOp::create(b, ofBatch, ofHead);
}

/// Points to row `row` of the tensor, for the block's batch and head.
Value AttentionBody::rowPointer(StringRef tensor, Value row) {
  bool isKey = tensor == "key" || tensor == "value";
  Type element = tensor == "mask" ? getMaskElement(spec) : spec.type;
  Value start = b.at(b.arg(tensor), element, offsetOf(tensor, isKey ? keyHead : head));
  Value stride = b.arg((tensor + "_row_stride").str());
  return b.at(start, element, mulLong(b, b.extend(row), b.extend(stride)));
}

/// Calls `body` for each row of a tile of `rows` rows in which this thread copies a chunk. It
/// gets the row's number, and the constant distance of that row from the thread's first row.
void AttentionBody::forRowsOfThread(HeadTile tile, int64_t rows,
                                    llvm::function_ref<void(Value, int64_t)> body) {
  int64_t rowsAtOnce = schedule.blockSize() / tile.group();
  Value mine = b.divU(thread, tile.group());
  for (int64_t offset = 0; offset < rows; offset += rowsAtOnce) {
    Value row = b.add(mine, b.i32(offset));
    if (offset + rowsAtOnce <= rows)
      body(row, offset);
    else
      b.ifThen(b.lessU(row, b.i32(rows)), [&] { body(row, offset); });
  }
}

/// Begins to copy a tile. `source` returns the address of a row and how many bytes of each
/// chunk to read, 16 or 0; the others become zeros.
void AttentionBody::copyTile(HeadTile tile, int64_t rows, Value target,
                             llvm::function_ref<std::pair<Value, Value>(Value)> source) {
  Value mine = b.divU(thread, tile.group()), chunk = b.remU(thread, tile.group());
  Value place = b.at(target, b.getI8Type(), tile.offset(b, mine, chunk));
  Value element = b.mul(chunk, b.i32(8));
  forRowsOfThread(tile, rows, [&](Value row, int64_t offset) {
    auto [pointer, bytes] = source(row);
    Value from = b.at(pointer, spec.type, element);
    for (int64_t first = 0; first < tile.chunks(); first += tile.group()) {
      Value some = bytes;
      if (first + tile.group() > tile.ownChunks())
        some = b.select(b.lessU(chunk, b.i32(tile.ownChunks() - first)), bytes, b.i32(0));
      copyAsync(b, b.at(place, b.getI8Type(), b.i32(offset * tile.rowBytes() + first * 16)),
                b.at(from, spec.type, b.i32(first * 8)), some);
    }
  });
}

/// Begins to copy the block's rows of a tensor that has a row for each query.
void AttentionBody::copyQueryRows(StringRef tensor, HeadTile tile, Value target) {
  copyTile(tile, schedule.queries, target, [&](Value row) {
    Value query = b.add(firstQuery, row);
    Value isRow = b.lessS(query, queries);
    Value safe = b.select(isRow, query, b.sub(queries, b.i32(1)));
    return std::pair(rowPointer(tensor, safe), b.select(isRow, b.i32(16), b.i32(0)));
  });
}

/// Begins to copy a tile of rows of keys or values. Rows in front come from `sinkTensor`.
void AttentionBody::copyKeyRows(StringRef tensor, StringRef sinkTensor, HeadTile tile, Value target,
                                Value firstKey) {
  copyTile(tile, schedule.keys, target, [&](Value row) {
    Value number = b.add(firstKey, row);
    Value key = sinkRows ? b.sub(number, sinkRows) : number;
    Value isRow = b.lessS(key, keyEnd);
    Value safe = b.select(isRow, key, b.sub(keyEnd, b.i32(1)));
    Value bytes = b.select(isRow, b.i32(16), b.i32(0));
    if (!sinkRows)
      return std::pair(rowPointer(tensor, safe), bytes);
    Value isSink = b.lessS(number, sinkRows);
    Value sinkRow = arith::AddIOp::create(b, mulLong(b, b.extend(keyHead), b.extend(sinkRows)),
                                          b.extend(number));
    Value sink = b.at(b.arg(sinkTensor), spec.type, mulLong(b, sinkRow, b.i64(tile.dim)));
    return std::pair(b.select(isSink, sink, rowPointer(tensor, maxS(safe, b.i32(0)))), bytes);
  });
}

//===----------------------------------------------------------------------===//
// Tiles of keys and values
//===----------------------------------------------------------------------===//

Value AttentionBody::slotOf(Value step, int64_t base, int64_t bytes) {
  if (schedule.stages == 1)
    return b.shared(base);
  Value slot = b.remU(step, schedule.stages);
  return b.at(b.shared(base), b.getI8Type(), b.mul(slot, b.i32(bytes)));
}

/// Points to the keys of a step. Shared memory holds the queries, unless they are in registers,
/// then the keys of each stage, then the values of each stage.
Value AttentionBody::keySlot(Value step) {
  int64_t base = schedule.queryInRegisters ? 0 : schedule.queries * keyTile.rowBytes();
  return slotOf(step, base, schedule.keys * keyTile.rowBytes());
}

Value AttentionBody::valueSlot(Value step) {
  int64_t base = schedule.queryInRegisters ? 0 : schedule.queries * keyTile.rowBytes();
  base += schedule.stages * schedule.keys * keyTile.rowBytes();
  return slotOf(step, base, schedule.keys * valueTile.rowBytes());
}

/// Begins to copy the keys of `step`, if that step exists. It commits a group of copies in any
/// case, because waiting counts groups.
void AttentionBody::issueKeys(Value step) {
  b.ifThen(b.lessS(step, steps),
           [&] { copyKeyRows("key", "sink_key", keyTile, keySlot(step), firstKeyOf(step)); });
  commitCopies(b);
}

void AttentionBody::issueValues(Value step) {
  b.ifThen(b.lessS(step, steps), [&] {
    copyKeyRows("value", "sink_value", valueTile, valueSlot(step), firstKeyOf(step));
  });
  commitCopies(b);
}

/// Begins to copy the queries. They arrive with the first group of copies. If they go on to
/// registers, waits for them and loads them.
void AttentionBody::loadQueries() {
  copyQueryRows("query", keyTile, b.shared());
  if (!schedule.queryInRegisters)
    return;
  commitCopies(b);
  waitForCopies(b, 0);
  b.barrier();
  for (int64_t tile = 0; tile < rowTiles; ++tile)
    for (int64_t k = 0; k < headSteps; ++k)
      queryFragments.push_back(
          loadMatrices(b, queryAddresses.at(b, queryBases, tile * 16, k), /*transposed=*/false));
  b.barrier();
}

void AttentionBody::prefetch() {
  for (int64_t step = 0; step < schedule.stages; ++step) {
    issueKeys(b.i32(step));
    if (step + 1 < schedule.stages)
      issueValues(b.i32(step));
  }
}
