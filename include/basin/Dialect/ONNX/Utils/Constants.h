//===- Constants.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Numbers of a constant, behind Constant, initializer, Cast, Identity,
// Unsqueeze, Squeeze and Reshape. A graph input with a default is no constant:
// the caller may override it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_CONSTANTS_H
#define BASIN_DIALECT_ONNX_UTILS_CONSTANTS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin::onnx {

/// Whether `value` is the same in each run.
bool isConstant(mlir::Value value);

/// The elements of a constant of bool or integer type, 4096 at most.
std::optional<llvm::SmallVector<int64_t>> getConstantInts(mlir::Value value);

/// The elements of a constant of real type, rounded as the Casts in between
/// round them.
std::optional<llvm::SmallVector<double>> getConstantFloats(mlir::Value value, size_t maxElements);

/// `number` as a Cast to `type` gives it; nothing where that is left to the
/// runtime (out of range, NaN to integer) or `type` is not real.
std::optional<double> castNumber(double number, mlir::Type type);

/// The only element of a constant of real type.
std::optional<double> getConstantScalar(mlir::Value value);

/// The axes of a node, from its attribute `axes` or `axis` or from its operand
/// for axes, counted from the front of `rank` dims. Nothing where they are
/// neither stated nor constant, or out of range.
std::optional<llvm::SmallVector<int64_t>> getAxes(mlir::Operation *op, int64_t rank);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_CONSTANTS_H
