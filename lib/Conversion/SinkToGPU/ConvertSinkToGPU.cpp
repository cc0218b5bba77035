//===- ConvertSinkToGPU.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Conversion/SinkToGPU/SinkToGPU.h"

#include "basin/Conversion/SinkToGPU/Passes.h"

#include "Launches.h"

#include "basin/Dialect/Sink/IR/Form.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace basin;

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
  SmallVector<std::string> texts(schedule.begin(), schedule.end());
  llvm::Expected<kernels::ScheduleOverrides> overrides = kernels::ScheduleOverrides::parse(texts);
  if (!overrides) {
    emitError(getOperation().getLoc()) << llvm::toString(overrides.takeError());
    return signalPassFailure();
  }
  gpu::GPUModuleOp kernels = kernels::createKernelModule(getOperation(), "basin_kernels");
  if (failed(convertSinkToGPU(getOperation(), kernels, {chip, *overrides}, partial)))
    signalPassFailure();
}

/// Casts `op` to its type among `Ops`, and calls that type's conversion.
template <class... Ops>
static WhyNot dispatch(Operation *op, const KernelModule &module, TypeList<Ops...>) {
  return TypeSwitch<Operation *, WhyNot>(op)
      .Case<Ops...>([&](auto typed) { return convertToLaunch(typed, module); })
      .DefaultUnreachable("an op without a kernel was collected");
}

template <class... Ops> static bool isOneOf(Operation *op, TypeList<Ops...>) {
  return isa<Ops...>(op);
}

/// Replaces `op` by a launch. Returns why that was not possible.
static WhyNot convert(Operation *op, const KernelModule &module) {
  if (!isa<onnx::GraphOp, onnx::FunctionOp, func::FuncOp>(op->getParentOp()))
    return "expected to stand in a graph or function itself, but got a subgraph of a node";
  if (auto raised = dyn_cast<sink::RaisedInterface>(op); raised && sink::Form(raised).rounds())
    return "its nodes round to quantized types, which no kernel does";
  return dispatch(op, module, OpsWithKernels());
}

/// Returns the ops that may have a kernel, but not those inside the form of another op.
static SmallVector<Operation *> collect(Operation *root) {
  SmallVector<Operation *> found;
  root->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isOneOf(op, OpsWithKernels()))
      found.push_back(op);
    return isa<sink::RaisedInterface, gpu::GPUModuleOp>(op) ? WalkResult::skip()
                                                            : WalkResult::advance();
  });
  return found;
}

/// Fails at the first op that computes something and is no launch.
static LogicalResult checkRest(Operation *root) {
  WalkResult result = root->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<gpu::GPUModuleOp>(op))
      return WalkResult::skip();
    if (isa<ModuleOp, func::FuncOp, func::ReturnOp, onnx::GraphOp, onnx::ReturnOp,
            onnx::InitializerOp, onnx::ConstantOp, onnx::AbsentOp, sink::ParameterOp,
            sink::LaunchOp>(op))
      return WalkResult::advance();
    op->emitOpError("has no GPU lowering yet");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult basin::convertSinkToGPU(Operation *root, gpu::GPUModuleOp kernels,
                                      const kernels::KernelTarget &target, bool partial) {
  KernelModule module{kernels, target};
  for (Operation *op : collect(root)) {
    WhyNot why = convert(op, module);
    if (!why)
      continue;
    if (!partial)
      return op->emitOpError() << *why;
    op->emitRemark() << "'" << op->getName() << "' op has no kernel: " << *why;
  }
  return partial ? success() : checkRest(root);
}
