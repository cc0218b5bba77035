//===- Functions.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Model-local functions and their calls.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_FUNCTIONS_H
#define BASIN_DIALECT_ONNX_UTILS_FUNCTIONS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace basin::onnx {

/// Finds the functions of a module by domain, name and overload, as ONNX does.
class FunctionTable {
public:
  explicit FunctionTable(mlir::ModuleOp module);

  /// Returns the function that `node` calls, or null if it is an operator.
  FunctionOp lookup(mlir::Operation *node) const;

private:
  llvm::StringMap<FunctionOp> functions;
};

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_FUNCTIONS_H
