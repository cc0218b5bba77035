//===- AttentionKernel.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows of keys are counted with the n sink rows in front: row r is sink row r if r < n, and
// key r - n otherwise. A block visits the tiles that its queries can see:
//
//   [0, prefixTiles) with sink rows, then [firstTile, ...) up to its last row
//
// Each step waits for its keys, asks for the values of a later step, computes the scores,
// waits for its values, asks for the keys of a later step, and adds to the result. With s
// stages it asks for the keys of step t + s as soon as all threads have read those of step t.
// Copies therefore are in a strict order: k0 v0 k1 v1 ...
//
//===----------------------------------------------------------------------===//

#include "../Common/Scores.h"
#include "AttentionBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace basin::kernels;

static SmallVector<KernelArgument> argumentsOf(const AttentionSpec &spec) {
  MLIRContext *ctx = spec.type.getContext();
  Type f32 = Float32Type::get(ctx), i32 = IntegerType::get(ctx, 32);
  Type i64 = IntegerType::get(ctx, 64);
  SmallVector<KernelArgument> out;
  SmallVector<std::string> strided;
  auto add = [&](bool has, StringRef name, KernelArgument::Kind kind, Type type) {
    if (has)
      out.push_back({name.str(), kind, type});
  };
  // Rows that are copied 16 bytes at once need that alignment. Other tensors are read element
  // by element.
  auto addStrided = [&](bool has, StringRef name, KernelArgument::Kind kind, Type type,
                        bool isCopied) {
    if (!has)
      return;
    int64_t alignment = isCopied ? 16 : type.getIntOrFloatBitWidth() / 8;
    out.push_back({name.str(), kind, type, alignment, /*isStrided=*/true});
    strided.push_back(name.str());
  };
  addStrided(true, "query", KernelArgument::In, spec.type, true);
  addStrided(true, "key", KernelArgument::In, spec.type, true);
  addStrided(true, "value", KernelArgument::In, spec.type, true);
  addStrided(spec.mask != AttentionSpec::NoMask, "mask", KernelArgument::In, getMaskElement(spec),
             false);
  add(spec.keyLengths, "key_lengths", KernelArgument::In, i32);
  add(spec.sinkLogit, "sink_logit", KernelArgument::In, spec.getSinkType());
  add(spec.sinkKeyValue, "sink_key", KernelArgument::In, spec.type);
  add(spec.sinkKeyValue, "sink_value", KernelArgument::In, spec.type);
  addStrided(spec.gate != AttentionSpec::NoGate, "gate", KernelArgument::In, spec.type,
             !spec.gatePerHead);
  addStrided(true, "result", KernelArgument::Out, spec.type, true);
  add(spec.logSumExp, "log_sum_exp", KernelArgument::Out, f32);
  for (StringRef name : strided) {
    add(true, (name + "_batch_stride").str(), KernelArgument::Scalar, i64);
    add(true, (name + "_head_stride").str(), KernelArgument::Scalar, i64);
    add(true, (name + "_row_stride").str(), KernelArgument::Scalar, i32);
  }
  for (StringRef name : {"heads", "kv_heads", "batch", "queries", "keys"})
    add(true, name, KernelArgument::Scalar, i32);
  add(spec.sinkKeyValue, "sink_rows", KernelArgument::Scalar, i32);
  add(spec.window, "window", KernelArgument::Scalar, i32);
  return out;
}

AttentionBody::AttentionBody(gpu::GPUModuleOp module, const AttentionSpec &spec,
                             const AttentionSchedule &schedule, StringRef name)
    : spec(spec), schedule(schedule),
      b(module, name, argumentsOf(spec), schedule.blockSize(), schedule.sharedBytes(spec)),
      keyTile(spec.headDim), valueTile(spec.getValueDim()), rowTiles(schedule.rowsPerWarp() / 16),
      scoreTiles(schedule.keys / 8), valueTiles(llvm::alignTo(spec.getValueDim(), 16) / 8),
      headSteps(llvm::divideCeil(spec.headDim, 16)) {
  if (schedule.wantsRegisters)
    b.wantRegisters();
}

Value AttentionBody::minS(Value x, Value y) { return arith::MinSIOp::create(b, x, y); }
Value AttentionBody::maxS(Value x, Value y) { return arith::MaxSIOp::create(b, x, y); }

/// Returns the number of the lane's query in half 0 or 1 of a 16-row tile.
Value AttentionBody::rowOf(int64_t rowTile, int64_t half) {
  return b.add(b.add(warpQuery, laneRow), b.i32(rowTile * 16 + half * 8));
}

//===----------------------------------------------------------------------===//
// The block's place
//===----------------------------------------------------------------------===//

