//===- GatedNormRows.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rows of a gated norm: where a lane's columns are, loads and stores of them,
// their statistics and their normalized values.
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
  for (int64_t i = 0; i < 2; ++i) {
    Value row = b.add(b.add(b.mul(b.blockX(), b.i32(kGateRows)), g), b.i32(8 * i));
    isRow[i] = b.lessU(row, b.arg("rows"));
    // Beyond the last row its values are computed once more, and not stored.
    rows[i] = b.select(isRow[i], row, b.sub(b.arg("rows"), b.i32(1)));
    offsets[i] = arith::MulIOp::create(b, b.extend(rows[i]), b.i64(spec.dim));
  }
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

/// Unrolled where the rows are kept, which are then known by number.
SmallVector<Value>
GatedNormBody::forGroups(ValueRange carried,
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

/// The lane's eight columns of a row.
Value GatedNormBody::loadColumns(Value row, Type type, const Group &group) {
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

/// Zeros beyond the row's end.
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

/// Stores what is inside the tensor, rounded to its type.
void GatedNormBody::storeColumns(StringRef name, Type type, const Group &group,
                                 const Pair &values) {
  for (int64_t i = 0; i < 2; ++i) {
    Value row = b.at(b.arg(name), type, offsets[i]), all = b.fromF32(values[i], type);
    for (auto [part, column] : llvm::enumerate(group.columns)) {
      SmallVector<Value> elements;
      for (int64_t k = 0; width != kWidth && k < width; ++k)
        elements.push_back(b.extract(all, part * width + k));
      Value stored = elements.empty() ? all : width == 1 ? elements[0] : b.combine(elements);
      Value holds = isRow[i];
      if (!group.inside.empty())
        holds = arith::AndIOp::create(b, holds, group.inside[part]);
      b.ifThen(holds, [&, column = column] { b.store(stored, row, type, column); });
    }
  }
}

Value GatedNormBody::parameter(StringRef name, const Group &group) {
  return b.toF32(loadColumns(b.arg(name), spec.parameterType, group));
}

/// h of both rows as stored: x, or its rounded sum with the residual.
Pair GatedNormBody::load(const Group &group, bool first) {
  auto loadRow = [&](StringRef name, int64_t i) {
    return loadColumns(b.at(b.arg(name), spec.type, offsets[i]), spec.type, group);
  };
  Pair h;
  for (int64_t i = 0; i < 2; ++i) {
    h[i] = loadRow("x", i);
    if (!spec.residual)
      continue;
    Value sum = b.fadd(b.toF32(h[i]), b.toF32(loadRow("residual", i)));
    h[i] = b.fromF32(sum, spec.type);
    if (spec.residualBias) {
      sum = b.fadd(b.toF32(h[i]), parameter("residual_bias", group));
      h[i] = b.fromF32(sum, spec.type);
    }
  }
  if (first && spec.sum)
    storeColumns("sum", spec.type, group, {b.toF32(h[0]), b.toF32(h[1])});
  if (first && group.step)
    kept.push_back(h);
  return h;
}

Pair GatedNormBody::loadAgain(const Group &group) {
  return group.step ? kept[*group.step] : load(group, /*first=*/false);
}

/// u = pre_affine * h in f32.
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

/// Sums over each row's columns, of all lanes and warps. `slot` of two: the
/// second exchange needs no barrier before it.
Pair GatedNormBody::sumRows(Pair mine, int64_t slot) {
  Type f32 = b.getF32Type();
  Value scratch = b.shared(slot * schedule.warps * kGateRows * 4);
  for (Value &x : mine)
    x = b.warpSum(x, /*width=*/4);
  b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, t, b.i32(0)), [&] {
    for (int64_t i = 0; i < 2; ++i)
      b.store(mine[i], scratch, f32, b.add(b.mul(warp, b.i32(kGateRows)), b.add(g, b.i32(8 * i))));
  });
  b.barrier();
  Pair total;
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t w = 0; w < schedule.warps; ++w) {
      Value part = b.load(scratch, f32, b.add(g, b.i32(w * kGateRows + 8 * i)));
      total[i] = total[i] ? b.fadd(total[i], part) : part;
    }
  return total;
}

SmallVector<Value> GatedNormBody::addSum(const Group &group, Pair values, ValueRange sums) {
  SmallVector<Value> next;
  for (int64_t i = 0; i < 2; ++i)
    next.push_back(b.fadd(sums[i], b.sum(clear(group, values[i]))));
  return next;
}

SmallVector<Value> GatedNormBody::addSquares(const Group &group, Pair values, ValueRange sums) {
  for (Value &value : values)
    value = b.fmul(value, value);
  return addSum(group, values, sums);
}

void GatedNormBody::findStatistics() {
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

void GatedNormBody::setFactor(Pair sumsOfSquares) {
  for (int64_t i = 0; i < 2; ++i)
    factor[i] = b.rsqrt(b.fma(sumsOfSquares[i], b.f32(1.0 / spec.dim), b.f32(spec.epsilon)));
}

/// The norm's result, f32; without its factor where not `scaled`.
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
