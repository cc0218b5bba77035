//===- GatedNormKernel.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A norm and its low-rank gate, act(swish(y W_down) W_up) * y, in one kernel.
//
// A block has 16 rows, a warp groups of 32 of their columns. Lane 4g + t holds the
// eight columns 8t to 8t + 7 of a group in rows g and g + 8, one 16-byte access
// each: the products' dimensions are permuted so that these are its fragments.
//
//   down   A = y [16, columns], B = W_down^T: k-step s of a group takes the lane's
//          columns 4s to 4s + 3, so 16 bytes of a row of W_down are two B operands
//   up     A = swish(h) [16, rank], B = W_up^T: n-tile m of a group gives the
//          lane's columns 2m and 2m + 1, in the registers that hold them
//   rank   the down product's columns are permuted so that a lane's accumulators
//          of two n-tiles are four neighbours of h, 8 bytes of a row of W_up
//
// Passes: sums of squares -> barrier -> down product -> barrier -> up product and
// store. An RMSNorm of bf16 takes the first two together: its factor is the row's
// own, so that h = factor * ((weight u) W_down), of which bf16 holds the operand
// whatever its size. f16 does not where u is large, and a LayerNorm needs its mean
// before.
//
// Later passes read the rows again, from a cache: in registers they would be as
// f32, since the compiler finds that both passes widen the same values, and spill.
// Rows that are short enough for that stay.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/NormKernel.h"
#include "basin/Kernels/TensorCore.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <array>

using namespace mlir;
using namespace basin::kernels;

static constexpr int64_t kRows = 16, kGroup = 32, kWidth = 8;

namespace {

/// A lane's part of a group: rows g and g + 8.
using Pair = std::array<Value, 2>;

/// Where a group of a warp's columns is.
struct Group {
  /// The lane's first column, inside the row, and the group's.
  Value column, base;
  /// Whether there is such a column; null where there always is.
  Value inside;
  std::optional<int64_t> step;
};

class GatedNormKernel {
public:
  GatedNormKernel(gpu::GPUModuleOp module, const NormSpec &spec, const GatedNormSchedule &schedule,
                  StringRef name)
      : spec(spec), schedule(schedule), tiles(spec.gateRank / 8),
        b(module, name, getArguments(spec), schedule.blockSize(), schedule.sharedBytes(spec)) {}

  gpu::GPUFuncOp build();

private:
  void locate();
  Group groupAt(Value step);
  SmallVector<Value>
  forGroups(ValueRange carried,
            llvm::function_ref<SmallVector<Value>(const Group &, ValueRange)> body);
  Value loadRow(StringRef name, Type type, const Group &group, int64_t i);
  Value parameter(StringRef name, const Group &group);
  Pair load(const Group &group, bool first);
  Pair loadAgain(const Group &group);
  void storeSum(const Group &group, const Pair &h);
  Pair prepared(const Group &group, const Pair &h);
  Pair sumRows(Pair mine, int64_t slot);
  void findStatistics();
  void setFactor(Pair sumsOfSquares);
  Pair normalized(const Group &group, const Pair &h, bool scaled = true);
  bool isDeferred() const { return !spec.layer && spec.type.isBF16(); }
  Value hiddenDim(int64_t tile, Value n);
  SmallVector<Value> addSum(const Group &group, Pair values, ValueRange sums);
  SmallVector<Value> addSquares(const Group &group, Pair values, ValueRange sums);
  SmallVector<Value> addProducts(const Group &group, Pair y, ValueRange sums);
  void multiplyDown();
  void exchange(SmallVectorImpl<Fragment> &accumulators);
  void finishHidden(SmallVectorImpl<Fragment> &hidden);
  Value activate(Value score);
  void findRowGates(ArrayRef<Fragment> hidden);
  Value upColumn(const Group &group, int64_t tile);
  Pair gates(const Group &group);
  void store();

  const NormSpec &spec;
  const GatedNormSchedule &schedule;
  int64_t tiles;
  KernelBuilder b;

  Value g, t, warp;
  Pair rows, isRow, offsets;
  /// The rows as stored, by step; empty where they are read again.
  SmallVector<Pair> kept;
  /// Of rows g and g + 8.
  Pair mean, factor;
  /// A operands of the up product, a k-step each; or a gate a row.
  SmallVector<Fragment> hiddenOperands;
  Pair rowGates;
};

} // namespace

//===----------------------------------------------------------------------===//
// Rows and groups
//===----------------------------------------------------------------------===//

