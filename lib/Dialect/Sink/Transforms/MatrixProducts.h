//===- MatrixProducts.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products of an activation with a constant matrix on its right: plain, fused and
// quantized ones. Matrices on the left are none: the activation's last axis is
// not what they multiply.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_MATRIXPRODUCTS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_MATRIXPRODUCTS_H

#include "mlir/IR/Operation.h"

namespace basin::sink {

struct MatrixProduct {
  /// What is multiplied: floats, or integers with a scale.
  mlir::Value input;
  /// The constant matrix; of a tied one the table that it is a transpose of.
  mlir::Value weight;
  /// Of integers: their one scale, and their zero point where there is one.
  mlir::Value scale, zeroPoint;
};

/// The product that `op` is; nothing where it is none, or where its operands say
/// too little. Integers that were floats before a quantization in the graph are
/// taken as those.
std::optional<MatrixProduct> matchMatrixProduct(mlir::Operation *op);

/// The tensor with its two leading axes, before it was flattened for a Gemm.
mlir::Value seeThroughViews(mlir::Value value);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_MATRIXPRODUCTS_H
