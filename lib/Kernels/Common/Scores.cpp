//===- Scores.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Scores.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

/// The cap is computed as cap - 2 * cap / (1 + exp(2 * scale * x / cap)), because the
/// approximate tanh has 11 bits, too few for a score of 50.
Value basin::kernels::capScore(KernelBuilder &b, Value score, double scale, double cap,
                               double unit) {
  Value inner = b.f32(2 * kLog2E * scale / cap);
  Value outer = b.f32(cap * unit), twice = b.f32(-2 * cap * unit);
  Value power = b.exp2(b.fmul(score, inner));
  return b.fma(b.reciprocal(b.fadd(power, b.f32(1))), twice, outer);
}

Type basin::kernels::getMaskElement(const ScoreOptions &options) {
  if (options.mask == ScoreOptions::Keep)
    return IntegerType::get(options.type.getContext(), 8);
  return options.maskType;
}

/// A fill is limited to -1e30, which is far below any score and stays finite in the units that
/// kernels have.
double basin::kernels::getHiddenScore(const ScoreOptions &options) {
  constexpr double kLowest = -1e30;
  return options.maskFill == 0 ? -INFINITY : std::max(options.maskFill, kLowest);
}

/// The sum with a finite bias stays finite: a row whose biases all are the type's lowest number
/// gives each key its share. An f16 bias is too small to overflow.
static Value addBias(KernelBuilder &b, Type type, Value bias, Value score, double unit) {
  Value sum = b.fma(bias, b.f32(unit), score);
  if (type.isF16())
    return sum;
  Value lowest = b.f32(-std::numeric_limits<float>::max());
  Value isFinite = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, bias, b.f32(-INFINITY));
  return b.select(isFinite, b.fmax(sum, lowest), sum);
}

Value basin::kernels::maskScore(KernelBuilder &b, const ScoreOptions &options, Value loaded,
                                Value score, double hidden, double unit) {
  if (options.mask == ScoreOptions::Bias)
    return addBias(b, options.maskType, b.toF32(loaded), score, unit);
  Value zero = arith::ConstantOp::create(b, b.getI8IntegerAttr(0));
  Value hides = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, loaded, zero);
  return b.select(hides, b.f32(hidden), score);
}

Value basin::kernels::getSubtrahend(KernelBuilder &b, Value highest) {
  Value isNothing = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, highest, b.f32(-INFINITY));
  return b.select(isNothing, b.f32(0), highest);
}