void GatedNormKernel::locate() {
  Value lane = b.lane();
  g = b.divU(lane, 4);
  t = b.remU(lane, 4);
  warp = b.warp();
  for (int64_t i = 0; i < 2; ++i) {
    Value row = b.add(b.add(b.mul(b.blockX(), b.i32(kRows)), g), b.i32(8 * i));
    isRow[i] = b.lessU(row, b.arg("rows"));
    // Beyond the last row its values are computed once more, and not stored.
    rows[i] = b.select(isRow[i], row, b.sub(b.arg("rows"), b.i32(1)));
    offsets[i] = arith::MulIOp::create(b, b.extend(rows[i]), b.i64(spec.dim));
  }
}

Group GatedNormKernel::groupAt(Value step) {
  Group out;
  Value number = b.add(b.mul(step, b.i32(schedule.warps)), warp);
  out.base = b.mul(number, b.i32(kGroup));
  Value column = b.add(out.base, b.mul(t, b.i32(kWidth)));
  if (spec.dim % (kGroup * schedule.warps) != 0) {
    out.inside = b.lessU(column, b.i32(spec.dim));
    column = b.select(out.inside, column, b.i32(spec.dim - kWidth));
  }
  out.column = column;
  return out;
}

/// Unrolled where the rows are kept, which are then known by number.
SmallVector<Value>
GatedNormKernel::forGroups(ValueRange carried,
                           llvm::function_ref<SmallVector<Value>(const Group &, ValueRange)> body) {
  int64_t steps = schedule.steps(spec.dim);
  if (!schedule.keep)
    return b.forLoop(b.i32(0), b.i32(steps), b.i32(1), carried,
                     [&](Value i, ValueRange values) { return body(groupAt(i), values); });
  SmallVector<Value> values(carried);
  for (int64_t step = 0; step < steps; ++step) {
    Group group = groupAt(b.i32(step));
    group.step = step;
    values = body(group, values);
  }
  return values;
}

//===----------------------------------------------------------------------===//
// The rows
//===----------------------------------------------------------------------===//

Value GatedNormKernel::loadRow(StringRef name, Type type, const Group &group, int64_t i) {
  return b.load(b.at(b.arg(name), type, offsets[i]), type, group.column, kWidth);
}

Value GatedNormKernel::parameter(StringRef name, const Group &group) {
  return b.toF32(b.load(b.arg(name), spec.parameterType, group.column, kWidth));
}

/// h of both rows as stored: x, or its rounded sum with the residual.
Pair GatedNormKernel::load(const Group &group, bool first) {
  Pair h;
  for (int64_t i = 0; i < 2; ++i) {
    h[i] = loadRow("x", spec.type, group, i);
    if (!spec.residual)
      continue;
    Value sum = b.fadd(b.toF32(h[i]), b.toF32(loadRow("residual", spec.type, group, i)));
    h[i] = b.fromF32(sum, spec.type);
    if (spec.residualBias) {
      sum = b.fadd(b.toF32(h[i]), parameter("residual_bias", group));
      h[i] = b.fromF32(sum, spec.type);
    }
  }
  if (first && spec.sum)
    storeSum(group, h);
  if (first && group.step)
    kept.push_back(h);
  return h;
}

Pair GatedNormKernel::loadAgain(const Group &group) {
  return group.step ? kept[*group.step] : load(group, /*first=*/false);
}

void GatedNormKernel::storeSum(const Group &group, const Pair &h) {
  for (int64_t i = 0; i < 2; ++i) {
    Value holds = isRow[i];
    if (group.inside)
      holds = arith::AndIOp::create(b, holds, group.inside);
    b.ifThen(holds, [&] {
      b.store(h[i], b.at(b.arg("sum"), spec.type, offsets[i]), spec.type, group.column);
    });
  }
}

/// u = pre_affine * h in f32.
Pair GatedNormKernel::prepared(const Group &group, const Pair &h) {
  Pair u{b.toF32(h[0]), b.toF32(h[1])};
  if (spec.preAffine) {
    Value vector = parameter("pre_affine", group);
    u = {b.fmul(vector, u[0]), b.fmul(vector, u[1])};
  }
  return u;
}

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

/// Sums over each row's columns, of all lanes and warps. `slot` of two: the
/// second exchange needs no barrier before it.
Pair GatedNormKernel::sumRows(Pair mine, int64_t slot) {
  Type f32 = b.getF32Type();
  Value scratch = b.shared(slot * schedule.warps * kRows * 4);
  for (Value &x : mine)
    x = b.warpSum(x, /*width=*/4);
  b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, t, b.i32(0)), [&] {
    for (int64_t i = 0; i < 2; ++i)
      b.store(mine[i], scratch, f32, b.add(b.mul(warp, b.i32(kRows)), b.add(g, b.i32(8 * i))));
  });
  b.barrier();
  Pair total;
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t w = 0; w < schedule.warps; ++w) {
      Value part = b.load(scratch, f32, b.add(g, b.i32(w * kRows + 8 * i)));
      total[i] = total[i] ? b.fadd(total[i], part) : part;
    }
  return total;
}

