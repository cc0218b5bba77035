//===- GatedNormSlots.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rows of a gated norm in shared memory. A block goes from tile to tile of 16
// rows; each of its lanes has a ring of slots, one a group of columns, that no other
// lane touches: it copies what it reads itself, and waits for its own copies alone.
//
//   x         slot of group v is v mod slots. The last pass over a tile frees its slots
//             one by one and asks for what comes `slots` groups later: the next tile
//             arrives while this one is finished.
//   residual  the same with fewer slots, freed by the first pass, which leaves
//             h = x + residual in x's slot.
//
// Copies of both are groups of the hardware's kind, in a fixed order, empty ones too, so
// that waiting counts them. With n steps a tile, s slots and r of the residual the order
// is: r and s at the start; then for each tile n of the residual and n of x.
//
//===----------------------------------------------------------------------===//

#include "GatedNormBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace basin::kernels;

static constexpr int64_t kLaneBytes = 16, kWarpBytes = 32 * kLaneBytes;

/// Groups that a pass asks for ahead: as many as registers allow.
int64_t GatedNormBody::aheadOf(GatePass pass) const {
  return pass == GatePass::Statistics || spec.gateRank > 16 ? 1 : 2;
}

/// Asks for all that the pass needs for a group but its rows.
void GatedNormBody::fetch(GatePass pass, Group &group) {
  bool isStatistics = pass == GatePass::Statistics;
  bool isFirst = isStatistics || isDeferred();
  for (auto [name, isThere] : std::initializer_list<std::pair<StringRef, bool>>{
           {"residual_bias", spec.residualBias && isFirst && pass != GatePass::Up},
           {"pre_affine", spec.preAffine},
           {"weight", spec.weight && !isStatistics},
           {"bias", spec.bias && !isStatistics}})
    if (isThere)
      group.vectors[name] = loadColumns(b.arg(name), spec.parameterType, group);
  if (pass == GatePass::Down)
    group.weights = downWeights(group);
  if (pass == GatePass::Up && !spec.tensorwise)
    group.weights = upWeights(group);
}

/// Asks for what a pass needs of its first `count` groups.
void GatedNormBody::begin(GatePass pass, int64_t count) {
  for (int64_t step = begun.size(); step < std::min(count, steps()); ++step) {
    begun.push_back(groupOf(pass, step));
    fetch(pass, begun.back());
  }
}

/// The rows of the block's tile that many after this one.
const TileRows &GatedNormBody::rowsAhead(int64_t tiles) {
  if (tiles == 0)
    return rows;
  if (next.size() < size_t(tiles))
    next.resize(tiles);
  std::optional<TileRows> &out = next[tiles - 1];
  if (!out)
    out = rowsOf(b.add(tile, b.mul(grid, b.i32(tiles))));
  return *out;
}

/// A number of a slot below twice as many as there are.
Value GatedNormBody::wrapped(Value slot) {
  Value count = b.i32(schedule.slots);
  return b.select(b.lessU(slot, count), slot, b.sub(slot, count));
}

/// The lane's 16 bytes, or the first of two times 16, of row g + 8i.
Value GatedNormBody::slotOf(StringRef tensor, int64_t step, int64_t i) {
  bool isX = tensor == "x";
  int64_t parts = kWidth * spec.type.getIntOrFloatBitWidth() / 8 / kLaneBytes;
  int64_t groupBytes = 2 * parts * kWarpBytes, slotBytes = schedule.warps * groupBytes;
  int64_t base = schedule.exchangeBytes(spec) + (isX ? 0 : schedule.slots * slotBytes);
  Value lane = b.add(b.mul(warp, b.i32(groupBytes)), b.mul(b.lane(), b.i32(kLaneBytes)));
  base += i * parts * kWarpBytes;
  if (!isX)
    base += step % schedule.residualSlots(spec) * slotBytes;
  else if (!firstSlot)
    base += step * slotBytes;
  else
    lane = b.add(lane, b.mul(wrapped(b.add(firstSlot, b.i32(step))), b.i32(slotBytes)));
  return b.at(b.at(b.shared(), b.getI8Type(), lane), b.getI8Type(), b.i32(base));
}

