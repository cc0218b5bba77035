//===- GatedNormKernel.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A norm and its low-rank gate, act(swish(y W_down) W_up) * y, in one kernel.
//
// A block computes tiles of 16 rows, and each of its warps has groups of 32 columns. Lane
// 4g + t holds columns 8t to 8t + 7 of a group in rows g and g + 8. It loads those of one row
// by one access, which has 16 bytes for bf16 and f16. A tensor core would give the lane other
// columns. The inner and outer dimensions of both products are therefore permuted, so that
// the lane's columns are its fragments:
//
//   down   A is y [16, columns], B is W_down^T. K-step s of a group takes the lane's columns
//          4s to 4s + 3, so that 16 bytes of a row of W_down are two B operands.
//   up     A is swish(h) [16, rank], B is W_up^T. N-tile m of a group gives the lane's
//          columns 2m and 2m + 1, in the lane that holds them.
//   f32    Products are of tf32, whose k-steps have 8 columns. Two of them take the place of
//          one step of 16, and a register has one element instead of two neighbours.
//   rank   The columns of the down product are permuted, too: a lane's accumulators of two
//          n-tiles are four neighbours of h, which meet 8 bytes of a row of W_up.
//
// The passes are: sums of squares -> barrier -> down product -> barrier -> up product and
// store. An RMSNorm of bf16 or f32 does the first two passes at once ("deferred"): the factor
// 1/rms is one number for each row, so h = factor * ((weight * u) W_down). The operand
// weight * u fits bf16 and tf32 for all sizes of u, but it may overflow f16. A LayerNorm
// cannot do this, because it needs its mean before the product.
//
// Later passes read the rows again: from shared memory, or through the caches if rows are too
// long for it. The rows do not stay in registers: the compiler finds that both passes widen
// the same values, would keep them as f32, and would spill. GatedNormRows.cpp loads and
// stores rows, GatedNormSlots.cpp keeps them in shared memory.
//
//===----------------------------------------------------------------------===//

#include "GatedNormBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace basin::kernels;

//===----------------------------------------------------------------------===//
// The down product
//===----------------------------------------------------------------------===//

/// Returns the index in h of column `n` of n-tile `tile` of the down product.
Value GatedNormBody::hiddenDim(int64_t tile, Value n) {
  int64_t step = tile / 2;
  if (2 * step + 1 == tiles)
    return b.add(n, b.i32(16 * step));
  Value pair = b.mul(b.divU(n, 2), b.i32(4));
  return b.add(b.add(pair, b.remU(n, 2)), b.i32(16 * step + 2 * (tile % 2)));
}

/// Returns the registers of an A operand of 16 columns, from four neighbours of row g and
/// four of row g + 8. If there are two neighbours each, the other registers are zeros. For
/// tf32 the result has an operand of 8 columns for each two neighbours.
Fragment GatedNormBody::operand(ArrayRef<Value> upper, ArrayRef<Value> lower) {
  Fragment out;
  if (spec.type.isF32()) {
    for (auto [high, low] : llvm::zip(upper, lower))
      out.append({toTF32(b, high), toTF32(b, low)});
    return out;
  }
  for (size_t i = 0; i < upper.size(); i += 2)
    for (ArrayRef<Value> row : {upper, lower})
      out.push_back(pack(b, row[i], row[i + 1], spec.type));
  out.resize(4, b.i32(0));
  return out;
}

/// Adds a product to c and returns the sum. `a` is from `operand`, and `weights` has as many
/// neighbours of a column of B as each row gave to `operand`.
Fragment GatedNormBody::multiply(ArrayRef<Value> a, Value weights, ArrayRef<Value> c) {
  Fragment sums(c);
  int64_t pairs = cast<VectorType>(weights.getType()).getNumElements() / 2;
  if (spec.type.isF32()) {
    for (int64_t i = 0; i < pairs; ++i)
      sums = multiplyAdd(
          b, spec.type, a.slice(4 * i, 4),
          {toTF32(b, b.extract(weights, 2 * i)), toTF32(b, b.extract(weights, 2 * i + 1))}, sums);
    return sums;
  }
  Value cast = LLVM::BitcastOp::create(b, VectorType::get({pairs}, b.getI32Type()), weights);
  return multiplyAdd(b, spec.type, a,
                     {b.extract(cast, 0), pairs == 2 ? b.extract(cast, 1) : b.i32(0)}, sums);
}

