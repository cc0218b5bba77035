//===- basin-compile.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GPU kernels for a model, a function of sink ops, or what the command line
// names:
//
//   basin-compile MODEL.onnx --target sm_90a -o model.bko
//   basin-compile IN.mlir --target sm_80 --emit ptx -o -
//   basin-compile --norm dim=4096,type=bf16,weight,residual,sum --target sm_90a -o norm.bko
//   basin-compile --attention head_dim=128,type=bf16,causal,sink_logit -o attention.bko
//
//===----------------------------------------------------------------------===//

#include "KernelOptions.h"

#include "basin/Conversion/SinkToGPU/SinkToGPU.h"
#include "basin/InitAll.h"
#include "basin/Kernels/AddKernel.h"
#include "basin/Target/NVPTX/Assembler.h"
#include "basin/Target/NVPTX/Compile.h"
#include "basin/Target/NVPTX/KernelObject.h"
#include "basin/Target/ONNX/Import.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace basin;
namespace cl = llvm::cl;
namespace json = llvm::json;

enum class Emit { Object, Cubin, PTX, MLIR };

static cl::OptionCategory category("basin-compile");
static cl::opt<std::string> input(cl::Positional, cl::desc("[MODEL.onnx|IN.mlir]"),
                                  cl::cat(category));
static cl::opt<std::string> output("o", cl::desc("output file, - for standard output"),
                                   cl::Required, cl::cat(category));
static cl::opt<std::string> target("target", cl::desc("sm_80, sm_86, sm_89 or sm_90a"),
                                   cl::init("sm_90a"), cl::cat(category));
static cl::opt<Emit> emit("emit", cl::desc("what to write"), cl::init(Emit::Object),
                          cl::values(clEnumValN(Emit::Object, "object", "a kernel object"),
                                     clEnumValN(Emit::Cubin, "cubin", "machine code"),
                                     clEnumValN(Emit::PTX, "ptx", "PTX"),
                                     clEnumValN(Emit::MLIR, "mlir", "the kernels as MLIR")),
                          cl::cat(category));
static cl::opt<bool> partial("partial",
                             cl::desc("leave ops alone that have no kernel, for whoever runs "
                                      "the rest"),
                             cl::cat(category));
static cl::list<std::string>
    norms("norm",
          cl::desc("a norm by its parts: dim=N,type=bf16[,result=T][,parameters=T]"
                   "[,layer][,residual][,sum][,pre_affine][,weight][,bias][,gate=R]"
                   "[,tensorwise][,activation=A][,eps=X]"),
          cl::cat(category));
static cl::list<std::string> dyts("dyt",
                                  cl::desc("dynamic tanh: dim=N,type=T[,result=T][,parameters=T]"
                                           "[,bias]"),
                                  cl::cat(category));
static cl::list<std::string>
    attentions("attention",
               cl::desc("attention by its parts: head_dim=N[,value_dim=N],type=bf16[,causal]"
                        "[,window][,top_left][,mask=bias|keep][,mask_type=T][,scale=X]"
                        "[,softcap=X][,key_lengths][,sink_logit][,sink_type=T][,sink_kv]"
                        "[,gate=plain|sigmoid][,gate_per_head][,log_sum_exp]"),
               cl::cat(category));
