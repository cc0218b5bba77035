//===- Leaves.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Declares leaf matchers. Each treats the equivalent ways of writing one small thing alike, only
// reads the IR, and reports the ops that it went through.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_LEAVES_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_LEAVES_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "llvm/ADT/SetVector.h"

namespace basin::onnx {

using Ops = llvm::SetVector<mlir::Operation *>;

/// Returns whether `type` is f16, bf16, f32 or f64. A Cast to a narrower float cannot be ignored:
/// such a float keeps too little of a value, and has too little range.
bool isRealType(mlir::Type type);

/// Return whether a Cast can be ignored, judged by the types on both sides. A Cast cannot if a
/// type is unknown. An Identity always can.
/// - isFloatCast: for values, except for rounding, between real types.
/// - isIndexCast: for positions and sizes, exactly, between 32- and 64-bit integers, f32 and f64.
/// - isFlagCast: for flags, which are zero or not, to types in which both stay what they are.
bool isFloatCast(mlir::Operation *op);
bool isIndexCast(mlir::Operation *op);
bool isFlagCast(mlir::Operation *op);

/// Returns whether `type` has less precision or range than `than`.
bool isNarrower(mlir::Type type, mlir::Type than);

/// Returns whether one of `ops` casts to a type narrower than x's. Then the ops compute with less
/// precision or range than an op on x, even if their results are wide.
bool hasNarrowerCast(const Ops &ops, mlir::Value x);

/// Return the value before all Casts between reals and all Identities, and add those ops to
/// `ops`. skipWidenings stops at a Cast to a narrower type, because the value before it is
/// another.
mlir::Value skipCasts(mlir::Value value, Ops *ops = nullptr);
mlir::Value skipWidenings(mlir::Value value, Ops *ops = nullptr);

/// Returns the type of the elements, or null if it is unknown.
mlir::Type getElementTypeOf(mlir::Value value);
/// Returns the rank, or nothing if it is unknown.
std::optional<int64_t> getRank(mlir::Value value);
/// Returns the static size of axis `axis` (negative from the end), or nothing if it is unknown.
std::optional<int64_t> getDim(mlir::Value value, int64_t axis);
/// Returns whether axis `axis`, -1 or counted from the front, is known to be the last of `value`.
bool isLastAxis(mlir::Value value, int64_t axis);

/// Evaluates a scalar that is constant, or computed from constants and static shapes, such as an
/// exporter's 1/sqrt(head dim).
std::optional<double> evaluateScalar(mlir::Value value, unsigned depth = 12);

/// Does the same for an operand that is broadcast to `other`. Returns nothing if it might raise
/// the rank of the result.
std::optional<double> evaluateFactor(mlir::Value value, mlir::Value other);

/// Returns the operand of a commutative binary op that is not `value`. Returns null if neither
/// operand is `value`.
mlir::Value otherOperand(mlir::Operation *op, mlir::Value value);

/// Returns the only user of `value`, or null if `value` is not used exactly once.
mlir::Operation *getOnlyUser(mlir::Value value);

/// Returns whether `op` is a Dropout that drops nothing.
bool isInferenceDropout(mlir::Operation *op);

/// Returns v if `value` is v * v or v^2, and null otherwise.
mlir::Value matchSquare(mlir::Value value, Ops &ops);

/// Returns whether `value` has `d` elements on its last axis and one on all others. Then it can
/// be a norm's weight: it is a [d] vector however it is written. Without `d`, any known size but
/// 1 will do.
bool isVector(mlir::Value value, std::optional<int64_t> d);

/// Returns whether broadcasting `value` to `other` is known to raise no rank. It is if `value`
/// has no more axes than `other`, or at most one if the axes of `other` are not known.
bool keepsRank(mlir::Value value, mlir::Value other);

/// `value = source * factor` with a scalar factor, written as a Mul in either order or as a Div.
struct Scaled {
  mlir::Value source;
  double factor;
};
std::optional<Scaled> matchScaled(mlir::Value value, Ops &ops);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_LEAVES_H
