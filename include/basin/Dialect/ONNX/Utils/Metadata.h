//===- Metadata.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The model's `metadata_props`: pairs of a key and a text.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_METADATA_H
#define BASIN_DIALECT_ONNX_UTILS_METADATA_H

#include "mlir/IR/BuiltinOps.h"

#include <optional>

namespace basin::onnx {

/// Returns the text of `key`, or nothing. If a model has the key several times, the last one
/// counts.
std::optional<llvm::StringRef> getMetadata(mlir::ModuleOp module, llvm::StringRef key);

/// Gives `key` the text. An entry of that key is replaced.
void setMetadata(mlir::ModuleOp module, llvm::StringRef key, llvm::StringRef text);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_METADATA_H