SmallVector<Value> GatedNormKernel::addSum(const Group &group, Pair values, ValueRange sums) {
  SmallVector<Value> next;
  for (int64_t i = 0; i < 2; ++i) {
    Value part = b.sum(values[i]);
    if (group.inside)
      part = b.select(group.inside, part, b.f32(0));
    next.push_back(b.fadd(sums[i], part));
  }
  return next;
}

SmallVector<Value> GatedNormKernel::addSquares(const Group &group, Pair values, ValueRange sums) {
  for (Value &value : values)
    value = b.fmul(value, value);
  return addSum(group, values, sums);
}

void GatedNormKernel::findStatistics() {
  SmallVector<Value> zeros(2, b.f32(0));
  if (spec.layer) {
    SmallVector<Value> sums = forGroups(zeros, [&](const Group &group, ValueRange values) {
      return addSum(group, prepared(group, load(group, /*first=*/true)), values);
    });
    Pair total = sumRows({sums[0], sums[1]}, 0);
    for (int64_t i = 0; i < 2; ++i)
      mean[i] = b.fmul(total[i], b.f32(1.0 / spec.dim));
  }
  SmallVector<Value> sums = forGroups(zeros, [&](const Group &group, ValueRange values) {
    Pair u = prepared(group, spec.layer ? loadAgain(group) : load(group, /*first=*/true));
    if (spec.layer)
      for (int64_t i = 0; i < 2; ++i)
        u[i] = b.fsub(u[i], b.splat(mean[i], kWidth));
    return addSquares(group, u, values);
  });
  setFactor(sumRows({sums[0], sums[1]}, 1));
}

void GatedNormKernel::setFactor(Pair sumsOfSquares) {
  for (int64_t i = 0; i < 2; ++i)
    factor[i] = b.rsqrt(b.fma(sumsOfSquares[i], b.f32(1.0 / spec.dim), b.f32(spec.epsilon)));
}

/// The norm's result, f32; without its factor where not `scaled`.
Pair GatedNormKernel::normalized(const Group &group, const Pair &h, bool scaled) {
  Pair y = prepared(group, h);
  for (int64_t i = 0; i < 2; ++i) {
    if (spec.layer)
      y[i] = b.fsub(y[i], b.splat(mean[i], kWidth));
    if (scaled)
      y[i] = b.fmul(y[i], b.splat(factor[i], kWidth));
    if (spec.weight)
      y[i] = b.fmul(parameter("weight", group), y[i]);
    if (spec.bias)
      y[i] = b.fadd(y[i], parameter("bias", group));
  }
  return y;
}

//===----------------------------------------------------------------------===//
// The down product
//===----------------------------------------------------------------------===//

/// The element of h that column `n` of an n-tile holds.
Value GatedNormKernel::hiddenDim(int64_t tile, Value n) {
  int64_t step = tile / 2;
  if (2 * step + 1 == tiles)
    return b.add(n, b.i32(16 * step));
  Value pair = b.mul(b.divU(n, 2), b.i32(4));
  return b.add(b.add(pair, b.remU(n, 2)), b.i32(16 * step + 2 * (tile % 2)));
}

/// Two neighbours of a vector as one register of the type that is multiplied.
static Value packPair(KernelBuilder &b, Value vector, int64_t first, Type type) {
  return pack(b, b.extract(vector, first), b.extract(vector, first + 1), type);
}

/// The sums with one more group's products, of operands `y`.
SmallVector<Value> GatedNormKernel::addProducts(const Group &group, Pair y, ValueRange sums) {
  SmallVector<Value> next;
  for (Value &one : y)
    if (group.inside)
      one = b.select(group.inside, one, b.f32(0, kWidth));
  Value operands[2][4];
  for (int64_t s = 0; s < 2; ++s)
    for (int64_t k = 0; k < 4; ++k)
      operands[s][k] = packPair(b, y[k % 2], 4 * s + k / 2 * 2, spec.type);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    Value row = arith::MulIOp::create(b, b.extend(hiddenDim(tile, g)), b.i64(spec.dim));
    Value at = b.at(b.arg("gate_down"), spec.type, row);
    Value weights = LLVM::BitcastOp::create(b, VectorType::get({4}, b.getI32Type()),
                                            b.load(at, spec.type, group.column, kWidth));
    SmallVector<Value> c(sums.slice(4 * tile, 4));
    for (int64_t s = 0; s < 2; ++s)
      c = multiplyAdd(b, spec.type, operands[s],
                      {b.extract(weights, 2 * s), b.extract(weights, 2 * s + 1)}, c);
    llvm::append_range(next, c);
  }
  return next;
}

