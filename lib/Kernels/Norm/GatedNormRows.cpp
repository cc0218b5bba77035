//===- GatedNormRows.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rows of a gated norm. Finds a lane's columns, loads and stores them, and computes the
// statistics and the normalized values.
//
//===----------------------------------------------------------------------===//

#include "GatedNormBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace basin::kernels;

//===----------------------------------------------------------------------===//
// Rows and groups
//===----------------------------------------------------------------------===//

void GatedNormBody::locate() {
  Value lane = b.lane();
  g = b.divU(lane, 4);
  t = b.remU(lane, 4);
  warp = b.warp();
}

TileRows GatedNormBody::rowsOf(Value tile) {
  TileRows out;
  Value first = b.mul(tile, b.i32(kGateRows)), count = b.arg("rows");
  for (int64_t i = 0; i < 2; ++i) {
    Value row = b.add(b.add(first, g), b.i32(8 * i));
    out.isRow[i] = b.lessU(row, count);
    Value safe = b.select(out.isRow[i], row, b.sub(count, b.i32(1)));
    out.offsets[i] = arith::MulIOp::create(b, b.extend(safe), b.i64(spec.dim));
  }
  out.all = b.lessU(b.add(first, b.i32(kGateRows - 1)), count);
  out.any = b.lessU(first, count);
  return out;
}

/// Returns the group of a step that is known when the kernel is built. Its columns are a
/// constant distance behind those of step 0. An access adds such a constant for free, whereas
/// an address for each step would take registers.
Group GatedNormBody::groupOf(GatePass pass, int64_t step) {
  Group out = groupAt(b.i32(0));
  // The columns are the same for all tiles and passes. The compiler would compute them once
  // and keep them in more registers than there are. So we add a number that the compiler does
  // not know. It is always 0, because `rows` is not negative.
  Value number = b.add(tile, b.i32(static_cast<int64_t>(pass)));
  Value unknown =
      arith::AndIOp::create(b, number, arith::ShRSIOp::create(b, b.arg("rows"), b.i32(31)));
  out.base = b.add(out.base, unknown);
  out.columns[0] = b.add(out.columns[0], unknown);
  out.step = step;
  out.distance = step * schedule.warps * kGateGroup;
  return out;
}

Group GatedNormBody::groupAt(Value step) {
  Group out;
  Value number = b.add(b.mul(step, b.i32(schedule.warps)), warp);
  out.base = b.mul(number, b.i32(kGateGroup));
  Value first = b.add(out.base, b.mul(t, b.i32(kWidth)));
  for (int64_t part = 0; part < kWidth; part += width) {
    Value column = b.add(first, b.i32(part));
    if (spec.dim % (kGateGroup * schedule.warps) != 0) {
      out.inside.push_back(b.lessU(column, b.i32(spec.dim)));
      column = b.select(out.inside.back(), column, b.i32(spec.dim - width));
    }
    out.columns.push_back(column);
  }
  return out;
}

/// Calls `body` for each group of the warp, in a loop, or unrolled if there are slots. `body`
/// gets the carried values and returns the next ones.
SmallVector<Value>
GatedNormBody::forGroups(GatePass pass, ValueRange carried,
                         llvm::function_ref<SmallVector<Value>(const Group &, ValueRange)> body) {
  if (!hasSlots())
    return b.forLoop(b.i32(0), b.i32(steps()), b.i32(1), carried,
                     [&](Value i, ValueRange values) { return body(groupAt(i), values); });
  SmallVector<Value> values(carried);
  for (int64_t step = 0; step < steps(); ++step) {
    values = body(groupOf(pass, step), values);
    endStep(pass, step);
  }
  return values;
}

//===----------------------------------------------------------------------===//
// The rows
//===----------------------------------------------------------------------===//

/// Loads the lane's eight columns of a row.
Value GatedNormBody::loadColumns(Value row, Type type, const Group &group) {
  if (group.step)
    return b.load(b.at(row, type, group.columns[0]), type, b.i32(group.distance), kWidth);
  if (width == kWidth)
    return b.load(row, type, group.columns[0], kWidth);
  SmallVector<Value> elements;
  for (Value column : group.columns) {
    Value part = b.load(row, type, column, width);
    for (int64_t i = 0; i < width; ++i)
      elements.push_back(width == 1 ? part : b.extract(part, i));
  }
  return b.combine(elements);
}

