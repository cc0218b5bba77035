//===- Leaves.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Leaf matchers: each sees the equivalent ways of writing one small thing as
// one, reads the IR only, and reports the ops it went through.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_LEAVES_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_LEAVES_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "llvm/ADT/SetVector.h"

namespace basin::onnx {

using Ops = llvm::SetVector<mlir::Operation *>;

/// f16, bf16, f32 or f64. A narrower float keeps too little of a value, and has
/// too little range, for a Cast to it to be taken for none.
bool isRealType(mlir::Type type);

/// Whether a Cast can be taken for none, by the types on both sides. An unknown
/// type is none that can. Identity always can.
/// - of values, but for rounding: between real types;
/// - of positions and sizes, exactly: between 32- and 64-bit integers, f32, f64;
/// - of flags, which are zero or not: to types in which both stay what they are.
bool isFloatCast(mlir::Operation *op);
bool isIndexCast(mlir::Operation *op);
bool isFlagCast(mlir::Operation *op);

/// Whether `type` has less precision or range than `than`.
bool isNarrower(mlir::Type type, mlir::Type than);

/// Whether one of `ops` casts to a type narrower than x's: then they compute less
/// than an op on x does, however wide what they hand out.
bool hasNarrowerCast(const Ops &ops, mlir::Value x);

/// The value before any Cast between reals and any Identity; those ops are added to
/// `ops`. skipWidenings stops at a Cast to a narrower type, before which the value is
/// another.
mlir::Value skipCasts(mlir::Value value, Ops *ops = nullptr);
mlir::Value skipWidenings(mlir::Value value, Ops *ops = nullptr);

/// Elements' type; null if unknown.
mlir::Type getElementTypeOf(mlir::Value value);
/// Rank, or nothing.
std::optional<int64_t> getRank(mlir::Value value);
/// Static size of axis `axis` (negative from the end), or nothing.
std::optional<int64_t> getDim(mlir::Value value, int64_t axis);
/// Whether axis `axis` is the last of `value` (given as -1 or by its rank).
bool isLastAxis(mlir::Value value, int64_t axis);

/// A scalar: constant, or computed from constants and static shapes (an
/// exporter's 1/sqrt(head dim)).
std::optional<double> evaluateScalar(mlir::Value value, unsigned depth = 12);

/// The same of an operand that is broadcast to `other`: nothing where it would
/// raise the result's rank.
std::optional<double> evaluateFactor(mlir::Value value, mlir::Value other);

/// The other operand of a commutative binary op; null if `value` is neither.
mlir::Value otherOperand(mlir::Operation *op, mlir::Value value);

/// The only user of `value`; null if there are none or several.
mlir::Operation *getOnlyUser(mlir::Value value);

/// A Dropout that drops nothing.
bool isInferenceDropout(mlir::Operation *op);

/// v where `value` is v * v or v^2.
mlir::Value matchSquare(mlir::Value value, Ops &ops);

/// Whether `value` has `d` elements on its last axis and 1 on all others, and
/// so can be a norm's weight: a [d] vector however it is written.
bool isVector(mlir::Value value, std::optional<int64_t> d);

/// Whether `value`, broadcast to `other`, is known to raise no rank: it has no
/// more axes, or one at most where the other's are not known.
bool keepsRank(mlir::Value value, mlir::Value other);

/// `value = source * factor`, with a scalar factor, by Mul or Div, either order.
struct Scaled {
  mlir::Value source;
  double factor;
};
std::optional<Scaled> matchScaled(mlir::Value value, Ops &ops);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_LEAVES_H
