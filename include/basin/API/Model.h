//===- Model.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A model for programs that are not compilers. They load it, run pipelines, inspect it and save it.
// Python's `basin.Model` is this class.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_API_MODEL_H
#define BASIN_API_MODEL_H

#include "basin/Steps.h"
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

/// How a rewrite raises and lowers a model.
struct RewriteOptions {
  /// A form and a way to update caches, as `convert-sink-to-onnx` names them.
  std::string form = "original", cache = "copy";
  /// Whether shapes that the model states wrongly are refused.
  bool strict = false;
};

/// Owns a context and one module in it. Several threads may call it, and the calls run one after
/// the other. An error is the first diagnostic and its notes, each on a line.
class Model {
public:
  /// Reads the ONNX model at `path`.
  static llvm::Expected<std::unique_ptr<Model>> load(llvm::StringRef path);
  ~Model();

  /// Runs a textual pipeline, with or without its `builtin.module(...)`. After an error the model
  /// is as it was before.
  llvm::Error run(llvm::StringRef pipeline);

  /// Raises the model, applies checked steps in their order, lowers it, and adds the steps to its
  /// metadata. After an error the model is as it was before.
  llvm::Error rewrite(llvm::ArrayRef<StepRequest> steps, const RewriteOptions &options);

  /// Writes the model as onnx::exportModel does. Fails for the files that the model came from.
  llvm::Error save(llvm::StringRef path,
                   onnx::ExternalData externalData = onnx::ExternalData::Auto);

  /// Returns nothing if the model is proven to compute what it did when it was loaded, or else the
  /// reason why it is not. See Analysis/ScaleProof.h.
  llvm::Expected<WhyNot> findScaleMismatch();

  /// Returns what recognition found, as the JSON of inspectModule.
  llvm::Expected<std::string> inspectJSON();

  /// Returns the module as text. `elideLarge` leaves out the bytes of large tensors.
  std::string str(bool elideLarge = true);

  /// Returns the warnings and remarks since the last call.
  std::vector<std::string> takeDiagnostics();

private:
  Model();

  /// Runs a pipeline, and then `finish` on its result.
  llvm::Error run(llvm::StringRef pipeline, llvm::function_ref<void(mlir::ModuleOp)> finish);

  /// Captures diagnostics. The first error becomes an llvm::Error, and the rest is kept for
  /// takeDiagnostics.
  class Capture;

  std::mutex mutex;
  /// The files that `save` must not write.
  std::vector<std::string> inputFiles;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The module before the first pipeline, and null until then.
  mlir::OwningOpRef<mlir::ModuleOp> original;
  std::vector<std::string> diagnostics;
};

} // namespace basin

#endif // BASIN_API_MODEL_H
