//===- Compile.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Target/NVPTX/Compile.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/GPU/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVM/NVVM/Target.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/TargetSelect.h"

using namespace mlir;
using namespace basin::nvptx;

void basin::nvptx::registerDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, gpu::GPUDialect, LLVM::LLVMDialect,
                  math::MathDialect, NVVM::NVVMDialect, scf::SCFDialect, vector::VectorDialect>();
  NVVM::registerNVVMTargetInterfaceExternalModels(registry);
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
  // It takes whole modules only, and then what is in a gpu.module, too.
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

/// A PTX version that knows each architecture from sm_80 to sm_90a.
static StringRef featuresOf(StringRef chip) {
  return chip.starts_with("sm_8") ? "+ptx78" : "+ptx80";
}

FailureOr<std::string> basin::nvptx::translateToPTX(gpu::GPUModuleOp module, StringRef chip) {
  initializeTarget();
  MLIRContext *ctx = module.getContext();
  OwningOpRef<ModuleOp> holder = ModuleOp::create(module.getLoc());
  OpBuilder b = OpBuilder::atBlockEnd(holder->getBody());
  holder->getOperation()->setAttr(gpu::GPUDialect::getContainerModuleAttrName(), b.getUnitAttr());
  auto copy = cast<gpu::GPUModuleOp>(b.clone(*module));
  auto target = NVVM::NVVMTargetAttr::get(ctx, /*optLevel=*/3, "nvptx64-nvidia-cuda", chip,
                                          featuresOf(chip), DictionaryAttr(), ArrayAttr());
  copy.setTargetsAttr(b.getArrayAttr({target}));
  PassManager pm(ctx);
  // Ops without an intrinsic become assembly only here: the emulator knows them
  // as ops.
  pm.addNestedPass<gpu::GPUModuleOp>(createConvertNVVMToLLVMPass());
  GpuModuleToBinaryPassOptions options;
  options.compilationTarget = "isa";
  pm.addPass(createGpuModuleToBinaryPass(options));
  if (failed(pm.run(*holder)))
    return failure();
  auto binaries = holder->getOps<gpu::BinaryOp>();
  if (binaries.empty())
    return emitError(module.getLoc(), "no PTX came of the kernels");
  auto object = cast<gpu::ObjectAttr>((*binaries.begin()).getObjects()[0]);
  return object.getObject().str();
}

//===----------------------------------------------------------------------===//
// Assembler
//===----------------------------------------------------------------------===//

std::string basin::nvptx::findAssembler(StringRef toolkit) {
  SmallVector<std::string> folders;
  if (!toolkit.empty())
    folders.push_back((toolkit + "/bin").str());
  SmallVector<StringRef> paths(folders.begin(), folders.end());
  if (!paths.empty()) {
    auto found = llvm::sys::findProgramByName("ptxas", paths);
    return found ? *found : std::string();
  }
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  auto found = llvm::sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"});
  return found ? *found : std::string();
}

/// The number before `unit` in `line`; 0 if it is not there.
static unsigned numberBefore(StringRef line, StringRef unit) {
  StringRef head = line.split(unit).first;
  if (head.size() == line.size())
    return 0;
  unsigned number = 0;
  head.rtrim().rsplit(' ').second.getAsInteger(10, number);
  return number;
}

/// Lines of `ptxas -v`: an entry function, its stack and spills, its registers.
static void parseLog(StringRef log, Assembled &out) {
  SmallVector<StringRef> lines;
  log.split(lines, '\n');
  for (StringRef line : lines) {
    if (line.contains("Compiling entry function '")) {
      StringRef name = line.split("Compiling entry function '").second.split('\'').first;
      out.kernels.push_back({name.str()});
    } else if (line.contains("spill stores") && !out.kernels.empty()) {
      KernelResources &kernel = out.kernels.back();
      kernel.stackBytes = numberBefore(line, "bytes stack frame");
      kernel.spillBytes =
          numberBefore(line, "bytes spill stores") + numberBefore(line, "bytes spill loads");
    } else if (line.contains("Used ") && !out.kernels.empty()) {
      out.kernels.back().registers = numberBefore(line, "registers");
      out.kernels.back().staticSharedBytes = numberBefore(line, "bytes smem");
    } else if (line.contains("warning") || line.contains("Potential Performance Loss")) {
      out.warnings.push_back(line.trim().str());
    }
  }
}

static std::string readAll(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

llvm::Expected<Assembled> basin::nvptx::assemble(StringRef ptx, StringRef chip,
                                                 StringRef assembler) {
  if (assembler.empty())
    return llvm::createStringError("no ptxas was found to assemble kernels with");
  SmallString<128> input, output, log;
  int fd;
  if (auto error = llvm::sys::fs::createTemporaryFile("kernels", "ptx", fd, input))
    return llvm::errorCodeToError(error);
  {
    llvm::raw_fd_ostream os(fd, /*shouldClose=*/true);
    os << ptx;
  }
  llvm::scope_exit clean([&] {
    for (StringRef path : {StringRef(input), StringRef(output), StringRef(log)})
      if (!path.empty())
        llvm::sys::fs::remove(path);
  });
  if (auto error = llvm::sys::fs::createTemporaryFile("kernels", "cubin", output))
    return llvm::errorCodeToError(error);
  if (auto error = llvm::sys::fs::createTemporaryFile("kernels", "log", log))
    return llvm::errorCodeToError(error);
  std::string arch = ("-arch=" + chip).str();
  StringRef args[] = {assembler, arch, "-v", "-O3", "-o", output, input};
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log), StringRef(log)};
  std::string reason;
  int status = llvm::sys::ExecuteAndWait(assembler, args, std::nullopt, redirects, 0, 0, &reason);
  std::string text = readAll(log);
  if (status != 0)
    return llvm::createStringError("ptxas for " + chip + ": " + (text.empty() ? reason : text));
  Assembled out;
  parseLog(text, out);
  out.cubin = readAll(output);
  return out;
}