/// Returns `count` elements of a vector, beginning with `first`.
static SmallVector<Value> slice(KernelBuilder &b, Value vector, int64_t first, int64_t count) {
  SmallVector<Value> out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(b.extract(vector, first + i));
  return out;
}

/// Points to the row of W_down [rank, dim] whose weights the lane takes for an n-tile of h.
Value GatedNormBody::downPointer(int64_t tile) {
  Value row = arith::MulIOp::create(b, b.extend(hiddenDim(tile, g)), b.i64(spec.dim));
  return b.at(b.arg("gate_down"), spec.type, row);
}

/// Loads the lane's weights of W_down for a group: a vector of 8 for each n-tile of h.
SmallVector<Value> GatedNormBody::downWeights(const Group &group) {
  SmallVector<Value> out;
  if (hasSlots())
    waitForCopies(b, schedule.ahead - 1);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    if (hasSlots()) {
      out.push_back(readWeights(*group.step, tile));
    } else {
      out.push_back(loadColumns(downPointer(tile), spec.type, group));
    }
  }
  return out;
}

/// Adds the products of one more group, whose normalized values are `y`, to the sums: four
/// accumulators for each n-tile.
SmallVector<Value> GatedNormBody::addProducts(const Group &group, Pair y, ValueRange sums) {
  SmallVector<Value> next;
  for (Value &one : y)
    one = clear(group, one);
  Fragment operands[2];
  for (int64_t s = 0; s < 2; ++s)
    operands[s] = operand(slice(b, y[0], 4 * s, 4), slice(b, y[1], 4 * s, 4));
  SmallVector<Value> weights = downWeights(group);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    Fragment c(sums.slice(4 * tile, 4));
    for (int64_t s = 0; s < 2; ++s)
      c = multiply(operands[s], b.combine(slice(b, weights[tile], 4 * s, 4)), c);
    llvm::append_range(next, c);
  }
  return next;
}

void GatedNormBody::multiplyDown() {
  bool deferred = isDeferred();
  SmallVector<Value> zeros(4 * tiles + (deferred ? 2 : 0), b.f32(0));
  auto add = [&](const Group &group, ValueRange values) {
    Pair h = deferred ? load(group, /*first=*/true) : loadAgain(group);
    SmallVector<Value> next =
        addProducts(group, normalized(group, h, /*scaled=*/!deferred), values);
    if (deferred)
      llvm::append_range(next, addSquares(group, prepared(group, h), values.take_back(2)));
    return next;
  };
  SmallVector<Value> sums = forGroups(GatePass::Down, zeros, add);
  if (deferred)
    storeRowSums({sums[4 * tiles], sums[4 * tiles + 1]}, 0);
  SmallVector<Fragment> hidden;
  for (int64_t tile = 0; tile < tiles; ++tile)
    hidden.emplace_back(ArrayRef<Value>(sums).slice(4 * tile, 4));
  exchange(hidden);
  finishHidden(hidden);
}

/// 1 / (1 + exp(-x)).
static Value sigmoid(KernelBuilder &b, Value x) {
  Value e = b.exp2(b.fmul(x, b.f32(-1.4426950408889634)));
  return b.reciprocal(b.fadd(e, b.f32(1)));
}

