//===- PowerOfTwo.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Multiplies floating-point elements by powers of two, exactly.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_POWEROFTWO_H
#define BASIN_DIALECT_ONNX_UTILS_POWEROFTWO_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

#include <vector>

namespace basin::onnx {

/// The first element for which a scaling is not exact.
struct RangeLoss {
  /// The index of the element.
  int64_t index;
  bool overflows;
};

/// Returns whether elements of `type` can be scaled, which are f16, bf16, f32 and f64.
bool isScalable(mlir::Type type);

/// Multiplies each element of `bytes` (of `type`, with row-major `shape`) by 2^exponents[its
/// position on `axis`]. A single exponent serves all positions. Stops at the first element that
/// would leave the normal range, either to infinity or by losing bits below the smallest normal
/// number. Zeros, infinities and NaNs stay. A subnormal number can only be scaled up to a normal
/// one.
std::optional<RangeLoss> scaleByPowersOfTwo(llvm::MutableArrayRef<char> bytes, mlir::Type type,
                                            llvm::ArrayRef<int64_t> shape, int64_t axis,
                                            llvm::ArrayRef<int> exponents);

/// Returns the loss of that scaling without changing `bytes`.
std::optional<RangeLoss> findRangeLoss(llvm::ArrayRef<char> bytes, mlir::Type type,
                                       llvm::ArrayRef<int64_t> shape, int64_t axis,
                                       llvm::ArrayRef<int> exponents);

/// Scales in the same way, but rounds to nearest, ties to even. Returns the largest error of an
/// element relative to the largest element at its position on `axis`, which is infinity if one
/// overflows.
double roundByPowersOfTwo(llvm::MutableArrayRef<char> bytes, mlir::Type type,
                          llvm::ArrayRef<int64_t> shape, int64_t axis,
                          llvm::ArrayRef<int> exponents);

/// Calls `visit` with each element as a double and its position on `axis`.
void visitElements(llvm::ArrayRef<char> bytes, mlir::Type type, llvm::ArrayRef<int64_t> shape,
                   int64_t axis, llvm::function_ref<void(double value, int64_t position)> visit);

/// Returns the bytes of the vector 2^exponents in type `element`, or nothing if a power is no
/// normal number.
std::optional<std::vector<char>> makePowersOfTwo(mlir::Type element, llvm::ArrayRef<int> exponents);

/// Creates a constant at `b` that is the one element of `constant` times 2^exponents. Several
/// exponents become the last axis. Returns null if the scaling is not exact. Infinities stay.
mlir::Value makeScaledScalar(mlir::OpBuilder &b, mlir::Value constant,
                             llvm::ArrayRef<int> exponents);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_POWEROFTWO_H