/// Returns `vector` with zeros in place of columns beyond the row's end.
Value GatedNormBody::clear(const Group &group, Value vector) {
  if (group.inside.empty())
    return vector;
  if (width == kWidth)
    return b.select(group.inside[0], vector, b.f32(0, kWidth));
  SmallVector<Value> elements;
  for (int64_t i = 0; i < kWidth; ++i)
    elements.push_back(b.select(group.inside[i / width], b.extract(vector, i), b.f32(0)));
  return b.combine(elements);
}

/// Rounds the values to the type, and stores those whose row and column exist.
void GatedNormBody::storeColumns(StringRef name, Type type, const Group &group,
                                 const Pair &values) {
  struct Part {
    Value value, row, column, holds;
  };
  SmallVector<Part> parts;
  for (int64_t i = 0; i < 2; ++i) {
    Value row = b.at(b.arg(name), type, rows.offsets[i]), all = b.fromF32(values[i], type);
    if (group.step) {
      parts.push_back(
          {all, b.at(row, type, group.columns[0]), b.i32(group.distance), rows.isRow[i]});
      continue;
    }
    for (auto [part, column] : llvm::enumerate(group.columns)) {
      SmallVector<Value> elements;
      for (int64_t k = 0; width != kWidth && k < width; ++k)
        elements.push_back(b.extract(all, part * width + k));
      Value stored = elements.empty() ? all : width == 1 ? elements[0] : b.combine(elements);
      Value holds = rows.isRow[i];
      if (!group.inside.empty())
        holds = arith::AndIOp::create(b, holds, group.inside[part]);
      parts.push_back({stored, row, column, holds});
    }
  }
  auto store = [&](const Part &part) { b.store(part.value, part.row, type, part.column); };
  auto storeSome = [&] {
    for (const Part &part : parts)
      b.ifThen(part.holds, [&] { store(part); });
  };
  if (!group.inside.empty())
    return storeSome();
  // The compiler moves everything that only one branch uses into that branch. With a branch
  // for each store, it would begin the loads one after the other. So the common case, a tile
  // whose rows all exist, has one branch for all stores.
  b.ifThen(rows.all, [&] { llvm::for_each(parts, store); }, storeSome);
}

Value GatedNormBody::parameter(StringRef name, const Group &group) {
  Value all = hasSlots() ? vectorOf(name) : b.arg(name);
  return b.toF32(loadColumns(all, spec.parameterType, group));
}

/// Loads the lane's columns of a row of x or of the residual. If there are slots, those of x
/// hold h after the first pass.
Value GatedNormBody::loadRow(StringRef name, int64_t i, const Group &group) {
  if (group.step)
    return readSlot(name, *group.step, i);
  return loadColumns(b.at(b.arg(name), spec.type, rows.offsets[i]), spec.type, group);
}

/// Returns h of both rows: x, or its sum with the residual and the residual's bias, rounded to
/// the type after each addition. The first pass stores it if the spec asks for the sum.
Pair GatedNormBody::load(const Group &group, bool first) {
  if (first && group.step)
    waitForCopies(b, pending());
  Pair h;
  for (int64_t i = 0; i < 2; ++i) {
    h[i] = loadRow("x", i, group);
    if (!spec.residual)
      continue;
    Value sum = b.fadd(b.toF32(h[i]), b.toF32(loadRow("residual", i, group)));
    h[i] = b.fromF32(sum, spec.type);
    if (spec.residualBias) {
      sum = b.fadd(b.toF32(h[i]), parameter("residual_bias", group));
      h[i] = b.fromF32(sum, spec.type);
    }
  }
  if (first && spec.sum)
    storeColumns("sum", spec.type, group, {b.toF32(h[0]), b.toF32(h[1])});
  if (first && group.step && spec.residual)
    for (int64_t i = 0; i < 2; ++i)
      writeSlot(*group.step, i, h[i]);
  return h;
}

Pair GatedNormBody::loadAgain(const Group &group) {
  if (!group.step)
    return load(group, /*first=*/false);
  return {loadRow("x", 0, group), loadRow("x", 1, group)};
}

