//===- Import.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TARGET_ONNX_IMPORT_H
#define BASIN_TARGET_ONNX_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/MemoryBuffer.h"

namespace basin::onnx {

struct ImportOptions {
  /// The folder that external data is relative to. If it is empty, that is the file's folder.
  std::string baseDir;
  /// Subgraphs, types and attributes may nest this deep.
  unsigned maxDepth = 64;
};

/// Reads the ONNX model at `path`. The file is mapped, not read: large
/// initializers refer to the mapping, which lives as long as the context.
/// External data is checked (inside the folder, long enough) but not opened
/// for reading. If the model is not valid, emits one diagnostic that names the node or tensor and
/// the reason, and returns null.
mlir::OwningOpRef<mlir::ModuleOp> importModel(llvm::StringRef path, mlir::MLIRContext *context,
                                              const ImportOptions &options = {});

/// Does the same from memory. `buffer` is kept as long as the context needs it.
mlir::OwningOpRef<mlir::ModuleOp> importModel(std::unique_ptr<llvm::MemoryBuffer> buffer,
                                              mlir::MLIRContext *context,
                                              const ImportOptions &options = {});

} // namespace basin::onnx

#endif // BASIN_TARGET_ONNX_IMPORT_H
