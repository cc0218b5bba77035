//===- basin-compile.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes GPU kernels for a model, for a function of sink ops, or for specs on the command line.
// There is an option for each entry in the table of kernel families:
//   basin-compile MODEL.onnx --target sm_90a -o model.bko
//   basin-compile IN.mlir --target sm_80 --emit ptx -o -
//   basin-compile --norm dim=4096,type=bf16,weight,residual,sum --target sm_90a -o norm.bko
//   basin-compile --attention head_dim=128,type=bf16,causal,sink_logit -o attention.bko
//
//===----------------------------------------------------------------------===//

#include "basin/Compiler/FamilyOptions.h"
#include "basin/Compiler/KernelCompiler.h"
#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/InitAll.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace basin;
namespace cl = llvm::cl;
using kernels::AnySpec;

enum class Emit { Object, Cubin, PTX, MLIR, Plan, Emulator };

static cl::OptionCategory category("basin-compile");
static cl::opt<std::string> input(cl::Positional, cl::desc("[MODEL.onnx|IN.mlir]"),
                                  cl::cat(category));
static cl::opt<std::string> output("o", cl::desc("output file, - for standard output"),
                                   cl::Required, cl::cat(category));
static cl::opt<std::string> target("target", cl::desc("sm_80, sm_86, sm_89 or sm_90a"),
                                   cl::init("sm_90a"), cl::cat(category));
static cl::opt<Emit>
    emit("emit", cl::desc("what to write"), cl::init(Emit::Object),
         cl::values(clEnumValN(Emit::Object, "object", "a kernel object"),
                    clEnumValN(Emit::Cubin, "cubin", "machine code"),
                    clEnumValN(Emit::PTX, "ptx", "PTX"),
                    clEnumValN(Emit::MLIR, "mlir", "the kernels as MLIR"),
                    clEnumValN(Emit::Plan, "plan", "the steps that compute a model, for readers"),
                    clEnumValN(Emit::Emulator, "emulator", "a kernel object for the emulator")),
         cl::cat(category));
static cl::opt<bool> partial("partial",
                             cl::desc("leave ops that have no kernel as they are: other code "
                                      "runs them"),
                             cl::cat(category));
static cl::list<std::string>
    schedule("schedule", cl::CommaSeparated,
             cl::desc("parts of schedules to set instead of choosing them, such as "
                      "attention.stages=1"),
             cl::cat(category));
static cl::opt<nvptx::Assembler::Kind>
    assembler("assembler",
              cl::desc("what makes machine code; if not given, the first of these that is found"),
              cl::values(clEnumValN(nvptx::Assembler::Kind::Ptxas, "ptxas", "the program"),
                         clEnumValN(nvptx::Assembler::Kind::NvJitLink, "nvjitlink",
                                    "the library libnvJitLink, in this process")),
              cl::cat(category));
static cl::opt<std::string>
    toolkit("toolkit", cl::desc("folder with lib/libnvJitLink.so or bin/ptxas"), cl::cat(category));
static cl::opt<bool>
    verbose("resources", cl::desc("print the assembler, and registers and spills of each kernel"),
            cl::cat(category));

static LogicalResult fail(const llvm::Twine &message) {
  llvm::errs() << "basin-compile: error: " << message << "\n";
  return failure();
}

static LogicalResult addNamed(const FamilyOption &option, KernelCompiler &compiler,
                              MLIRContext &context) {
  for (const std::string &text : option.texts) {
    llvm::Expected<std::unique_ptr<AnySpec>> spec = option.family.parse(text, &context);
    llvm::Error error = spec ? compiler.add(**spec) : spec.takeError();
    if (error)
      return fail("--" + option.family.getName() + " " + text + ": " +
                  llvm::toString(std::move(error)));
  }
  return success();
}

/// Returns the machine code. Prints the assembler's warnings, and the resources if asked for.
static FailureOr<std::string> assemble(StringRef ptx) {
  std::optional<nvptx::Assembler::Kind> kind;
  if (assembler.getNumOccurrences())
    kind = assembler;
  auto found = nvptx::Assembler::find(toolkit, kind);
  if (!found)
    return fail(llvm::toString(found.takeError()));
  llvm::Expected<nvptx::Assembled> done = (*found)->assemble(ptx, target);
  if (!done)
    return fail(llvm::toString(done.takeError()));
  for (const std::string &warning : done->warnings)
    llvm::errs() << "basin-compile: warning: " << warning << "\n";
  if (verbose) {
    llvm::errs() << "assembled by " << (*found)->getPath() << "\n";
    for (const nvptx::KernelResources &kernel : done->kernels)
      llvm::errs() << kernel.name << ": " << kernel.registers << " registers, " << kernel.spillBytes
                   << " bytes spilled\n";
  }
  return std::move(done->cubin);
}

static LogicalResult write(StringRef bytes) {
  std::error_code error;
  llvm::ToolOutputFile file(output, error, llvm::sys::fs::OpenFlags::OF_None);
  if (error)
    return fail(output + ": " + error.message());
  file.os() << bytes;
  file.keep();
  return success();
}

static FailureOr<std::string> make(KernelCompiler &compiler) {
  if (emit == Emit::MLIR)
    return compiler.toMLIR();
  if (emit == Emit::Plan && compiler.toPlan().empty())
    return fail(input + ": expected an ONNX model, without --partial, to plan");
  if (emit == Emit::Plan)
    return compiler.toPlan().str();
  if (emit == Emit::Emulator)
    return compiler.toEmulatorObject();
  FailureOr<std::string> ptx = compiler.toPTX();
  if (failed(ptx) || emit == Emit::PTX)
    return ptx;
  FailureOr<std::string> cubin = assemble(*ptx);
  if (failed(cubin) || emit == Emit::Cubin)
    return cubin;
  return compiler.toObject(*ptx, *cubin);
}

static LogicalResult checkOptions(const FamilyOptions &options) {
  if (input.empty() && options.empty())
    return fail("expected a model, a module, or one of " + options.getNames());
  if (!llvm::is_contained(KernelCompiler::getChips(), StringRef(target)))
    return fail("--target: expected one of " + llvm::join(KernelCompiler::getChips(), ", ") +
                ", but got '" + target + "'");
  return success();
}

static LogicalResult run(const FamilyOptions &options, MLIRContext &context) {
  if (failed(checkOptions(options)))
    return failure();
  auto overrides = kernels::ScheduleOverrides::parse(schedule);
  if (!overrides)
    return fail("--schedule: " + llvm::toString(overrides.takeError()));
  KernelCompiler compiler(&context, target, *overrides);
  if (!input.empty()) {
    OwningOpRef<ModuleOp> module = readForKernels(input, &context);
    if (!module)
      return failure();
    bool isModel = !module->getOps<onnx::GraphOp>().empty();
    if (failed(isModel && !partial ? compiler.addModel(*module)
                                   : compiler.addOps(*module, partial)))
      return failure();
  }
  for (const auto &option : options)
    if (failed(addNamed(*option, compiler, context)))
      return failure();
  if (compiler.isEmpty() && compiler.toPlan().empty())
    return fail(input + ": expected an op that has a kernel, but there is none");
  FailureOr<std::string> bytes = make(compiler);
  return failed(bytes) ? failure() : write(*bytes);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  FamilyOptions options(category);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "Basin's compiler of GPU kernels\n");
  DialectRegistry registry;
  registerCompilerDialects(registry);
  basin::registerAllPasses();
  basin::registerAllPipelines();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false);
  context.loadAllAvailableDialects();
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler handler(sources, &context);
  return failed(run(options, context));
}
