//===- RealElements.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Floating-point elements as f64, and back, rounded once.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_REALELEMENTS_H
#define BASIN_DIALECT_ONNX_UTILS_REALELEMENTS_H

#include "mlir/IR/BuiltinTypes.h"

#include <vector>

namespace basin::onnx {

/// Reads the elements of `bytes`, which are of `type`: f16, bf16, f32 or f64.
std::vector<double> readReals(llvm::ArrayRef<char> bytes, mlir::Type type);

/// Writes numbers as elements of `type`, rounded to nearest, ties to even. Returns false if a
/// finite number is not finite in that type.
bool writeReals(llvm::ArrayRef<double> numbers, mlir::Type type, llvm::MutableArrayRef<char> bytes);

/// Multiplies each element by the factor of its position on `axis`, and rounds once. Returns false
/// if a finite element becomes one that is not.
bool multiplyElements(llvm::MutableArrayRef<char> bytes, mlir::Type type,
                      llvm::ArrayRef<int64_t> shape, int64_t axis, llvm::ArrayRef<double> factors);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_REALELEMENTS_H
