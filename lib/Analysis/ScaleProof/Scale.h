//===- Scale.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The exponents by which a value differs from the value it stands for, and by which a weight was
// changed.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_ANALYSIS_SCALEPROOF_SCALE_H
#define BASIN_LIB_ANALYSIS_SCALEPROOF_SCALE_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin {

/// One exponent, or one for each position of the last axis. It is kAny if any exponent fits,
/// because all elements there are 0, infinite or NaN on both sides.
class Scale {
public:
  static constexpr int kAny = std::numeric_limits<int>::min();

  Scale(int exponent = 0) : exponents{exponent} {}
  explicit Scale(llvm::SmallVector<int> each);

  bool isUniform() const { return exponents.size() == 1; }
  bool isNone() const { return isUniform() && (exponents[0] == 0 || exponents[0] == kAny); }
  /// Returns the exponent of a uniform scale, and 0 if any fits.
  int value() const { return exponents[0] == kAny ? 0 : exponents[0]; }
  size_t size() const { return exponents.size(); }
  int at(size_t i) const { return exponents[isUniform() ? 0 : i]; }

  /// Returns the exponents that fit both, or nothing if they contradict each other or have
  /// different lengths.
  static std::optional<Scale> meet(const Scale &a, const Scale &b);
  /// Returns the exponents of the product, or of the quotient if `sign` is -1.
  static std::optional<Scale> combine(const Scale &a, const Scale &b, int sign = 1);
  /// Returns every exponent times `numerator / denominator`, or nothing if one is no whole number.
  std::optional<Scale> times(int numerator, int denominator = 1) const;

private:
  llvm::SmallVector<int, 1> exponents;
};

/// Returns the exponents by which a constant changed from `before` to `after`, one for all elements
/// or one for each position of the last axis. Returns nothing if it changed in another way or
/// cannot be read.
std::optional<Scale> compareConstants(mlir::Value before, mlir::Value after);

/// Compares the constant matrices [.., rows, columns] of a product whose other operand brings the
/// factors 2^rows, one for each row. Returns the exponents of the product's columns, or nothing if
/// the matrix did not change such that each column has one exponent. If `transposed`, the matrices
/// are [.., columns, rows].
std::optional<Scale> compareMatrices(mlir::Value before, mlir::Value after, const Scale &rows,
                                     bool transposed);

/// Returns the exponents of a constant of positive powers of two that is one number or a vector
/// along the last axis, or nothing if it is something else.
std::optional<Scale> getPowersOfTwo(mlir::Value constant);

/// Returns whether all elements of a constant or of a ConstantOfShape are 0.
bool isZero(mlir::Value value);

bool isConstantOp(mlir::Value value);

/// Returns the constant of rank 2 whose transpose `value` is, or null.
mlir::Value getTransposed(mlir::Value value);

} // namespace basin

#endif // BASIN_LIB_ANALYSIS_SCALEPROOF_SCALE_H
