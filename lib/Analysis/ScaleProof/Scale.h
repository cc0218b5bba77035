//===- Scale.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The exponents by which a value differs from what it stands for, and those by
// which a weight was changed.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_ANALYSIS_SCALEPROOF_SCALE_H
#define BASIN_LIB_ANALYSIS_SCALEPROOF_SCALE_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin {

/// One exponent, or one for each position of the last axis. Where all elements are
/// 0 on both sides, any exponent fits.
class Scale {
public:
  static constexpr int kAny = std::numeric_limits<int>::min();

  Scale(int exponent = 0) : exponents{exponent} {}
  explicit Scale(llvm::SmallVector<int> each);

  bool isUniform() const { return exponents.size() == 1; }
  bool isNone() const { return isUniform() && (exponents[0] == 0 || exponents[0] == kAny); }
  /// The one exponent, 0 for any; only where uniform.
  int value() const { return exponents[0] == kAny ? 0 : exponents[0]; }
  size_t size() const { return exponents.size(); }
  int at(size_t i) const { return exponents[isUniform() ? 0 : i]; }

  /// What both can be; nothing where they contradict or have other lengths.
  static std::optional<Scale> meet(const Scale &a, const Scale &b);
  /// Of a product, with `sign` -1 of a quotient.
  static std::optional<Scale> combine(const Scale &a, const Scale &b, int sign = 1);
  /// Every exponent times `numerator / denominator`; nothing where that is no whole
  /// number.
  std::optional<Scale> times(int numerator, int denominator = 1) const;

private:
  llvm::SmallVector<int, 1> exponents;
};

/// Exponents of a constant's change from `before` to `after`, along the last axis or
/// one for all; nothing where the change is another, or cannot be read.
std::optional<Scale> compareConstants(mlir::Value before, mlir::Value after);

/// Exponents of the columns of a matrix [.., rows, columns] (`transposed`: of its
/// rows) which changed from `before` to `after` so that factors 2^rows that the other
/// operand brings are taken away. Nothing where it did not change like that.
std::optional<Scale> compareMatrices(mlir::Value before, mlir::Value after, const Scale &rows,
                                     bool transposed);

/// The exponents of a constant of powers of two (vector of the last axis or one
/// number); nothing where an element is no positive power of two.
std::optional<Scale> getPowersOfTwo(mlir::Value constant);

/// Whether all elements of a constant, or of a ConstantOfShape, are 0.
bool isZero(mlir::Value value);

bool isConstantOp(mlir::Value value);

/// The constant of rank 2 that `value` is the transpose of; null if it is none.
mlir::Value getTransposed(mlir::Value value);

} // namespace basin

#endif // BASIN_LIB_ANALYSIS_SCALEPROOF_SCALE_H
