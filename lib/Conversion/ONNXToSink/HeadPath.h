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

/// A product of two tensors with heads: a MatMul, the FusedMatMul of com.microsoft, which
/// multiplies the product by `factor`, or an Einsum of two operands. The layouts are those of
/// tensors with four axes. Which axis of `b` is summed over tells its layout: as keys, if their
/// elements are summed over, or as values, if their rows are. A layout that has no name is missing.
struct HeadProduct {
  mlir::Value a, b;
  double factor = 1;
  sink::Layout query = sink::Layout::bhsd;
  std::optional<sink::Layout> key = sink::Layout::bhds, value = sink::Layout::bhsd;
  sink::Layout result = sink::Layout::bhsd;
};

/// Returns the product that `op` is, with `first` as its first operand if it is one of them, or
/// nothing. A FusedMatMul or Einsum that moves axes in another way is none.
std::optional<HeadProduct> matchHeadProduct(mlir::Operation *op, mlir::Value first = {});

/// Return the product if it can be that of queries and keys, or that of `probabilities` and values.
std::optional<HeadProduct> matchScores(mlir::Operation *op);
std::optional<HeadProduct> matchWeightedValues(mlir::Operation *op, mlir::Value probabilities);

/// Returns the same layout with batch and heads in one axis.
sink::Layout joinHeads(sink::Layout layout);

/// Follow the first operand of the product of q and k, and the operand that the probabilities are
/// multiplied with. With `isShort` a path goes over the transposition of keys and nothing else.
HeadPath walkQuery(const HeadProduct &product, bool isShort);
HeadPath walkValue(const HeadProduct &product, bool isShort);
/// Follows the second operand of the product of q and k. Returns a miss if the keys are weights.
std::optional<Miss> walkKey(const HeadProduct &product, bool isShort, HeadPath &path);

/// Returns [batch, kv heads, ...] if `value` repeats its heads, and adds the ops that repeat them
/// to `ops`. Returns null if it does not.
mlir::Value matchRepeatedHeads(mlir::Value value, Ops &ops);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_HEADPATH_H
