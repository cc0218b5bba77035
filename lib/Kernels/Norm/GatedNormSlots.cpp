//===- GatedNormSlots.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Keeps the rows of a gated norm, and weights of its gate, in shared memory. A block computes
// one tile of 16 rows after the other. Each lane has rings of slots, and a slot holds the
// lane's part of one group of columns. A lane copies only what it will read itself, and no
// other lane touches its slots. So it waits only for its own copies, without a barrier. There
// are three rings:
//
//   x         Group v is in slot v mod slots. The last pass over a tile frees one slot after
//             the other, and asks for the group that comes `slots` later. The next tile
//             therefore arrives while this one is being finished.
//   residual  The ring has `ahead` slots, which the first pass frees. That pass leaves
//             h = x + residual in the slot of x.
//   weights   The ring has `ahead` slots, for the groups of the down product and then those
//             of the up product. Weights loaded into registers would have to wait for rows
//             that were asked for before, because a multiprocessor answers in order.
//
// Each step of the first pass and of the products commits one group of copies, even an empty
// one. Waiting until few enough groups are left is therefore waiting for a step's copies.
//
//===----------------------------------------------------------------------===//

#include "GatedNormBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace basin::kernels;

static constexpr int64_t kWarpBytes = 32 * kSlotBytes;

/// Returns the rows of the tile that the block computes `tiles` tiles after this one.
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

/// Returns `slot` modulo the number of slots, if it is less than twice that number.
Value GatedNormBody::wrapped(Value slot) {
  Value count = b.i32(schedule.slots);
  return b.select(b.lessU(slot, count), slot, b.sub(slot, count));
}

/// Points to the slot with the lane's eight columns of row g + 8i.
Value GatedNormBody::slotOf(StringRef tensor, int64_t step, int64_t i) {
  bool isX = tensor == "x";
  int64_t slotBytes = schedule.slotBytes(spec);
  int64_t base = schedule.exchangeBytes(spec) + schedule.vectorBytes(spec) + i * kWarpBytes;
  base += isX ? 0 : schedule.slots * slotBytes;
  Value lane = b.add(b.mul(warp, b.i32(2 * kWarpBytes)), b.mul(b.lane(), b.i32(kSlotBytes)));
  if (!isX)
    base += step % schedule.ahead * slotBytes;
  else if (!firstSlot)
    base += step * slotBytes;
  else
    lane = b.add(lane, b.mul(wrapped(b.add(firstSlot, b.i32(step))), b.i32(slotBytes)));
  return b.at(b.at(b.shared(), b.getI8Type(), lane), b.getI8Type(), b.i32(base));
}

Value GatedNormBody::readSlot(StringRef tensor, int64_t step, int64_t i) {
  return b.load(slotOf(tensor, step, i), spec.type, b.i32(0), kWidth);
}

void GatedNormBody::writeSlot(int64_t step, int64_t i, Value h) {
  b.store(h, slotOf("x", step, i), spec.type, b.i32(0));
}

/// Points to the lane's first 16 bytes in the slot of weights of a group. The groups of the
/// down product are numbered from 0, and those of the up product follow.
Value GatedNormBody::weightSlotOf(int64_t number) {
  int64_t base = schedule.exchangeBytes(spec) + schedule.vectorBytes(spec);
  base += (schedule.slots + schedule.residualSlots(spec)) * schedule.slotBytes(spec);
  base += number % schedule.ahead * schedule.weightBytes(spec);
  Value mine = b.add(b.mul(warp, b.i32(schedule.weightBytes(spec) / schedule.warps)),
                     b.mul(b.lane(), b.i32(kSlotBytes)));
  return b.at(b.at(b.shared(), b.getI8Type(), mine), b.getI8Type(), b.i32(base));
}

/// Loads eight weights from the lane's slot.
Value GatedNormBody::readWeights(int64_t number, int64_t access) {
  return b.load(weightSlotOf(number), spec.type, b.i32(access * 32 * kWidth), kWidth);
}

/// Returns the parameters that have an element for each column, in the order of their copies
/// in shared memory.
SmallVector<StringRef, 4> GatedNormBody::vectorNames() const {
  SmallVector<StringRef, 4> out;
  for (auto [name, isThere] :
       std::initializer_list<std::pair<StringRef, bool>>{{"residual_bias", spec.residualBias},
                                                         {"pre_affine", spec.preAffine},
                                                         {"weight", spec.weight},
                                                         {"bias", spec.bias}})
    if (isThere)
      out.push_back(name);
  return out;
}

/// Points to the copy of a vector of parameters.
Value GatedNormBody::vectorOf(StringRef name) {
  SmallVector<StringRef, 4> names = vectorNames();
  int64_t bytes = spec.dim * spec.parameterType.getIntOrFloatBitWidth() / 8;
  return b.shared(schedule.exchangeBytes(spec) + (llvm::find(names, name) - names.begin()) * bytes);
}

