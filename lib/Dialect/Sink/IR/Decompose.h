//===- Decompose.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Functions that the decompositions share.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_IR_DECOMPOSE_H
#define BASIN_LIB_DIALECT_SINK_IR_DECOMPOSE_H

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::sink {

/// Returns a builder that names nodes after the op's result. Fails with a diagnostic below opset
/// 13, where Softmax had another meaning and bf16 no arithmetic.
llvm::FailureOr<onnx::NodeBuilder> startDecomposition(mlir::Operation *op, mlir::OpBuilder &b);

/// Returns the element type of `value`. Fails with a diagnostic at `op` if it is unknown.
llvm::FailureOr<mlir::Type> requireElementType(mlir::Operation *op, mlir::Value value,
                                               llvm::StringRef what);

/// Returns the rank of `value`, or nothing if it is unknown.
std::optional<int64_t> getRank(mlir::Value value);

/// Returns the size of dim `axis`, or nothing if it is dynamic or unknown. A negative axis counts
/// from the end.
std::optional<int64_t> getStaticDim(mlir::Value value, int64_t axis);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_IR_DECOMPOSE_H