static cl::list<std::string>
    schedule("schedule", cl::CommaSeparated,
             cl::desc("parts of schedules in place of what is chosen, such as "
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

/// The model, or a module of sink ops, raised.
static OwningOpRef<ModuleOp> read(MLIRContext &context) {
  if (input.empty())
    return ModuleOp::create(UnknownLoc::get(&context));
  if (!StringRef(input).ends_with(".onnx"))
    return parseSourceFile<ModuleOp>(input, &context);
  OwningOpRef<ModuleOp> module = onnx::importModel(input, &context);
  if (!module)
    return {};
  PassManager pm(&context);
  if (failed(parsePassPipeline("basin-raise", pm)) || failed(pm.run(*module)))
    return {};
  return module;
}

static LogicalResult checkTarget() {
  for (StringRef known : {"sm_80", "sm_86", "sm_89", "sm_90a"})
    if (target == known)
      return success();
  return fail("--target: expected sm_80, sm_86, sm_89 or sm_90a, but got '" + target + "'");
}

/// Kernels that the option `option` names, each text read by `parse`.
template <typename Spec>
static LogicalResult addNamed(gpu::GPUModuleOp kernels, const kernels::KernelTarget &made,
                              StringRef option, ArrayRef<std::string> texts,
                              llvm::Expected<Spec> (*parse)(StringRef, MLIRContext *)) {
  for (const std::string &text : texts) {
    llvm::Expected<Spec> spec = parse(text, kernels.getContext());
    llvm::Error error = spec.takeError();
    if (!error)
      error = kernels::addKernel(kernels, *spec, made).takeError();
    if (error)
      return fail("--" + option + " " + text + ": " + llvm::toString(std::move(error)));
  }
  return success();
}

static LogicalResult addNamedKernels(gpu::GPUModuleOp kernels, const kernels::KernelTarget &made) {
  if (failed(addNamed(kernels, made, "norm", norms, parseNorm)) ||
      failed(addNamed(kernels, made, "dyt", dyts, parseDyT)))
    return failure();
  return addNamed(kernels, made, "attention", attentions, parseAttention);
}

/// Machine code; prints what the assembler says of it.
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

static FailureOr<std::string> compile(gpu::GPUModuleOp kernels, json::Array functions) {
  if (emit == Emit::MLIR) {
    std::string text;
    llvm::raw_string_ostream(text) << *kernels << "\n";
    return text;
  }
  FailureOr<json::Array> described = nvptx::describeKernels(kernels);
  PassManager pm(kernels->getParentOp()->getName());
  nvptx::buildLowerKernelsPipeline(pm);
  if (failed(described) || failed(pm.run(kernels->getParentOp())))
    return failure();
  FailureOr<std::string> ptx = nvptx::translateToPTX(kernels, target);
  if (failed(ptx) || emit == Emit::PTX)
    return ptx;
  FailureOr<std::string> cubin = assemble(*ptx);
  if (failed(cubin) || emit == Emit::Cubin)
    return cubin;
  json::Object more;
  if (!functions.empty())
    more["functions"] = std::move(functions);
  return nvptx::makeObject(std::move(*described),
                           {{"cubin", target, *cubin}, {"ptx", target, *ptx}}, std::move(more));
}

static LogicalResult run(MLIRContext &context) {
  if (input.empty() && norms.empty() && dyts.empty() && attentions.empty())
    return fail("expected a model, a module, --norm, --dyt or --attention");
  if (failed(checkTarget()))
    return failure();
  OwningOpRef<ModuleOp> module = read(context);
  if (!module)
    return failure();
  // Kernels stand in a module of their own: the model's ops are not lowered.
  OwningOpRef<ModuleOp> holder = ModuleOp::create(UnknownLoc::get(&context));
  gpu::GPUModuleOp kernels = kernels::createKernelModule(*holder, "basin_kernels");
  llvm::Expected<kernels::ScheduleOverrides> overrides =
      kernels::ScheduleOverrides::parse(schedule);
  if (!overrides)
    return fail("--schedule: " + llvm::toString(overrides.takeError()));
  kernels::KernelTarget made{target, *overrides};
  if (failed(convertSinkToGPU(*module, kernels, made, partial)) ||
      failed(addNamedKernels(kernels, made)))
    return failure();
  if (kernels.getOps<gpu::GPUFuncOp>().empty())
    return fail(input + ": no op of it has a kernel");
  FailureOr<std::string> bytes = compile(kernels, describeFunctions(*module));
  return failed(bytes) ? failure() : write(*bytes);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "Basin's compiler of GPU kernels\n");
  DialectRegistry registry;
  basin::registerAllDialects(registry);
  basin::registerAllPasses();
  basin::registerAllPipelines();
  nvptx::registerDialects(registry);
  registry.insert<func::FuncDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false);
  context.loadAllAvailableDialects();
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler handler(sources, &context);
  return failed(run(context));
}
