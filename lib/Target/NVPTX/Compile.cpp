//===- Compile.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Target/NVPTX/Compile.h"

#include "basin/Dialect/Kernel/IR/Kernel.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/GPU/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVM/ModuleToObject.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/TargetSelect.h"

using namespace mlir;
using namespace basin;
using namespace basin::nvptx;

void basin::nvptx::registerDialects(DialectRegistry &registry) {
  registry.insert<kernels::KernelDialect, arith::ArithDialect, cf::ControlFlowDialect,
                  gpu::GPUDialect, LLVM::LLVMDialect, math::MathDialect, NVVM::NVVMDialect,
                  scf::SCFDialect, vector::VectorDialect>();
  registerAllGPUToLLVMIRTranslations(registry);
}

void basin::nvptx::buildLowerKernelsPipeline(OpPassManager &pm) {
  OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>();
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  kernels.addPass(createSCFToControlFlowPass());
  kernels.addPass(createConvertVectorToLLVMPass());
  ConvertGpuOpsToNVVMOpsOptions options;
  options.hasRedux = true;
  kernels.addPass(createConvertGpuOpsToNVVMOps(options));
  kernels.addPass(createArithToLLVMConversionPass());
  kernels.addPass(createConvertIndexToLLVMPass());
  // This pass runs on whole modules only, and lowers what is inside a gpu.module, too.
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  OpPassManager &clean = pm.nest<gpu::GPUModuleOp>();
  clean.addPass(createCanonicalizerPass());
  clean.addPass(createCSEPass());
}

static void initializeTarget() {
  static bool once = [] {
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    llvm::InitializeAllAsmParsers();
    return true;
  }();
  (void)once;
}

/// Returns a PTX version that knows the chip, for chips from sm_80 to sm_90a.
static StringRef featuresOf(StringRef chip) {
  return chip.starts_with("sm_8") ? "+ptx78" : "+ptx80";
}

namespace {
/// Does what gpu-module-to-binary does, but does not look for a toolkit's libraries of
/// functions, because kernels call none.
class ToPTX : public LLVM::ModuleToObject {
public:
  ToPTX(gpu::GPUModuleOp module, StringRef chip)
      : ModuleToObject(*module, "nvptx64-nvidia-cuda", chip, featuresOf(chip), /*optLevel=*/3) {}

protected:
  FailureOr<SmallVector<char, 0>> moduleToObject(llvm::Module &llvmModule) override {
    FailureOr<llvm::TargetMachine *> machine = getOrCreateTargetMachine();
    if (failed(machine))
      return failure();
    auto ptx = translateModuleToISA(llvmModule, **machine, [&] { return module.emitError(); });
    if (failed(ptx))
      return failure();
    return SmallVector<char, 0>(ptx->begin(), ptx->end());
  }
};
} // namespace

FailureOr<std::string> basin::nvptx::translateToPTX(gpu::GPUModuleOp module, StringRef chip) {
  initializeTarget();
  OwningOpRef<ModuleOp> holder = ModuleOp::create(module.getLoc());
  OpBuilder b = OpBuilder::atBlockEnd(holder->getBody());
  auto copy = cast<gpu::GPUModuleOp>(b.clone(*module));
  PassManager pm(module.getContext());
  // Ops without an intrinsic become inline assembly only here, because the emulator runs them
  // as ops.
  pm.addNestedPass<gpu::GPUModuleOp>(createConvertNVVMToLLVMPass());
  if (failed(pm.run(*holder)))
    return failure();
  std::optional<SmallVector<char, 0>> ptx = ToPTX(copy, chip).run();
  if (!ptx)
    return emitError(module.getLoc(), "the kernels could not be translated to PTX");
  return std::string(ptx->begin(), ptx->end());
}
