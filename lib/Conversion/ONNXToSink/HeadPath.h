//===- HeadPath.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Follows an operand of attention's products back to the tensor of heads, over scales, casts,
// transpositions and the repetition of key heads.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_HEADPATH_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_HEADPATH_H

#include "Leaves.h"
#include "Miss.h"

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::onnx {

struct HeadPath {
  mlir::Value value;
  sink::Layout layout = sink::Layout::bhsd;
  double scale = 1;
  Ops ops;
};

/// A product of two tensors with heads: a MatMul, or the FusedMatMul of com.microsoft, which
/// multiplies the product by `factor` and may transpose the last two axes of B.
struct HeadProduct {
  mlir::Value a, b;
  double factor = 1;
  bool transposesB = false;
};

/// Returns the product that `op` is, or nothing. A FusedMatMul that moves axes in another way is
/// none.
std::optional<HeadProduct> matchHeadProduct(mlir::Operation *op);

/// Follow the first operand of the product of q and k, and the operand that the probabilities are
/// multiplied with.
HeadPath walkQuery(mlir::Value operand);
HeadPath walkValue(mlir::Value operand);
/// Follows the second operand of the product of q and k. Returns a miss if the keys are not
/// transposed in a known way.
std::optional<Miss> walkKey(const HeadProduct &product, HeadPath &path);

/// Returns [batch, kv heads, ...] if `value` repeats its heads, and adds the ops that repeat them
/// to `ops`. Returns null if it does not.
mlir::Value matchRepeatedHeads(mlir::Value value, Ops &ops);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_HEADPATH_H
