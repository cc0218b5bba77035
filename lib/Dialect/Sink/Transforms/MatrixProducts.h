//===- MatrixProducts.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Recognizes products of an activation with a constant matrix on its right: plain, fused and
// quantized ones. A matrix on the left does not count, because it does not multiply the
// activation's last axis.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_MATRIXPRODUCTS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_MATRIXPRODUCTS_H

#include "mlir/IR/Operation.h"

namespace basin::sink {

struct MatrixProduct {
  /// The value that is multiplied: floats, or integers with a scale.
  mlir::Value input;
  /// The constant matrix. If it is tied, the table that it is a transpose of.
  mlir::Value weight;
  /// The one scale of integers, and their zero point if there is one. Null for floats.
  mlir::Value scale, zeroPoint;
};

/// Returns the product that `op` computes, or nothing if it is no such product or too little is
/// known about its operands. If integers were quantized in the graph, the input is the floats.
std::optional<MatrixProduct> matchMatrixProduct(mlir::Operation *op);

/// Returns the tensor from before it was flattened for a Gemm, which has both leading axes.
mlir::Value seeThroughViews(mlir::Value value);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_MATRIXPRODUCTS_H
