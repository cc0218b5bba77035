//===- WeightPacking.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Quantized weights have scales that can take a factor in place of the weights themselves.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTPACKING_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTPACKING_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin::sink {

/// The use of a constant in which a value is linear.
struct PackedScale {
  mlir::OpOperand *use;
  /// The axis of the constant that is the value's last axis. Nothing if the constant has no such
  /// axis, and takes one factor for all elements alone.
  std::optional<int64_t> axis;
  /// How many elements of that axis belong to one position of the value's last axis.
  int64_t repeats = 1;
};

/// Returns the constants that must all take a factor for `value` to take it: the scales of the
/// quantized weight that `value` is a product with or a row of, or the scale with which `value` is
/// dequantized, and a bias inside the operator. Returns an empty list if there are no such scales,
/// or if something else reads what they scale.
llvm::SmallVector<PackedScale, 2> findPackedScales(mlir::Value value);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTPACKING_H
