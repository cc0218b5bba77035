//===- CacheInPlace.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A model's caches as buffers that GroupQueryAttention updates in place: past and present are one
// buffer with room for more rows, and a new input tells how many of them are in use.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_CACHEINPLACE_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_CACHEINPLACE_H

#include "OperatorSupport.h"

namespace basin {

class InPlaceCaches {
public:
  /// Finds each attention whose keys follow a past that is an input of the model, and changes the
  /// model's inputs and outputs. Attention that reads a Concat of past and new keys is replaced in
  /// `ops` by one that has them as operands. Fails with a diagnostic if a cache cannot be a buffer.
  llvm::LogicalResult prepare(mlir::ModuleOp module, llvm::SmallVectorImpl<mlir::Operation *> &ops);

  bool contains(sink::AttentionOp op) const { return attentions.contains(op); }
  /// Returns the number of rows in use, a scalar in i64.
  mlir::Value getPastLength() const { return pastLength; }

private:
  void declareLength(onnx::GraphOp graph);
  void declareBuffers(sink::AttentionOp op);
  void recordNames(mlir::ModuleOp module, onnx::GraphOp graph);

  llvm::SetVector<sink::AttentionOp> attentions;
  mlir::Value pastLength;
  mlir::StringAttr capacity;
};

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_CACHEINPLACE_H
