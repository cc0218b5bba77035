//===- Model.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A model with everything it needs, for programs that are not compilers: load,
// run a pipeline, look, save. Python's `basin.Model` is this class.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_API_MODEL_H
#define BASIN_API_MODEL_H

#include "basin/Support/WhyNot.h"
#include "basin/Target/ONNX/Export.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace basin {

/// Owns a context and one module in it. Calls may come from several threads;
/// they run one after the other. An error holds the first diagnostic with its
/// notes, one a line.
class Model {
public:
  /// Reads the ONNX model at `path`.
  static llvm::Expected<std::unique_ptr<Model>> load(llvm::StringRef path);
  ~Model();

  /// Runs a textual pipeline, with or without its `builtin.module(...)`. On an
  /// error the model is as it was before.
  llvm::Error run(llvm::StringRef pipeline);

  /// Writes the model; see onnx::exportModel. The files it came from are refused.
  llvm::Error save(llvm::StringRef path,
                   onnx::ExternalData externalData = onnx::ExternalData::Auto);

  /// Whether the model as it is now is proven to compute what it did when it was
  /// loaded, by Analysis/ScaleProof.h: nothing where it is, else the reason.
  llvm::Expected<WhyNot> findScaleMismatch();

  /// What recognition found, as the JSON of inspectModule.
  llvm::Expected<std::string> inspectJSON();

  /// The module as text; `elideLarge` leaves out the bytes of large tensors.
  std::string str(bool elideLarge = true);

  /// Warnings and remarks since the last call.
  std::vector<std::string> takeDiagnostics();

private:
  Model();

  /// The first error of `captured` as an llvm::Error; the rest is kept for
  /// takeDiagnostics.
  class Capture;

  std::mutex mutex;
  /// What save must not write.
  std::vector<std::string> inputFiles;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// As it was before the first pipeline; null until then.
  mlir::OwningOpRef<mlir::ModuleOp> original;
  std::vector<std::string> diagnostics;
};

} // namespace basin

#endif // BASIN_API_MODEL_H
