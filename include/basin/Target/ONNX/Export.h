//===- Export.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TARGET_ONNX_EXPORT_H
#define BASIN_TARGET_ONNX_EXPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

#include <string>
#include <vector>

namespace basin::onnx {

/// Where the tensors go that the input keeps in files of their own.
enum class ExternalData {
  /// Share when the output stands in the input's folder, else copy.
  Auto,
  /// Refer to the input's own data files; the output must stand in their
  /// folder.
  Share,
  /// One file OUTPUT.data beside the output (OUTPUT.1.data, ... where a file of
  /// that name is there).
  Copy,
  /// Inside the model file; refused above protobuf's limit of 2 GiB.
  Embed
};

struct ExportOptions {
  ExternalData externalData = ExternalData::Auto;
  /// Files that must not be written, besides those that the module knows it
  /// came from.
  std::vector<std::string> inputFiles;
};

/// Writes `module` as an ONNX model. Model and data file become visible by one
/// rename when both are complete; a failure emits one diagnostic and leaves
/// everything as it was. The files of the input are refused as outputs.
llvm::LogicalResult exportModel(mlir::ModuleOp module, llvm::StringRef path,
                                const ExportOptions &options = {});

/// Writes the model to `os`; external data stays external, by the same names.
llvm::LogicalResult exportModel(mlir::ModuleOp module, llvm::raw_ostream &os);

} // namespace basin::onnx

#endif // BASIN_TARGET_ONNX_EXPORT_H