Value GatedNormBody::readSlot(StringRef tensor, int64_t step, int64_t i) {
  Value slot = slotOf(tensor, step, i);
  if (!spec.type.isF32())
    return b.load(slot, spec.type, b.i32(0), kWidth);
  SmallVector<Value> elements;
  for (int64_t part = 0; part < 2; ++part) {
    Value four = b.load(slot, spec.type, b.i32(part * kWarpBytes / 4), kWidth / 2);
    for (int64_t k = 0; k < kWidth / 2; ++k)
      elements.push_back(b.extract(four, k));
  }
  return b.combine(elements);
}

void GatedNormBody::writeSlot(int64_t step, int64_t i, Value h) {
  Value slot = slotOf("x", step, i);
  if (!spec.type.isF32())
    return b.store(h, slot, spec.type, b.i32(0));
  for (int64_t part = 0; part < 2; ++part) {
    SmallVector<Value> elements;
    for (int64_t k = 0; k < kWidth / 2; ++k)
      elements.push_back(b.extract(h, part * kWidth / 2 + k));
    b.store(b.combine(elements), slot, spec.type, b.i32(part * kWarpBytes / 4));
  }
}

/// Begins to copy group `number`, counted from this tile's first, to the slot that is
/// its own; a group of copies whether or not there is such a tile.
void GatedNormBody::askFor(StringRef tensor, int64_t number) {
  const TileRows &from = rowsAhead(number / steps());
  Group group = groupOf(GatePass::Down, number % steps());
  // `slots` later is the same slot.
  int64_t own = tensor == "x" ? number % schedule.slots : number;
  Pair targets{slotOf(tensor, own, 0), slotOf(tensor, own, 1)};
  int64_t each = kLaneBytes * 8 / spec.type.getIntOrFloatBitWidth();
  b.ifThen(from.any, [&] {
    for (int64_t i = 0; i < 2; ++i) {
      Value row = b.at(b.arg(tensor), spec.type, from.offsets[i]);
      Value source = b.at(row, spec.type, group.columns[0]);
      for (int64_t part = 0; part * each < kWidth; ++part)
        copyAsync(b, b.at(targets[i], b.getI8Type(), b.i32(part * kWarpBytes)),
                  b.at(source, spec.type, b.i32(group.distance + part * each)), b.i32(kLaneBytes));
    }
  });
  commitCopies(b);
}

void GatedNormBody::askForFirst() {
  for (int64_t number = 0; number < schedule.residualSlots(spec); ++number)
    askFor("residual", number);
  for (int64_t number = 0; number < schedule.slots; ++number)
    askFor("x", number);
}

/// Copies that may be on their way when the first pass reads group `step`.
int64_t GatedNormBody::pendingAt(int64_t step) const {
  if (!spec.residual)
    return schedule.slots - 1 - step;
  int64_t slots = schedule.residualSlots(spec);
  // Before the tile's own residual's: after those that came before, all of x's.
  int64_t ofResidual = slots - 1 + (step < slots ? steps() : 0);
  return std::min(ofResidual, schedule.slots - 1);
}

/// `body` for the block's tiles of rows: one, or where it has slots every grid'th.
void GatedNormBody::forTiles(llvm::function_ref<void()> body) {
  tile = b.blockX();
  rows = rowsOf(tile);
  if (!hasSlots())
    return body();
  grid = b.gridX();
  askForFirst();
  Value count = b.divU(b.add(b.arg("rows"), b.i32(kGateRows - 1)), kGateRows);
  // The tiles of a launch are below 2^27, and no grid is larger.
  bool moves = schedule.slots != steps();
  SmallVector<Value> carried(moves ? 1 : 0, b.i32(0));
  b.forLoop(tile, count, grid, carried, [&](Value number, ValueRange first) {
    tile = number;
    rows = rowsOf(tile);
    next.clear();
    if (!moves) {
      body();
      return SmallVector<Value>();
    }
    firstSlot = first[0];
    body();
    return SmallVector<Value>{wrapped(b.add(firstSlot, b.i32(steps())))};
  });
  waitForCopies(b, 0);
  setResident(b.getKernel());
}
