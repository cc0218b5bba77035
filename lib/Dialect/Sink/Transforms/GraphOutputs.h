//===- GraphOutputs.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Adds outputs to a graph.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_GRAPHOUTPUTS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_GRAPHOUTPUTS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin::sink {

/// A value that becomes an output of the graph, and the type that the output declares.
struct GraphOutput {
  std::string name;
  mlir::Value value;
  mlir::RankedTensorType type;
};

/// Returns `info` with the outputs after its own. `suffix` is added to their names.
onnx::GraphInfoAttr withOutputs(onnx::GraphInfoAttr info, llvm::ArrayRef<GraphOutput> outputs,
                                llvm::StringRef suffix = {});
/// Makes the values further operands of the block's terminator.
void appendToReturn(mlir::Block &block, llvm::ArrayRef<mlir::Value> values);
/// Adds the outputs to the graph.
void addOutputs(onnx::GraphOp graph, llvm::ArrayRef<GraphOutput> outputs);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_GRAPHOUTPUTS_H