/// Adds up the products of all warps, and replaces `hidden` by swish of the sum. Each number
/// is made by one thread, which shares it: if every thread made its own four of each n-tile,
/// each warp would read all sums of all warps. Shared memory begins with two sums for each row
/// and warp. Then come the warps' accumulators, lane by lane, the results in the same order,
/// and, if the statistics are deferred, the factors of the rows.
void GatedNormBody::exchange(SmallVectorImpl<Fragment> &hidden) {
  Type f32 = b.getF32Type();
  int64_t count = tiles * 32 * 4;
  Value parts = b.shared(rowSums(2)), results = b.shared(rowSums(2) + schedule.warps * count * 4);
  Value factors = b.shared(rowSums(2) + (schedule.warps + 1) * count * 4);
  Value place = b.mul(b.lane(), b.i32(4)), mine = b.mul(warp, b.i32(count));
  for (auto [tile, c] : llvm::enumerate(hidden))
    b.store(b.combine(c), parts, f32, b.add(b.add(mine, place), b.i32(tile * 32 * 4)));
  b.barrier();
  auto make = [&](Value number) {
    Value sum;
    for (int64_t w = 0; w < schedule.warps; ++w) {
      Value part = b.load(parts, f32, b.add(number, b.i32(w * count)));
      sum = sum ? b.fadd(sum, part) : part;
    }
    if (isDeferred()) {
      // Four consecutive numbers belong to one lane: two of row g, then two of row g + 8.
      Value row =
          b.add(b.divU(b.remU(number, 128), 16), b.mul(b.divU(b.remU(number, 4), 2), b.i32(8)));
      sum = b.fmul(sum, factorOf(totalOf(row, 0)));
    }
    Value h = b.fmul(sum, sigmoid(b, sum));
    if (isHalved())
      h = b.fmul(h, b.f32(0.5));
    b.store(h, results, f32, number);
  };
  for (int64_t first = 0; first < count; first += schedule.blockSize()) {
    Value number = b.add(b.threadX(), b.i32(first));
    if (first + schedule.blockSize() <= count)
      make(number);
    else
      b.ifThen(b.lessU(number, b.i32(count)), [&] { make(number); });
  }
  if (isDeferred())
    b.ifThen(b.lessU(b.threadX(), b.i32(kGateRows)),
             [&] { b.store(factorOf(totalOf(b.threadX(), 0)), factors, f32, b.threadX()); });
  b.barrier();
  for (auto [tile, c] : llvm::enumerate(hidden)) {
    Value all = b.load(results, f32, b.add(place, b.i32(tile * 32 * 4)), 4);
    for (int64_t i = 0; i < 4; ++i)
      c[i] = b.extract(all, i);
  }
  if (isDeferred())
    for (int64_t i = 0; i < 2; ++i)
      factor[i] = b.load(factors, f32, b.add(g, b.i32(8 * i)));
}

void GatedNormBody::finishHidden(ArrayRef<Fragment> hidden) {
  hiddenOperands.clear();
  if (spec.tensorwise)
    return findRowGates(hidden);
  for (int64_t step = 0; 2 * step < tiles; ++step) {
    SmallVector<Value> upper, lower;
    for (int64_t tile = 2 * step; tile < std::min(2 * step + 2, tiles); ++tile) {
      upper.append({hidden[tile][0], hidden[tile][1]});
      lower.append({hidden[tile][2], hidden[tile][3]});
    }
    hiddenOperands.push_back(operand(upper, lower));
  }
}

//===----------------------------------------------------------------------===//
// The gate
//===----------------------------------------------------------------------===//

/// Returns whether h is halved, and with it all scores. Sigmoid and SiLU are computed from
/// half the score, and halving the few elements of h is cheaper than halving every score.
/// Halving is exact except for subnormals.
bool GatedNormBody::isHalved() const {
  return spec.activation == GateActivation::Sigmoid || spec.activation == GateActivation::Silu;
}

/// Returns the gate for a score. If `isHalved()`, `score` is half the score. A sigmoid is
/// 1/2 + tanh(x / 2) / 2, where tanh is one instruction, with an error of 2^-12.
Value GatedNormBody::activate(Value score) {
  Value half = b.f32(0.5);
  switch (spec.activation) {
  case GateActivation::Sigmoid:
    return b.fma(b.tanh(score), half, half);
  case GateActivation::Tanh:
    return b.tanh(score);
  case GateActivation::Silu:
    return b.fma(b.tanh(score), score, score);
  case GateActivation::Identity:
    return score;
  }
  llvm_unreachable("a gate of no activation");
}

/// Computes the gates of a tensorwise gate, one for each row. Four lanes share a row of h and
/// add up their products by shuffles.
void GatedNormBody::findRowGates(ArrayRef<Fragment> hidden) {
  Pair sums;
  for (auto [tile, c] : llvm::enumerate(hidden))
    for (int64_t k = 0; k < 2; ++k) {
      Value n = b.add(b.mul(t, b.i32(2)), b.i32(k));
      Value weight = b.toF32(b.load(b.arg("gate_up"), spec.type, hiddenDim(tile, n)));
      for (int64_t i = 0; i < 2; ++i) {
        // h is rounded to the type, as the operands of the elementwise gate are.
        Value h = b.toF32(b.fromF32(c[2 * i + k], spec.type));
        sums[i] = sums[i] ? b.fma(h, weight, sums[i]) : b.fmul(h, weight);
      }
    }
  for (int64_t i = 0; i < 2; ++i)
    rowGates[i] = activate(b.warpSum(sums[i], /*width=*/4));
}

