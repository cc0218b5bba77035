//===- InitAll.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one list of everything that Basin registers. A new dialect, group of passes, pipeline or
// translation takes one line here. Every tool, the plugin and the Python extension then have it.
//
//===----------------------------------------------------------------------===//

#include "basin/InitAll.h"

#include "basin/Conversion/ONNXToSink/Passes.h"
#include "basin/Conversion/SinkToGPU/Passes.h"
#include "basin/Conversion/SinkToONNX/Passes.h"
#include "basin/Dialect/Kernel/IR/Kernel.h"
#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/Dialect/ONNX/Transforms/Passes.h"
#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"
#include "basin/Emulator/Passes.h"
#include "basin/Pipelines.h"
#include "basin/Target/NVPTX/Compile.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassRegistry.h"

void basin::registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<kernels::KernelDialect, onnx::ONNXDialect, sink::SinkDialect>();
}

void basin::registerAllPasses() {
  onnx::registerONNXPasses();
  registerBasinONNXToSinkPasses();
  registerBasinSinkToGPUPasses();
  registerBasinSinkToONNXPasses();
  sink::registerBasinSinkPasses();
  emulator::registerBasinEmulatorPasses();
}

void basin::registerAllPipelines() {
  mlir::PassPipelineRegistration<RaiseOptions>(
      "basin-raise", "inline functions, infer shapes, raise to the sink dialect",
      [](mlir::OpPassManager &pm, const RaiseOptions &options) {
        buildRaisePipeline(pm, options);
      });
  mlir::PassPipelineRegistration<>(
      "basin-lower-kernels", "lower the kernels in each gpu.module to llvm and nvvm ops",
      [](mlir::OpPassManager &pm) { nvptx::buildLowerKernelsPipeline(pm); });
}

namespace basin::onnx {
void registerTranslations();
} // namespace basin::onnx

void basin::registerAllTranslations() { onnx::registerTranslations(); }
