//===- KernelCompiler.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Compiler/KernelCompiler.h"

#include "basin/Conversion/SinkToGPU/SinkToGPU.h"
#include "basin/Dialect/Kernel/IR/Kernel.h"
#include "basin/InitAll.h"
#include "basin/Pipelines.h"
#include "basin/Target/NVPTX/Compile.h"
#include "basin/Target/NVPTX/KernelObject.h"
#include "basin/Target/ONNX/Import.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace basin;

static constexpr StringRef kChips[] = {"sm_80", "sm_86", "sm_89", "sm_90a"};

void basin::registerCompilerDialects(DialectRegistry &registry) {
  registerAllDialects(registry);
  nvptx::registerDialects(registry);
  registry.insert<func::FuncDialect>();
}

OwningOpRef<ModuleOp> basin::readForKernels(StringRef path, MLIRContext *context) {
  if (!path.ends_with(".onnx"))
    return parseSourceFile<ModuleOp>(path, context);
  OwningOpRef<ModuleOp> module = onnx::importModel(path, context);
  if (!module)
    return {};
  PassManager pm(context);
  buildRaisePipeline(pm);
  if (failed(pm.run(*module)))
    return {};
  return module;
}

ArrayRef<StringRef> KernelCompiler::getChips() { return kChips; }

KernelCompiler::KernelCompiler(MLIRContext *context, StringRef chip,
                               kernels::ScheduleOverrides overrides)
    : chip(chip), overrides(std::move(overrides)),
      holder(ModuleOp::create(UnknownLoc::get(context))),
      kernels(kernels::createKernelModule(*holder, "basin_kernels")) {}

LogicalResult KernelCompiler::addOps(ModuleOp module, bool partial) {
  if (failed(convertSinkToGPU(module, kernels, {chip, overrides}, partial)))
    return failure();
  for (llvm::json::Value &function : describeFunctions(module))
    functions.push_back(std::move(function));
  return success();
}

LogicalResult KernelCompiler::addModel(ModuleOp module) {
  FailureOr<plan::Plan> planned = plan::planModel(module, kernels, {chip, overrides});
  if (failed(planned))
    return failure();
  FailureOr<plan::WrittenPlan> written = plan::writePlan(*planned);
  if (failed(written))
    return failure();
  plan = std::move(*written);
  llvm::raw_string_ostream stream(printedPlan);
  plan::print(*planned, stream);
  return success();
}

llvm::Error KernelCompiler::add(const kernels::AnySpec &spec) {
  return kernels::addKernel(kernels, spec, {chip, overrides}).takeError();
}

bool KernelCompiler::isEmpty() { return kernels.getOps<gpu::GPUFuncOp>().empty(); }

int64_t KernelCompiler::getSharedBytes(StringRef kernel) {
  return kernels::ContractAttr::of(kernels.lookupSymbol(kernel)).getSharedBytes();
}

std::string KernelCompiler::toMLIR() {
  std::string text;
  llvm::raw_string_ostream(text) << *kernels << "\n";
  return text;
}

FailureOr<std::string> KernelCompiler::toPTX() {
  OwningOpRef<ModuleOp> lowered = holder->clone();
  PassManager pm(lowered->getContext(), ModuleOp::getOperationName());
  nvptx::buildLowerKernelsPipeline(pm);
  if (failed(pm.run(*lowered)))
    return failure();
  return nvptx::translateToPTX(*lowered->getOps<gpu::GPUModuleOp>().begin(), chip);
}

FailureOr<std::string> KernelCompiler::makeObject(std::vector<nvptx::ObjectSection> sections) {
  FailureOr<llvm::json::Array> described = nvptx::describeKernels(kernels);
  if (failed(described))
    return failure();
  llvm::json::Object more;
  if (!functions.empty())
    more["functions"] = llvm::json::Array(functions);
  if (plan) {
    // The weights may be most of the memory there is, so they are not copied.
    more["plan"] = std::move(plan->json);
    sections.push_back({"weights", chip, std::move(plan->weights)});
    plan.reset();
  }
  return nvptx::makeObject(*described, sections, more);
}

FailureOr<std::string> KernelCompiler::toObject(StringRef ptx, StringRef cubin) {
  return makeObject({{"cubin", chip, cubin.str()}, {"ptx", chip, ptx.str()}});
}

FailureOr<std::string> KernelCompiler::toEmulatorObject() {
  return makeObject({{"mlir", chip, toMLIR()}});
}