/// Begins to copy the rows of group `number`, counted from the first group of this tile, if
/// the tile of that group exists.
void GatedNormBody::copyRows(StringRef tensor, int64_t number) {
  const TileRows &from = rowsAhead(number / steps());
  Group group = groupOf(GatePass::Down, number % steps());
  // The group that comes `slots` later has the same slot.
  int64_t own = tensor == "x" ? number % schedule.slots : number;
  Pair targets{slotOf(tensor, own, 0), slotOf(tensor, own, 1)};
  b.ifThen(from.any, [&] {
    for (int64_t i = 0; i < 2; ++i) {
      Value row = b.at(b.arg(tensor), spec.type, from.offsets[i]);
      Value source = b.at(row, spec.type, group.columns[0]);
      copyAsync(b, targets[i], b.at(source, spec.type, b.i32(group.distance)), kSlotBytes);
    }
  });
}

/// Begins to copy the weights of group `number`. They are the same for all tiles.
void GatedNormBody::copyWeights(int64_t number) {
  number %= 2 * steps();
  bool isDown = number < steps();
  Group group = groupOf(isDown ? GatePass::Down : GatePass::Up, number % steps());
  Value slot = weightSlotOf(number);
  for (int64_t tile = 0; isDown && tile < tiles; ++tile) {
    Value row = b.at(downPointer(tile), spec.type, group.columns[0]);
    copyAsync(b, b.at(slot, b.getI8Type(), b.i32(tile * kWarpBytes)),
              b.at(row, spec.type, b.i32(group.distance)), kSlotBytes);
  }
  for (int64_t tile = 0; !isDown && tile < 4; ++tile)
    for (int64_t step = 0; 2 * step < tiles; ++step) {
      // Each copy has 8 bytes. Two of them fill 16 bytes that are the lane's own.
      int64_t half = tile * tiles / 2 + step;
      int64_t place = half / 2 * kWarpBytes + half % 2 * (kSlotBytes / 2);
      copyAsync(b, b.at(slot, b.getI8Type(), b.i32(place)),
                upPointer(group, tile, step, /*count=*/4), kSlotBytes / 2);
    }
}

/// Begins to copy the vectors of parameters, which all threads share. The copies stay until
/// the kernel ends.
void GatedNormBody::copyVectors() {
  int64_t each = kSlotBytes * 8 / spec.parameterType.getIntOrFloatBitWidth();
  for (StringRef name : vectorNames())
    for (int64_t first = 0; first < spec.dim; first += schedule.blockSize() * each) {
      Value element = b.add(b.mul(b.threadX(), b.i32(each)), b.i32(first));
      b.ifThen(b.lessU(element, b.i32(spec.dim)), [&] {
        copyAsync(b, b.at(vectorOf(name), spec.parameterType, element),
                  b.at(b.arg(name), spec.parameterType, element), kSlotBytes);
      });
    }
}

/// Begins the copies that a block starts with, and waits for the vectors of parameters. The
/// last `ahead` groups of copies are committed in the order of the first pass's steps, which
/// `pending` counts on.
void GatedNormBody::copyFirst() {
  copyVectors();
  commitCopies(b);
  for (int64_t number = 0; number < schedule.slots; ++number) {
    copyRows("x", number);
    commitCopies(b);
  }
  for (int64_t number = 0; number < schedule.ahead; ++number) {
    if (spec.residual)
      copyRows("residual", number);
    copyWeights(number);
    commitCopies(b);
  }
  waitForCopies(b, schedule.slots + schedule.ahead);
  b.barrier();
}

/// Begins the copies into the slots that the step has freed.
void GatedNormBody::endStep(GatePass pass, int64_t step) {
  bool weighs = !isStatistics(pass);
  if (isFirst(pass) && spec.residual)
    copyRows("residual", step + schedule.ahead);
  if (pass == GatePass::Up)
    copyRows("x", step + schedule.slots);
  if (weighs)
    copyWeights((pass == GatePass::Up ? steps() : 0) + step + schedule.ahead);
  if (weighs || isFirst(pass))
    commitCopies(b);
}

/// Returns how many groups of copies may still be on their way when the first pass reads a
/// group. After the group's rows of x, at least steps() - 1 other groups were committed, and
/// after its residual and its weights `ahead` - 1.
int64_t GatedNormBody::pending() const {
  int64_t out = steps() - 1;
  if (spec.residual || isDeferred())
    out = std::min(out, schedule.ahead - 1);
  return out;
}

/// Calls `body` for the block's tiles. Without slots the block has one tile. With slots it has
/// every tile whose number differs from the block's by a multiple of the grid.
void GatedNormBody::forTiles(llvm::function_ref<void()> body) {
  tile = b.blockX();
  rows = rowsOf(tile);
  if (!hasSlots())
    return body();
  grid = b.gridX();
  copyFirst();
  Value count = b.divU(b.add(b.arg("rows"), b.i32(kGateRows - 1)), kGateRows);
  // A launch has fewer than 2^27 tiles, and its grid is no larger, so that the sum below
  // does not overflow.
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
