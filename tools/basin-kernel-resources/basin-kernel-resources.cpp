//===- basin-kernel-resources.cpp -------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints what NVIDIA's assembler says of attention kernels, as the rows of a
// table in Markdown: those of the schedules that are chosen, or of one that the
// command line gives.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/AttentionKernel.h"
#include "basin/Kernels/KernelBuilder.h"
#include "basin/Target/NVPTX/Assembler.h"
#include "basin/Target/NVPTX/Compile.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace cl = llvm::cl;

static cl::OptionCategory category("basin-kernel-resources");
static cl::list<std::string> chips("chips", cl::CommaSeparated, cl::desc("such as sm_80"),
                                   cl::cat(category));
static cl::list<int64_t> dims("dims", cl::CommaSeparated, cl::desc("head dims"), cl::cat(category));
static cl::opt<std::string> type("type", cl::init("bf16"), cl::desc("bf16 or f16"),
                                 cl::cat(category));
static cl::list<std::string> options(
    "options", cl::CommaSeparated,
    cl::desc("of the spec: causal, window, sink, sinkkv, gate, lse, lengths, bias, keep, softcap"),
    cl::cat(category));
static cl::opt<std::string>
    tiles("schedule", cl::desc("queries,keys,warps,stages,queryInRegisters instead of the chosen"),
          cl::cat(category));
static cl::opt<bool> printPTX("ptx", cl::desc("print the PTX of the kernels, too"),
                              cl::cat(category));

static AttentionSpec makeSpec(MLIRContext *ctx, int64_t dim) {
  AttentionSpec spec;
  spec.type = type == "f16" ? Type(Float16Type::get(ctx)) : Type(BFloat16Type::get(ctx));
  spec.headDim = dim;
  spec.causal = llvm::is_contained(options, "causal");
  spec.window = llvm::is_contained(options, "window");
  spec.sinkLogit = llvm::is_contained(options, "sink");
  spec.sinkKeyValue = llvm::is_contained(options, "sinkkv");
  spec.logSumExp = llvm::is_contained(options, "lse");
  spec.keyLengths = llvm::is_contained(options, "lengths");
  if (llvm::is_contained(options, "gate"))
    spec.gate = AttentionSpec::Sigmoid;
  if (llvm::is_contained(options, "keep"))
    spec.mask = AttentionSpec::Keep;
  if (llvm::is_contained(options, "bias")) {
    spec.mask = AttentionSpec::Bias;
    spec.maskType = spec.type;
  }
  if (llvm::is_contained(options, "softcap"))
    spec.softcap = 50;
  return spec;
}

static AttentionSchedule makeSchedule(const AttentionSpec &spec, StringRef chip) {
  AttentionSchedule schedule = chooseAttentionSchedule(spec, chip);
  SmallVector<StringRef> parts;
  StringRef(tiles).split(parts, ',');
  if (parts.size() != 5)
    return schedule;
  parts[0].getAsInteger(10, schedule.queries);
  parts[1].getAsInteger(10, schedule.keys);
  parts[2].getAsInteger(10, schedule.warps);
  parts[3].getAsInteger(10, schedule.stages);
  schedule.queryInRegisters = parts[4] == "1";
  return schedule;
}

static LogicalResult printRow(MLIRContext &context, int64_t dim, StringRef chip) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  gpu::GPUModuleOp kernels = createKernelModule(*module, "kernels");
  AttentionSpec spec = makeSpec(&context, dim);
  AttentionSchedule schedule = makeSchedule(spec, chip);
  std::string miss = schedule.check(spec, chip);
  if (!miss.empty())
    return emitError(module->getLoc(), miss);
  buildAttentionKernel(kernels, spec, schedule);
  PassManager pm(&context);
  nvptx::buildLowerKernelsPipeline(pm);
  if (failed(verify(*module)) || failed(pm.run(*module)))
    return failure();
  FailureOr<std::string> ptx = nvptx::translateToPTX(kernels, chip);
  if (failed(ptx))
    return failure();
  if (printPTX)
    llvm::outs() << *ptx;
  auto assembler = nvptx::Assembler::find();
  if (!assembler)
    return emitError(module->getLoc(), llvm::toString(assembler.takeError()));
  auto done = (*assembler)->assemble(*ptx, chip);
  if (!done)
    return emitError(module->getLoc(), llvm::toString(done.takeError()));
  const nvptx::KernelResources &is = done->kernels.front();
  llvm::outs() << llvm::formatv("| {0} | {1} | {2} x {3} | {4} | {5} | {6} | {7} | {8} | {9} |\n",
                                getName(spec), chip, schedule.queries, schedule.keys,
                                schedule.warps, schedule.stages,
                                schedule.queryInRegisters ? "yes" : "no", is.registers,
                                is.spillBytes, schedule.sharedBytes(spec));
  for (const std::string &warning : done->warnings)
    llvm::outs() << warning << "\n";
  return success();
}

int main(int argc, char **argv) {
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "registers and shared memory of attention kernels\n");
  DialectRegistry registry;
  nvptx::registerDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  if (chips.empty())
    for (const char *chip : {"sm_80", "sm_86", "sm_90a"})
      chips.push_back(chip);
  if (dims.empty())
    for (int64_t dim : {32, 64, 96, 128, 192, 256})
      dims.push_back(dim);
  llvm::outs() << "| kernel | chip | tile | warps | stages | query in registers | registers | "
                  "spilled bytes | shared bytes |\n|---|---|---|---|---|---|---|---|---|\n";
  bool failedOne = false;
  for (int64_t dim : dims)
    for (StringRef chip : chips)
      failedOne |= failed(printRow(context, dim, chip));
  return failedOne;
}
