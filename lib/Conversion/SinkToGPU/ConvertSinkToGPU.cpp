//===- ConvertSinkToGPU.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Conversion/SinkToGPU/SinkToGPU.h"

#include "basin/Analysis/ResidualStreams.h"
#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/Kernels/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace basin;
namespace json = llvm::json;

namespace basin {
#define GEN_PASS_DEF_CONVERTSINKTOGPUPASS
#include "basin/Conversion/SinkToGPU/Passes.h.inc"
} // namespace basin

namespace {
class ConvertSinkToGPUPass : public basin::impl::ConvertSinkToGPUPassBase<ConvertSinkToGPUPass> {
public:
  using ConvertSinkToGPUPassBase::ConvertSinkToGPUPassBase;
  void runOnOperation() override;
};
} // namespace

void ConvertSinkToGPUPass::runOnOperation() {
  ModuleOp module = getOperation();
  gpu::GPUModuleOp kernels = kernels::createKernelModule(module, "basin_kernels");
  SmallVector<LaunchStep> steps;
  if (failed(buildKernels(module, kernels, chip, partial, steps)))
    return signalPassFailure();
  Builder b(&getContext());
  for (const LaunchStep &step : steps)
    for (Operation *op : step.ops)
      op->setAttr("basin.kernel", b.getStringAttr(step.kernel));
}

static std::string nameOf(Value value) {
  if (StringRef name = getStreamValueName(value); !name.empty())
    return json::fixUTF8(name);
  std::string text;
  llvm::raw_string_ostream os(text);
  value.printAsOperand(os, OpPrintingFlags());
  return text;
}

json::Array basin::describePlan(ArrayRef<LaunchStep> steps) {
  json::Array out;
  for (const LaunchStep &step : steps) {
    json::Array arguments;
    for (const LaunchStep::Binding &binding : step.bindings) {
      json::Object one{{"argument", binding.argument}, {"value", nameOf(binding.value)}};
      if (binding.transposed)
        one["transposed"] = true;
      arguments.push_back(std::move(one));
    }
    out.push_back(json::Object{{"kernel", step.kernel}, {"arguments", std::move(arguments)}});
  }
  return out;
}
