//===- Constants.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the numbers of a constant, which may be behind Cast, Identity, Unsqueeze, Squeeze and
// Reshape. A graph input with a default is no constant, because the caller may override it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_CONSTANTS_H
#define BASIN_DIALECT_ONNX_UTILS_CONSTANTS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin::onnx {

/// Returns whether `value` is the same in each run.
bool isConstant(mlir::Value value);

/// Returns the elements of a constant of bool or integer type, or nothing if there are more than
/// 4096.
std::optional<llvm::SmallVector<int64_t>> getConstantInts(mlir::Value value);

/// Returns the elements of a constant of real or integer type, rounded by each Cast in between.
std::optional<llvm::SmallVector<double>> getConstantFloats(mlir::Value value, size_t maxElements);

/// Returns the result of a Cast of `number` to `type`. Returns nothing if ONNX leaves that to the
/// runtime (out of range, NaN to integer) or if `type` is no number.
std::optional<double> castNumber(double number, mlir::Type type);

/// Returns the element of a constant that has only one, of real or integer type.
std::optional<double> getConstantScalar(mlir::Value value);

/// Returns the axes of a node from its attribute `axes` or `axis` or from its operand for axes,
/// counted from the front of `rank` dims. Returns nothing if they are absent, not constant or out
/// of range.
std::optional<llvm::SmallVector<int64_t>> getAxes(mlir::Operation *op, int64_t rank);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_CONSTANTS_H
