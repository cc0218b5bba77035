//===- PowerOfTwo.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exact multiplication of floating-point bytes by powers of two.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_POWEROFTWO_H
#define BASIN_DIALECT_ONNX_UTILS_POWEROFTWO_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

#include <vector>

namespace basin::onnx {

/// Where a scaling is not exact.
struct RangeLoss {
  /// Position of the element.
  int64_t index;
  bool overflows;
};

/// Whether elements of `type` can be scaled here: f16, bf16, f32, f64.
bool isScalable(mlir::Type type);

/// Multiplies element i of `bytes` (of `type`, `shape` row major) by
/// 2^exponents[position on `axis`]; one exponent serves all positions. Stops at
/// the first element that would leave the normal range: overflow to infinity,
/// or bits lost below the smallest normal number. Zeros, infinities and NaNs
/// stay; a subnormal number stays exact only where it is not divided.
std::optional<RangeLoss> scaleByPowersOfTwo(llvm::MutableArrayRef<char> bytes, mlir::Type type,
                                            llvm::ArrayRef<int64_t> shape, int64_t axis,
                                            llvm::ArrayRef<int> exponents);

/// The loss of such a product, without making it.
std::optional<RangeLoss> findRangeLoss(llvm::ArrayRef<char> bytes, mlir::Type type,
                                       llvm::ArrayRef<int64_t> shape, int64_t axis,
                                       llvm::ArrayRef<int> exponents);

/// The same product rounded to nearest, ties to even. Returns the largest error
/// of an element, relative to the largest element at its position of `axis`;
/// infinity where one overflows.
double roundByPowersOfTwo(llvm::MutableArrayRef<char> bytes, mlir::Type type,
                          llvm::ArrayRef<int64_t> shape, int64_t axis,
                          llvm::ArrayRef<int> exponents);

/// Calls `visit` with each element as a double and its position on `axis`.
void visitElements(llvm::ArrayRef<char> bytes, mlir::Type type, llvm::ArrayRef<int64_t> shape,
                   int64_t axis, llvm::function_ref<void(double value, int64_t position)> visit);

/// The bytes of ones of `element`, times 2^exponents, one an exponent; nothing
/// where a power is no normal number.
std::optional<std::vector<char>> makePowersOfTwo(mlir::Type element, llvm::ArrayRef<int> exponents);

/// A constant of one element times 2^exponents as a new constant at `b`, whose
/// last axis takes the exponents where they differ; null where that would not be
/// exact. Infinities stay.
mlir::Value makeScaledScalar(mlir::OpBuilder &b, mlir::Value constant,
                             llvm::ArrayRef<int> exponents);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_POWEROFTWO_H
