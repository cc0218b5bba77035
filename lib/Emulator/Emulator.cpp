//===- Emulator.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles a lowered module to host code, and launches its kernels.
//
//===----------------------------------------------------------------------===//

#include "basin/Emulator/Emulator.h"

#include "Entry.h"
#include "Functions.h"
#include "Machine.h"

#include "basin/Emulator/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace basin::emulator;

namespace {
struct Kernel {
  KernelFunction function = nullptr;
  /// For each argument the alternative of `Argument` that a launch must hold.
  std::vector<size_t> arguments;
};
} // namespace

struct Emulator::Impl {
  std::unique_ptr<ExecutionEngine> engine;
  std::vector<Site> sites;
  llvm::StringMap<Kernel> kernels;
  FiberPool fibers;
};

Emulator::Emulator(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Emulator::Emulator(Emulator &&) noexcept = default;
Emulator &Emulator::operator=(Emulator &&) noexcept = default;
Emulator::~Emulator() = default;

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

static constexpr size_t kPointer = 0, kI32 = 1, kI64 = 2, kF32 = 3, kUnknown = 4;
static constexpr const char *kArgumentNames[] = {"a pointer", "an i32", "an i64", "an f32"};

static size_t kindOf(Type type) {
  if (isa<LLVM::LLVMPointerType>(type))
    return kPointer;
  return type.isInteger(32) ? kI32 : type.isInteger(64) ? kI64 : type.isF32() ? kF32 : kUnknown;
}

static llvm::Error collectKernels(ModuleOp module, llvm::StringMap<Kernel> &kernels) {
  llvm::Error error = llvm::Error::success();
  module.walk([&](LLVM::LLVMFuncOp function) {
    if (!function->hasAttr(NVVM::NVVMDialect::getKernelFuncAttrName()))
      return;
    Kernel &kernel = kernels[function.getSymName()];
    for (Type type : function.getArgumentTypes()) {
      kernel.arguments.push_back(kindOf(type));
      if (kernel.arguments.back() == kUnknown && !error)
        error = llvm::createStringError("kernel '" + function.getSymName() +
                                        "' has an argument that is not a pointer, i32, i64 or f32");
    }
  });
  return error;
}

/// Compiles for the host, but without its instructions that convert to bf16: they treat
/// subnormals as zero, which the GPU does not.
static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeTargetMachine() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto builder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!builder)
    return builder.takeError();
  if (builder->getTargetTriple().getArch() == llvm::Triple::x86_64)
    builder->addFeatures({"-avx512bf16", "-avxneconvert", "-avx10.2"});
  builder->setCodeGenOptLevel(llvm::CodeGenOptLevel::Less);
  return builder->createTargetMachine();
}

/// Runs the passes that pay for themselves in a kernel of a few blocks. That excludes the
/// vectorizers, which mlir::makeOptimizingTransformer runs at every level.
static void runPasses(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O1).run(module, modules);
}

static llvm::Expected<std::unique_ptr<ExecutionEngine>> compile(ModuleOp module) {
  auto machine = makeTargetMachine();
  if (!machine)
    return machine.takeError();
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  // The engine owns the target machine when it calls this.
  llvm::TargetMachine &target = **machine;
  // Kept in a variable, because the options only refer to it.
  std::function<llvm::Error(llvm::Module *)> optimize = [&](llvm::Module *module) {
    runPasses(*module, target);
    return llvm::Error::success();
  };
  ExecutionEngineOptions options;
  options.transformer = optimize;
  options.jitCodeGenOptLevel = llvm::CodeGenOptLevel::Less;
  options.enableGDBNotificationListener = false;
  options.enablePerfNotificationListener = false;
  auto engine = ExecutionEngine::create(module, options, std::move(*machine));
  if (!engine)
    return engine.takeError();
  (*engine)->registerSymbols([](llvm::orc::MangleAndInterner mangle) {
    llvm::orc::SymbolMap symbols;
    auto add = [&](StringRef name, void *address) {
      symbols[mangle(name)] = {llvm::orc::ExecutorAddr::fromPtr(address),
                               llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
    };
    forEachEntry(add);
    forEachFunction(add);
    return symbols;
  });
  return engine;
}

llvm::Expected<Emulator> Emulator::create(ModuleOp lowered) {
  auto impl = std::make_unique<Impl>();
  if (llvm::Error error = collectKernels(lowered, impl->kernels))
    return error;
  OwningOpRef<ModuleOp> module = lowered.clone();
  PassManager pm(module->getContext());
  pm.addPass(createLowerNVVMToEmulatorPass());
  if (failed(pm.run(*module)))
    return llvm::createStringError("the kernels have ops that the emulator does not run");
  impl->sites = readSites(*module);
  if (impl->sites.size() > UINT16_MAX)
    return llvm::createStringError("the kernels have more ops than the emulator can tell apart");
  auto engine = compile(*module);
  if (!engine)
    return engine.takeError();
  impl->engine = std::move(*engine);
  for (auto &entry : impl->kernels) {
    auto function = impl->engine->lookupPacked(entry.getKey());
    if (!function)
      return function.takeError();
    entry.getValue().function = *function;
  }
  return Emulator(std::move(impl));
}

//===----------------------------------------------------------------------===//
// Launching
//===----------------------------------------------------------------------===//

static llvm::Error checkLaunch(StringRef name, const Kernel &kernel, const Launch &launch) {
  if (launch.arguments.size() != kernel.arguments.size())
    return llvm::createStringError("kernel '" + name + "': expected " +
                                   Twine(kernel.arguments.size()) + " arguments, but got " +
                                   Twine(launch.arguments.size()));
  for (auto [i, argument, kind] : llvm::enumerate(launch.arguments, kernel.arguments))
    if (argument.index() != kind)
      return llvm::createStringError("kernel '" + name + "', argument " + Twine(i) + ": expected " +
                                     kArgumentNames[kind] + ", but got " +
                                     kArgumentNames[argument.index()]);
  uint64_t threads = 1, blocks = 1;
  for (unsigned i = 0; i < 3; ++i) {
    threads *= launch.block[i];
    blocks *= launch.grid[i];
  }
  if (threads == 0 || threads > 1024 || blocks == 0 || blocks > UINT32_MAX)
    return llvm::createStringError(
        "kernel '" + name + "': expected 1 to 4294967295 blocks of 1 to 1024 threads, but got " +
        Twine(blocks) + " blocks of " + Twine(threads));
  return llvm::Error::success();
}

llvm::Expected<Report> Emulator::launch(StringRef name, const Launch &launch) {
  auto it = impl->kernels.find(name);
  if (it == impl->kernels.end())
    return llvm::createStringError("no kernel '" + name + "' in the module");
  const Kernel &kernel = it->getValue();
  if (llvm::Error error = checkLaunch(name, kernel, launch))
    return error;
  std::vector<void *> arguments;
  arguments.reserve(launch.arguments.size());
  for (const Argument &argument : launch.arguments)
    arguments.push_back(std::visit(
        [](const auto &value) { return const_cast<void *>(static_cast<const void *>(&value)); },
        argument));
  Report report;
  Machine machine(impl->sites, launch, impl->fibers, report);
  if (llvm::Error error = machine.run(kernel.function, std::move(arguments)))
    return error;
  return report;
}
