//===- Imports.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The opset imports of a model and of its functions, and its metadata.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_IMPORTS_H
#define BASIN_DIALECT_ONNX_UTILS_IMPORTS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

/// Returns the imports with `version` of `domain`, unless they have a version of it already.
mlir::ArrayAttr addImport(mlir::Builder &b, mlir::ArrayAttr opsets, llvm::StringRef domain,
                          int64_t version);

/// Adds the import to each function that has a node of the domain, and to the model if there is
/// any such node.
void importDomain(mlir::ModuleOp module, llvm::StringRef domain, int64_t version);

} // namespace basin

#endif // BASIN_DIALECT_ONNX_UTILS_IMPORTS_H