/// Finds the batch and the head of block `block`, and returns its tile. All blocks are on the
/// x axis, with the tiles of one head side by side, because the other axes of a grid have at
/// most 65535 blocks. Heads or batches may be more.
Value AttentionBody::findHead(Value block, Value tiles) {
  Value heads = b.arg("heads");
  Value ofHead = arith::DivUIOp::create(b, block, tiles);
  batch = arith::DivUIOp::create(b, ofHead, heads);
  head = b.sub(ofHead, b.mul(batch, heads));
  return b.sub(block, b.mul(ofHead, tiles));
}

/// Finds batch and head once more for the end of the kernel. Two divisions are cheaper than
/// two registers during the loop. The compiler would see that the numbers are the same and
/// keep them, so we add a number that it does not know. It is always 0, because `queries` is
/// not negative.
void AttentionBody::findHeadAgain() {
  Value unknown = arith::ShRSIOp::create(b, queries, b.i32(31));
  Value last = b.add(b.sub(queries, b.i32(1)), unknown);
  findHead(b.add(b.blockX(), unknown), b.add(b.divU(last, schedule.queries), b.i32(1)));
}

void AttentionBody::locate() {
  thread = b.threadX();
  lane = b.lane();
  warp = b.warp();
  queries = b.arg("queries");
  Value lastTile = b.divU(b.sub(queries, b.i32(1)), schedule.queries);
  Value tile = findHead(b.blockX(), b.add(lastTile, b.i32(1)));
  // The product of two numbers of heads needs 64 bits.
  Value product = arith::MulIOp::create(b, b.extend(head), b.extend(b.arg("kv_heads")));
  Value ofGroup = arith::DivUIOp::create(b, product, b.extend(b.arg("heads")));
  keyHead = arith::TruncIOp::create(b, b.getI32Type(), ofGroup);
  keys = b.arg("keys");
  sinkRows = b.arg("sink_rows");
  diagonal = spec.topLeft ? b.i32(0) : b.sub(keys, queries);
  keyEnd = keys;
  if (spec.keyLengths) {
    Value length = b.load(b.arg("key_lengths"), b.getI32Type(), batch);
    keyEnd = maxS(minS(length, keys), b.i32(0));
  }
  // Every query is nearer to every key than this, so a larger window would hide nothing more,
  // and the sums below cannot overflow.
  if (spec.window)
    window = minS(b.arg("window"), b.add(queries, keys));
  // The tiles that see the most keys come first, so that short ones fill the launch's end.
  if (spec.causal)
    tile = b.sub(lastTile, tile);
  firstQuery = b.mul(tile, b.i32(schedule.queries));
  warpQuery = b.add(firstQuery, b.mul(warp, b.i32(schedule.rowsPerWarp())));
}

/// Finds the lane's place in the tiles of matrix instructions. It points ldmatrix to row
/// lane % 8 of block lane / 8. The four blocks of keys are: rows 0-7 of chunk 0, rows 0-7 of
/// chunk 1, rows 8-15 of chunk 0, rows 8-15 of chunk 1. Those of queries and values are: rows
/// 0-7 of chunk 0, rows 8-15 of chunk 0, rows 0-7 of chunk 1, rows 8-15 of chunk 1.
void AttentionBody::locateLane() {
  laneRow = b.divU(lane, 4);
  laneColumn = b.mul(b.remU(lane, 4), b.i32(2));
  Value inBlock = b.remU(lane, 8), low = b.remU(b.divU(lane, 8), 2), high = b.divU(lane, 16);
  Value byLow = b.add(inBlock, b.mul(low, b.i32(8)));
  Value byHigh = b.add(inBlock, b.mul(high, b.i32(8)));
  queryAddresses = LaneAddresses(b, keyTile, byLow, high);
  keyAddresses = LaneAddresses(b, keyTile, byHigh, low);
  valueAddresses = LaneAddresses(b, valueTile, byLow, high);
  Value own = b.mul(warp, b.i32(schedule.rowsPerWarp() * keyTile.rowBytes()));
  queryBases = queryAddresses.bases(b, b.at(b.shared(), b.getI8Type(), own));
}

/// Returns the end of the rows of keys that query `row` sees, counted from row `from` of keys.
/// It is negative if the end lies before `from`.
Value AttentionBody::findRowEnd(Value row, Value from) {
  auto fromHere = [&](Value key) { return b.sub(sinkRows ? b.add(key, sinkRows) : key, from); };
  Value end = fromHere(keyEnd);
  if (!spec.causal)
    return end;
  end = minS(b.add(row, fromHere(b.add(diagonal, b.i32(1)))), end);
  return sinkRows ? maxS(end, b.sub(sinkRows, from)) : end;
}

/// Returns where the window of query `row` begins, counted from row `from` of keys.
Value AttentionBody::findRowBegin(Value row, Value from) {
  Value begin = b.sub(b.add(b.sub(diagonal, window), b.i32(1)), from);
  return b.add(row, sinkRows ? b.add(begin, sinkRows) : begin);
}

