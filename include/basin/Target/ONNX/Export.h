//===- Export.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information. SPDX-License-Identifier:
// Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TARGET_ONNX_EXPORT_H
#define BASIN_TARGET_ONNX_EXPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

namespace basin::onnx {

/// Where the tensors go that the input keeps in files of their own.
enum class ExternalData {
  /// Share when the output stands in the input's folder, else copy.
  Auto,
  /// Refer to the input's own data files; the output must stand in their
  /// folder.
  Share,
  /// One file OUTPUT.data beside the output.
  Copy,
  /// Inside the model file; refused above protobuf's limit of 2 GiB.
  Embed
};

struct ExportOptions {
  ExternalData externalData = ExternalData::Auto;
};

/// Writes `module` as an ONNX model. The file (and its data file) is written
/// under a temporary name and renamed when complete; a failure emits one
/// diagnostic and leaves nothing behind.
llvm::LogicalResult exportModel(mlir::ModuleOp module, llvm::StringRef path,
                                const ExportOptions &options = {});

/// Writes the model to `os`; external data stays external, by the same names.
llvm::LogicalResult exportModel(mlir::ModuleOp module, llvm::raw_ostream &os);

} // namespace basin::onnx

#endif // BASIN_TARGET_ONNX_EXPORT_H