void GatedNormKernel::multiplyDown() {
  bool deferred = isDeferred();
  SmallVector<Value> zeros(4 * tiles + (deferred ? 2 : 0), b.f32(0));
  SmallVector<Value> sums = forGroups(zeros, [&](const Group &group, ValueRange values) {
    Pair h = deferred ? load(group, /*first=*/true) : loadAgain(group);
    SmallVector<Value> next =
        addProducts(group, normalized(group, h, /*scaled=*/!deferred), values);
    if (deferred)
      llvm::append_range(next, addSquares(group, prepared(group, h), values.take_back(2)));
    return next;
  });
  if (deferred)
    setFactor(sumRows({sums[4 * tiles], sums[4 * tiles + 1]}, 0));
  SmallVector<Fragment> accumulators;
  for (int64_t tile = 0; tile < tiles; ++tile)
    accumulators.emplace_back(ArrayRef<Value>(sums).slice(4 * tile, 4));
  exchange(accumulators);
  if (deferred)
    for (Fragment &c : accumulators)
      for (int64_t i = 0; i < 4; ++i)
        c[i] = b.fmul(c[i], factor[i / 2]);
  finishHidden(accumulators);
}

/// Adds up what the warps have, each in a part of the shared memory of its own.
void GatedNormKernel::exchange(SmallVectorImpl<Fragment> &accumulators) {
  Type f32 = b.getF32Type();
  auto four = VectorType::get({4}, f32);
  Value scratch = b.shared(2 * schedule.warps * kRows * 4);
  auto place = [&](Value w, int64_t tile) {
    Value number = b.add(b.mul(w, b.i32(tiles)), b.i32(tile));
    return b.mul(b.add(b.mul(number, b.i32(32)), b.lane()), b.i32(4));
  };
  for (auto [tile, c] : llvm::enumerate(accumulators))
    b.store(vector::FromElementsOp::create(b, four, c), scratch, f32, place(warp, tile));
  b.barrier();
  for (auto [tile, c] : llvm::enumerate(accumulators)) {
    Value total;
    for (int64_t w = 0; w < schedule.warps; ++w) {
      Value part = b.load(scratch, f32, place(b.i32(w), tile), 4);
      total = total ? b.fadd(total, part) : part;
    }
    for (int64_t i = 0; i < 4; ++i)
      c[i] = b.extract(total, i);
  }
}

/// 1 / (1 + exp(-x)).
static Value sigmoid(KernelBuilder &b, Value x) {
  Value e = b.exp2(b.fmul(x, b.f32(-1.4426950408889634)));
  return b.reciprocal(b.fadd(e, b.f32(1)));
}

void GatedNormKernel::finishHidden(SmallVectorImpl<Fragment> &hidden) {
  for (Fragment &c : hidden)
    for (Value &x : c)
      x = b.fmul(x, sigmoid(b, x));
  if (spec.tensorwise)
    return findRowGates(hidden);
  for (int64_t step = 0; 2 * step < tiles; ++step) {
    const Fragment &low = hidden[2 * step];
    Fragment a{pack(b, low[0], low[1], spec.type), pack(b, low[2], low[3], spec.type), b.i32(0),
               b.i32(0)};
    if (2 * step + 1 < tiles) {
      const Fragment &high = hidden[2 * step + 1];
      a[2] = pack(b, high[0], high[1], spec.type);
      a[3] = pack(b, high[2], high[3], spec.type);
    }
    hiddenOperands.push_back(a);
  }
}

//===----------------------------------------------------------------------===//
// The gate
//===----------------------------------------------------------------------===//

/// A sigmoid by one instruction: 1/2 + tanh(x / 2) / 2, to 2^-12.
Value GatedNormKernel::activate(Value score) {
  Value half = b.f32(0.5);
  switch (spec.activation) {
  case GateActivation::Sigmoid:
    return b.fma(b.tanh(b.fmul(score, half)), half, half);
  case GateActivation::Tanh:
    return b.tanh(score);
  case GateActivation::Silu:
    return b.fmul(score, b.fma(b.tanh(b.fmul(score, half)), half, half));
  case GateActivation::Identity:
    return score;
  }
  llvm_unreachable("a gate of no activation");
}

