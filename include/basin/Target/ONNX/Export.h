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

/// Where tensors go that the input has in files of their own.
enum class ExternalData {
  /// Share if the output is in the input's folder, else Copy.
  Auto,
  /// The output refers to the input's own data files, and must be in their folder.
  Share,
  /// They go to one file OUTPUT.data beside the output, or to OUTPUT.1.data, ... if a file has
  /// that name.
  Copy,
  /// They go into the model file. This fails above protobuf's limit of 2 GiB.
  Embed
};

struct ExportOptions {
  ExternalData externalData = ExternalData::Auto;
  /// Files that must not be written, in addition to those that the module came from.
  std::vector<std::string> inputFiles;
};

/// Writes `module` as an ONNX model. One rename makes the model visible after it and its data file
/// are complete. A failure emits one diagnostic and leaves everything as it was. It fails if the
/// output is a file of the input.
llvm::LogicalResult exportModel(mlir::ModuleOp module, llvm::StringRef path,
                                const ExportOptions &options = {});

/// Writes the model to `os`. External data stays external, under the same names.
llvm::LogicalResult exportModel(mlir::ModuleOp module, llvm::raw_ostream &os);

} // namespace basin::onnx

#endif // BASIN_TARGET_ONNX_EXPORT_H
