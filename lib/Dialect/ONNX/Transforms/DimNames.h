//===- DimNames.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Manages the names "?0", "?1" and so on that shape inference gives to dims without a name.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_ONNX_TRANSFORMS_DIMNAMES_H
#define BASIN_LIB_DIALECT_ONNX_TRANSFORMS_DIMNAMES_H

#include "basin/Dialect/ONNX/IR/Dims.h"

#include "mlir/IR/Operation.h"

namespace basin::onnx {

Dim makeNumberedDim(mlir::MLIRContext *ctx, unsigned number);

/// Returns the first number such that neither an earlier run nor the model used it or a higher one
/// for a dim below `root`.
unsigned getFirstFreeNumber(mlir::Operation *root);

/// Returns `type` without the names of number `first` and higher.
mlir::Type forgetNames(mlir::Type type, unsigned first);

} // namespace basin::onnx

#endif // BASIN_LIB_DIALECT_ONNX_TRANSFORMS_DIMNAMES_H