/// Returns the column of the tensor that column g of an n-tile of the up product stands for.
/// If it does not exist, the last column takes its place.
Value GatedNormBody::upColumn(const Group &group, int64_t tile) {
  Value inGroup = b.add(b.mul(b.divU(g, 2), b.i32(kWidth)), b.remU(g, 2));
  Value column = b.add(group.base, b.add(inGroup, b.i32(2 * tile)));
  if (group.inside.empty())
    return column;
  return arith::MinUIOp::create(b, column, b.i32(spec.dim - 1));
}

/// Points to the lane's `count` weights of W_up for an n-tile of a group and a k-step.
Value GatedNormBody::upPointer(const Group &group, int64_t tile, int64_t step, int64_t count) {
  // With slots no column has to be checked, and n-tiles are a constant distance apart: two
  // columns. An access has a constant offset for free.
  int64_t known = group.step ? tile : 0;
  Value column = b.extend(upColumn(group, tile - known));
  Value row =
      b.at(b.arg("gate_up"), spec.type, arith::MulIOp::create(b, column, b.i64(spec.gateRank)));
  Value lane = b.at(row, spec.type, b.mul(t, b.i32(count)));
  return b.at(lane, spec.type, b.i32((group.distance + 2 * known) * spec.gateRank + 16 * step));
}

/// Loads the lane's weights of W_up for a group: for each of its four n-tiles, a vector for
/// each k-step.
SmallVector<Value> GatedNormBody::upWeights(const Group &group) {
  SmallVector<Value> out;
  if (hasSlots()) {
    waitForCopies(b, schedule.ahead - 1);
    // One access reads eight weights: two operands of the product.
    for (int64_t access = 0; access < tiles; ++access) {
      Value both = readWeights(steps() + *group.step, access);
      for (int64_t half = 0; half < 2; ++half)
        out.push_back(b.combine(slice(b, both, half * kWidth / 2, kWidth / 2)));
    }
    return out;
  }
  for (int64_t tile = 0; tile < 4; ++tile)
    for (int64_t step = 0; 2 * step < tiles; ++step) {
      int64_t count = std::min<int64_t>(tiles - 2 * step, 2) * 2;
      out.push_back(b.load(upPointer(group, tile, step, count), spec.type, b.i32(0), count));
    }
  return out;
}

/// Computes the gates of the lane's eight columns in both of its rows.
Pair GatedNormBody::gates(const Group &group) {
  if (spec.tensorwise)
    return {b.splat(rowGates[0], kWidth), b.splat(rowGates[1], kWidth)};
  SmallVector<Value> values[2], weights = upWeights(group);
  for (int64_t tile = 0; tile < 4; ++tile) {
    Fragment c(4, b.f32(0));
    for (auto [step, a] : llvm::enumerate(hiddenOperands))
      c = multiply(a, weights[tile * hiddenOperands.size() + step], c);
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t k = 0; k < 2; ++k)
        values[i].push_back(activate(c[2 * i + k]));
  }
  return {b.combine(values[0]), b.combine(values[1])};
}

void GatedNormBody::store() {
  auto one = [&](const Group &group, ValueRange) {
    Pair y = normalized(group, loadAgain(group));
    Pair gate = gates(group);
    storeColumns("y", spec.resultType, group, {b.fmul(gate[0], y[0]), b.fmul(gate[1], y[1])});
    return SmallVector<Value>();
  };
  forGroups(GatePass::Up, {}, one);
}

gpu::GPUFuncOp GatedNormBody::build() {
  if (hasSlots() || spec.gateRank > 16)
    b.wantRegisters();
  locate();
  forTiles([&] {
    if (!isDeferred())
      findStatistics();
    multiplyDown();
    store();
  });
  b.finish();
  setGrid(b.getKernel(), {{"rows", kGateRows}});
  return b.getKernel();
}

gpu::GPUFuncOp basin::kernels::buildGatedNormKernel(gpu::GPUModuleOp module, const NormSpec &spec,
                                                    const GatedNormSchedule &schedule,
                                                    StringRef name) {
  std::string own = name.empty() ? getName(spec) : name.str();
  return GatedNormBody(module, spec, schedule, own).build();
}