/// Computes u = pre_affine * h in f32, or u = h if there is no pre_affine.
Pair GatedNormBody::prepared(const Group &group, const Pair &h) {
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

/// Returns the index at which warp `w` keeps its part of a row's sum.
Value GatedNormBody::rowSumAt(Value w, Value row) { return b.add(b.mul(w, b.i32(kGateRows)), row); }

/// Stores each warp's sums over its columns. `totalOf` adds them up after a barrier. The mean
/// and the squares have different slots, so the second exchange needs no barrier before it.
void GatedNormBody::storeRowSums(Pair mine, int64_t slot) {
  for (Value &x : mine)
    x = b.warpSum(x, /*width=*/4);
  b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, t, b.i32(0)), [&] {
    for (int64_t i = 0; i < 2; ++i)
      b.store(mine[i], b.shared(rowSums(slot)), b.getF32Type(),
              rowSumAt(warp, b.add(g, b.i32(8 * i))));
  });
}

Value GatedNormBody::totalOf(Value row, int64_t slot) {
  Value total;
  for (int64_t w = 0; w < schedule.warps; ++w) {
    Value part = b.load(b.shared(rowSums(slot)), b.getF32Type(), rowSumAt(b.i32(w), row));
    total = total ? b.fadd(total, part) : part;
  }
  return total;
}

/// Returns the sums over all columns of both rows, from the parts of all lanes and warps.
Pair GatedNormBody::sumRows(Pair mine, int64_t slot) {
  storeRowSums(mine, slot);
  b.barrier();
  return {totalOf(g, slot), totalOf(b.add(g, b.i32(8)), slot)};
}

SmallVector<Value> GatedNormBody::addSum(const Group &group, Pair values, ValueRange sums) {
  SmallVector<Value> next;
  for (int64_t i = 0; i < 2; ++i)
    next.push_back(b.fadd(sums[i], b.sum(clear(group, values[i]))));
  return next;
}

SmallVector<Value> GatedNormBody::addSquares(const Group &group, Pair values, ValueRange sums) {
  SmallVector<Value> next;
  for (auto [value, sum] : llvm::zip(values, sums)) {
    Value inside = clear(group, value);
    // There are two chains of additions, because in a single one each waits for the one before.
    Value chains[2] = {sum, b.f32(0)};
    for (int64_t k = 0; k < kWidth; ++k) {
      Value x = b.extract(inside, k);
      chains[k % 2] = k == 1 ? b.fmul(x, x) : b.fma(x, x, chains[k % 2]);
    }
    next.push_back(b.fadd(chains[0], chains[1]));
  }
  return next;
}

void GatedNormBody::findStatistics() {
  SmallVector<Value> zeros(2, b.f32(0));
  if (spec.layer) {
    auto add = [&](const Group &group, ValueRange values) {
      return addSum(group, prepared(group, load(group, /*first=*/true)), values);
    };
    SmallVector<Value> sums = forGroups(GatePass::Statistics, zeros, add);
    Pair total = sumRows({sums[0], sums[1]}, 0);
    for (int64_t i = 0; i < 2; ++i)
      mean[i] = b.fmul(total[i], b.f32(1.0 / spec.dim));
  }
  auto add = [&](const Group &group, ValueRange values) {
    Pair u = prepared(group, spec.layer ? loadAgain(group) : load(group, /*first=*/true));
    if (spec.layer)
      for (int64_t i = 0; i < 2; ++i)
        u[i] = b.fsub(u[i], b.splat(mean[i], kWidth));
    return addSquares(group, u, values);
  };
  SmallVector<Value> sums =
      forGroups(spec.layer ? GatePass::Deviations : GatePass::Statistics, zeros, add);
  Pair squares = sumRows({sums[0], sums[1]}, 1);
  for (int64_t i = 0; i < 2; ++i)
    factor[i] = factorOf(squares[i]);
}

Value GatedNormBody::factorOf(Value sumOfSquares) {
  return b.rsqrt(b.fma(sumOfSquares, b.f32(1.0 / spec.dim), b.f32(spec.epsilon)));
}

/// Computes the norm's result in f32. Leaves the factor 1/rms out if `scaled` is false.
Pair GatedNormBody::normalized(const Group &group, const Pair &h, bool scaled) {
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
