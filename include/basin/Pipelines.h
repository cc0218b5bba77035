//===- Pipelines.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The named pipelines, each built in one place. Textual pipelines can use their names after
// `basin::registerAllPipelines`.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_PIPELINES_H
#define BASIN_PIPELINES_H

#include "basin/Dialect/ONNX/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace basin {

/// The options of `basin-raise`, which are the options of its passes that a user sets.
struct RaiseOptions : mlir::PassPipelineOptions<RaiseOptions> {
  Option<bool> inlineFunctions{
      *this, "inline-functions",
      llvm::cl::desc("replace calls of model-local functions by their bodies before"),
      llvm::cl::init(true)};
  Option<onnx::ConflictAction> onConflict{
      *this, "on-conflict", llvm::cl::desc("what to do where the model contradicts itself"),
      llvm::cl::init(onnx::ConflictAction::Error),
      llvm::cl::values(
          clEnumValN(onnx::ConflictAction::Error, "error", "fail"),
          clEnumValN(onnx::ConflictAction::Warn, "warn", "warn and keep what the model states"))};
  Option<bool> strict{
      *this, "strict",
      llvm::cl::desc("refuse shapes that the model states wrongly, rather than drop them"),
      llvm::cl::init(false)};
  Option<bool> explain{
      *this, "explain",
      llvm::cl::desc("remark on each Softmax, norm-like reduction, gate and rotation not raised"),
      llvm::cl::init(false)};
};

/// Builds `basin-raise`, which takes an imported model to the sink dialect. It inlines functions,
/// infers shapes, and raises attention, norms, gates and rotary embedding.
void buildRaisePipeline(mlir::OpPassManager &pm, const RaiseOptions &options);
/// Builds it with the defaults of all options.
void buildRaisePipeline(mlir::OpPassManager &pm);

} // namespace basin

#endif // BASIN_PIPELINES_H
