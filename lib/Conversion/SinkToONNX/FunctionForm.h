//===- FunctionForm.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_FUNCTIONFORM_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_FUNCTIONFORM_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

/// Replaces each of `ops` (inner ones before those whose form holds them) by a
/// call of a function of domain `ai.basin`, made from its form or
/// decomposition; outer values become inputs. Equal bodies share a function.
llvm::LogicalResult convertToFunctions(mlir::ModuleOp module,
                                       llvm::ArrayRef<mlir::Operation *> ops);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_FUNCTIONFORM_H
