//===- Pipelines.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Pipelines.h"

#include "basin/Conversion/ONNXToSink/Passes.h"

using namespace mlir;
using namespace basin;

void basin::buildRaisePipeline(OpPassManager &pm, const RaiseOptions &options) {
  if (options.inlineFunctions)
    pm.addPass(onnx::createInlineFunctionsPass());
  onnx::InferShapesPassOptions shapes;
  shapes.onConflict = options.onConflict;
  shapes.strict = options.strict;
  pm.addPass(onnx::createInferShapesPass(shapes));
  pm.addPass(createConvertONNXToSinkPass({options.explain}));
}

void basin::buildRaisePipeline(OpPassManager &pm) { buildRaisePipeline(pm, RaiseOptions()); }
