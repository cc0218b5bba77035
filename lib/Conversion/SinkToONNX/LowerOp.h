//===- LowerOp.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_LOWEROP_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_LOWEROP_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin {

/// Builds the onnx nodes of `op` at `b`'s insertion point, and returns the values of its results.
/// The nodes are those of its form, or of its decomposition if it has none. The form is taken
/// apart, so afterwards the op can only be replaced and erased.
llvm::FailureOr<llvm::SmallVector<mlir::Value>> lowerSinkOp(mlir::Operation *op,
                                                            mlir::OpBuilder &b);

/// Replaces `op` by those nodes, which are built at `b`'s insertion point.
llvm::LogicalResult replaceInline(mlir::Operation *op, mlir::OpBuilder &b);

/// Returns how many of the op's results its decomposition has. Inner values of the form are not
/// among them.
unsigned countMeantResults(mlir::Operation *op);

/// Creates the op over `operands`. It has no names, because the form's values keep those, and it
/// has a form only if its meaning can only be read from the operator in it.
mlir::Operation *createBare(mlir::Operation *op, mlir::ValueRange operands, mlir::TypeRange results,
                            mlir::OpBuilder &b);

/// Ends the special part of the ops that recognition made for operands: those that no op uses are
/// erased, and the others are nodes like any other.
void settleMadeOps(mlir::Operation *root);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_LOWEROP_H
