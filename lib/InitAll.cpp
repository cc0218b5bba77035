//===- InitAll.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one list of what Basin registers: a new dialect, pass group, pipeline or
// translation is one line here, and every tool, the plugin and the Python
// extension have it.
//
//===----------------------------------------------------------------------===//

#include "basin/InitAll.h"

#include "basin/Conversion/Passes.h"
#include "basin/Dialect/Kernel/IR/Kernel.h"
#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/Dialect/ONNX/Transforms/Passes.h"
#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

void basin::registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<kernels::KernelDialect, onnx::ONNXDialect, sink::SinkDialect>();
}

void basin::registerAllPasses() {
  onnx::registerONNXPasses();
  registerBasinConversionPasses();
  sink::registerBasinSinkPasses();
}

void basin::registerAllPipelines() {
  mlir::PassPipelineRegistration<>(kRaisePipeline,
                                   "inline functions, infer shapes, raise to the sink dialect",
                                   [](mlir::OpPassManager &pm) {
                                     pm.addPass(onnx::createInlineFunctionsPass());
                                     pm.addPass(onnx::createInferShapesPass());
                                     pm.addPass(createConvertONNXToSinkPass());
                                   });
}

namespace basin::onnx {
void registerTranslations();
} // namespace basin::onnx

void basin::registerAllTranslations() { onnx::registerTranslations(); }