static Value ceilDiv(KernelBuilder &b, Value x, int64_t by) {
  return b.divU(b.add(x, b.i32(by - 1)), by);
}

void AttentionBody::findTiles() {
  Value last = minS(b.add(firstQuery, b.i32(schedule.queries - 1)), b.sub(queries, b.i32(1)));
  Value zero = b.i32(0);
  Value endTile = ceilDiv(b, maxS(findRowEnd(last, zero), zero), schedule.keys);
  prefixTiles = sinkRows ? ceilDiv(b, sinkRows, schedule.keys) : zero;
  firstTile = prefixTiles;
  if (spec.window) {
    Value begin = maxS(findRowBegin(firstQuery, zero), zero);
    firstTile = maxS(b.divU(begin, schedule.keys), prefixTiles);
  }
  steps = b.add(prefixTiles, maxS(b.sub(endTile, firstTile), zero));
}

/// Returns the first row of keys of the tile that `step` visits.
Value AttentionBody::firstKeyOf(Value step) {
  Value tile = b.add(step, b.sub(firstTile, prefixTiles));
  if (sinkRows)
    tile = b.select(b.lessS(step, prefixTiles), step, tile);
  return b.mul(tile, b.i32(schedule.keys));
}

//===----------------------------------------------------------------------===//
// The loop
//===----------------------------------------------------------------------===//

/// Returns the state before the first tile: an empty sum and the maximum -inf. A sink logit is
/// a first summand exp(sink - maximum). It begins as the maximum, so the summand is 1 and can
/// only shrink. The four lanes of a row add up their sums at the end, so only one of them
/// begins with the 1.
AttentionBody::State AttentionBody::seed() {
  State state;
  Value zero = b.f32(0), max = b.f32(-INFINITY), sum = zero;
  if (spec.sinkLogit) {
    Value sink = b.toF32(b.load(b.arg("sink_logit"), spec.getSinkType(), head));
    max = b.fmul(sink, b.f32(kLog2E));
    Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, laneColumn, b.i32(0));
    sum = b.select(first, b.f32(1), zero);
  }
  state.output.assign(rowTiles * valueTiles, Fragment(4, zero));
  state.max.assign(rowTiles * 2, max);
  state.sum.assign(rowTiles * 2, sum);
  return state;
}

AttentionBody::Values AttentionBody::flatten(const State &state) {
  Values out;
  for (const Fragment &fragment : state.output)
    out.append(fragment);
  out.append(state.max);
  out.append(state.sum);
  return out;
}

AttentionBody::State AttentionBody::unflatten(ValueRange values) const {
  State state;
  for (int64_t i = 0; i < rowTiles * valueTiles; ++i)
    state.output.push_back(Fragment(values.slice(4 * i, 4)));
  values = values.drop_front(4 * state.output.size());
  llvm::append_range(state.max, values.take_front(2 * rowTiles));
  llvm::append_range(state.sum, values.drop_front(2 * rowTiles));
  return state;
}

AttentionBody::State AttentionBody::visitTile(Value step, State state) {
  int64_t pending = 2 * (schedule.stages - 1);
  waitForCopies(b, pending);
  b.barrier();
  issueValues(b.add(step, b.i32(schedule.stages - 1)));
  Fragments scores = computeScores(keySlot(step));
  waitForCopies(b, pending);
  b.barrier();
  issueKeys(b.add(step, b.i32(schedule.stages)));
  Value firstKey = firstKeyOf(step);
  capScores(scores);
  applyMask(scores, firstKey);
  hideOutside(scores, firstKey);
  exponentiate(scores, state);
  accumulate(scores, valueSlot(step), state);
  return state;
}

AttentionBody::State AttentionBody::loop(State state) {
  return unflatten(b.forLoop(b.i32(0), steps, b.i32(1), flatten(state),
                             [&](Value step, ValueRange carried) -> SmallVector<Value> {
                               return flatten(visitTile(step, unflatten(carried)));
                             }));
}

gpu::GPUFuncOp AttentionBody::build() {
  locate();
  locateLane();
  findTiles();
  loadQueries();
  prefetch();
  State state = loop(seed());
  findHeadAgain();
  finishRows(state);
  stageOutput(state);
  storeOutput();
  b.finish();
  setGrid(b.getKernel(), {{"queries", schedule.queries}, {"heads", 1}, {"batch", 1}});
  return b.getKernel();
}

gpu::GPUFuncOp basin::kernels::buildAttentionKernel(gpu::GPUModuleOp module,
                                                    const AttentionSpec &spec,
                                                    const AttentionSchedule &schedule,
                                                    StringRef name) {
  assert(!check(spec) && "a spec that no schedule can do");
  std::string own = name.empty() ? getName(spec) : name.str();
  return AttentionBody(module, spec, schedule, own).build();
}
