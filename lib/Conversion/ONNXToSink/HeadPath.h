//===- HeadPath.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The path from an operand of attention's products back to the tensor of
// heads: over scales, casts, transpositions and the repetition of key heads.
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

/// The path of the product's first operand, and of the one with the probabilities.
HeadPath walkQuery(mlir::Value operand);
HeadPath walkValue(mlir::Value operand);
/// A miss unless the keys are transposed in a known way.
std::optional<Miss> walkKey(mlir::Value operand, HeadPath &path);

/// [batch, kv heads, ...] of heads repeated to more, with the ops that do it;
/// null if `value` is no such thing.
mlir::Value matchRepeatedHeads(mlir::Value value, Ops &ops);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_HEADPATH_H
