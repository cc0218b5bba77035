//===- Decompose.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the decompositions share.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_IR_DECOMPOSE_H
#define BASIN_LIB_DIALECT_SINK_IR_DECOMPOSE_H

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::sink {

/// A builder of nodes named after the op's result. Fails, with a diagnostic,
/// below opset 13: Softmax had another meaning there, bf16 no arithmetic.
llvm::FailureOr<onnx::NodeBuilder> startDecomposition(mlir::Operation *op, mlir::OpBuilder &b);

/// The element type of `value`. Fails, with a diagnostic at `op`, where it is
/// unknown.
llvm::FailureOr<mlir::Type> requireElementType(mlir::Operation *op, mlir::Value value,
                                               llvm::StringRef what);

/// The rank of `value`; nothing where it is unknown.
std::optional<int64_t> getRank(mlir::Value value);

/// Size of dim `axis` (from the end where negative), nothing where it is
/// dynamic or unknown.
std::optional<int64_t> getStaticDim(mlir::Value value, int64_t axis);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_IR_DECOMPOSE_H