/// One score a row: each lane has four columns of h in both rows a pair of tiles.
void GatedNormKernel::findRowGates(ArrayRef<Fragment> hidden) {
  Pair sums;
  for (auto [tile, c] : llvm::enumerate(hidden))
    for (int64_t k = 0; k < 2; ++k) {
      Value n = b.add(b.mul(t, b.i32(2)), b.i32(k));
      Value weight = b.toF32(b.load(b.arg("gate_up"), spec.type, hiddenDim(tile, n)));
      for (int64_t i = 0; i < 2; ++i) {
        // Rounded as the elementwise form's operands are.
        Value h = b.toF32(b.fromF32(c[2 * i + k], spec.type));
        sums[i] = sums[i] ? b.fma(h, weight, sums[i]) : b.fmul(h, weight);
      }
    }
  for (int64_t i = 0; i < 2; ++i)
    rowGates[i] = activate(b.warpSum(sums[i], /*width=*/4));
}

/// The column of the group that column g of an up product's n-tile is.
Value GatedNormKernel::upColumn(const Group &group, int64_t tile) {
  Value inGroup = b.add(b.mul(b.divU(g, 2), b.i32(kWidth)), b.remU(g, 2));
  Value column = b.add(group.base, b.add(inGroup, b.i32(2 * tile)));
  if (!group.inside)
    return column;
  return arith::MinUIOp::create(b, column, b.i32(spec.dim - 1));
}

/// The gates of the lane's eight columns in both rows.
Pair GatedNormKernel::gates(const Group &group) {
  if (spec.tensorwise)
    return {b.splat(rowGates[0], kWidth), b.splat(rowGates[1], kWidth)};
  SmallVector<Value> values[2];
  for (int64_t tile = 0; tile < 4; ++tile) {
    Value row = arith::MulIOp::create(b, b.extend(upColumn(group, tile)), b.i64(spec.gateRank));
    Value weights = b.at(b.arg("gate_up"), spec.type, row);
    SmallVector<Value> c(4, b.f32(0));
    for (auto [step, a] : llvm::enumerate(hiddenOperands)) {
      bool isWhole = 2 * static_cast<int64_t>(step) + 1 < tiles;
      Value first = b.add(b.mul(t, b.i32(isWhole ? 4 : 2)), b.i32(16 * step));
      Value both = b.load(weights, spec.type, first, isWhole ? 4 : 2);
      Type registers = isWhole ? Type(VectorType::get({2}, b.getI32Type())) : b.getI32Type();
      Value cast = LLVM::BitcastOp::create(b, registers, both);
      Value low = isWhole ? b.extract(cast, 0) : cast;
      Value high = isWhole ? b.extract(cast, 1) : b.i32(0);
      c = multiplyAdd(b, spec.type, a, {low, high}, c);
    }
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t k = 0; k < 2; ++k)
        values[i].push_back(activate(c[2 * i + k]));
  }
  auto eight = VectorType::get({kWidth}, b.getF32Type());
  return {vector::FromElementsOp::create(b, eight, values[0]),
          vector::FromElementsOp::create(b, eight, values[1])};
}

void GatedNormKernel::store() {
  forGroups({}, [&](const Group &group, ValueRange) {
    Pair y = normalized(group, loadAgain(group));
    Pair gate = gates(group);
    for (int64_t i = 0; i < 2; ++i) {
      Value holds = isRow[i];
      if (group.inside)
        holds = arith::AndIOp::create(b, holds, group.inside);
      Value out = b.fromF32(b.fmul(gate[i], y[i]), spec.resultType);
      b.ifThen(holds, [&] {
        b.store(out, b.at(b.arg("y"), spec.resultType, offsets[i]), spec.resultType, group.column);
      });
    }
    return SmallVector<Value>();
  });
}

gpu::GPUFuncOp GatedNormKernel::build() {
  locate();
  if (!isDeferred())
    findStatistics();
  multiplyDown();
  store();
  b.finish();
  setGrid(b.getKernel(), {{"rows", kRows}});
  return b.getKernel();
}

gpu::GPUFuncOp basin::kernels::buildGatedNormKernel(gpu::GPUModuleOp module, const NormSpec &spec,
                                                    const GatedNormSchedule &schedule,
                                                    StringRef name) {
  assert(schedule.check(spec).empty() && "a schedule that cannot do it");
  std::string own = name.empty() ? getName(spec) : name.str();
  return GatedNormKernel(module, spec, schedule, own).build();
}
