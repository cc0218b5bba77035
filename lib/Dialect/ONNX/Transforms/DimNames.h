//===- DimNames.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The names "?0", "?1", ... that shape inference gives to dims that have none.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_ONNX_TRANSFORMS_DIMNAMES_H
#define BASIN_LIB_DIALECT_ONNX_TRANSFORMS_DIMNAMES_H

#include "basin/Dialect/ONNX/IR/Dims.h"

#include "mlir/IR/Operation.h"

namespace basin::onnx {

Dim makeNumberedDim(mlir::MLIRContext *ctx, unsigned number);

/// The first number from which on no dim below `root` is named, by an earlier
/// run or the model.
unsigned getFirstFreeNumber(mlir::Operation *root);

/// `type` without the names from `first` on.
mlir::Type forgetNames(mlir::Type type, unsigned first);

} // namespace basin::onnx

#endif // BASIN_LIB_DIALECT_ONNX_TRANSFORMS_DIMNAMES_H
