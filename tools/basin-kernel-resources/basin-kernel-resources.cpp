//===- basin-kernel-resources.cpp -------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints registers, spills and shared memory of kernels of any family, as NVIDIA's assembler
// reports them, in a Markdown table. An option may list values, and each combination is a row:
//   basin-kernel-resources --attention 'head_dim=64|128,type=bf16,causal' --chips sm_80,sm_90a
//
//===----------------------------------------------------------------------===//

#include "basin/Compiler/FamilyOptions.h"
#include "basin/Compiler/KernelCompiler.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"

using namespace mlir;
using namespace basin;
using namespace basin::kernels;
namespace cl = llvm::cl;

static cl::OptionCategory category("basin-kernel-resources");
static cl::list<std::string> chips("chips", cl::CommaSeparated,
                                   cl::desc("chips to compile for (default: sm_80, sm_86, sm_90a)"),
                                   cl::cat(category));
static cl::list<std::string>
    schedule("schedule", cl::CommaSeparated,
             cl::desc("parts of schedules to set instead of choosing them"), cl::cat(category));
static cl::opt<bool> printPTX("ptx", cl::desc("print the PTX of the kernels, too"),
                              cl::cat(category));

/// Returns a text for each choice of one value from every list: "dim=1|2,weight" makes two texts.
static std::vector<std::string> expand(StringRef text) {
  std::vector<std::string> out = {""};
  SmallVector<StringRef> options;
  text.split(options, ',');
  for (StringRef option : options) {
    auto [key, list] = option.split('=');
    SmallVector<StringRef> values;
    list.split(values, '|');
    std::vector<std::string> longer;
    for (const std::string &before : out)
      for (StringRef value : values) {
        std::string one = key.str() + (value.empty() ? "" : "=" + value.str());
        longer.push_back(before + (before.empty() ? "" : ",") + one);
      }
    out = std::move(longer);
  }
  return out;
}

/// Returns "keys=64, warps=4". The family is left out, because the kernel's name has it.
static std::string describe(ArrayRef<std::pair<std::string, int64_t>> parts) {
  SmallVector<std::string> texts;
  for (const auto &[name, value] : parts)
    texts.push_back(StringRef(name).split('.').second.str() + "=" + std::to_string(value));
  return llvm::join(texts, ", ");
}

static llvm::Error printRow(const AnySpec &spec, const KernelTarget &target,
                            const nvptx::Assembler &assembler, MLIRContext &context) {
  KernelCompiler compiler(&context, target.chip, target.overrides);
  if (llvm::Error error = compiler.add(spec))
    return error;
  FailureOr<std::string> ptx = compiler.toPTX();
  if (failed(ptx))
    return llvm::createStringError("the kernel could not be translated to PTX");
  if (printPTX)
    llvm::outs() << *ptx;
  llvm::Expected<nvptx::Assembled> done = assembler.assemble(*ptx, target.chip);
  if (!done)
    return done.takeError();
  const nvptx::KernelResources &is = done->kernels.front();
  llvm::outs() << llvm::formatv("| {0} | {1} | {2} | {3} | {4} | {5} |\n", is.name, target.chip,
                                describe(spec.getSchedule(target)), is.registers, is.spillBytes,
                                compiler.getSharedBytes(is.name));
  for (const std::string &warning : done->warnings)
    llvm::outs() << warning << "\n";
  return llvm::Error::success();
}

static llvm::Error printRows(const FamilyOption &option, const ScheduleOverrides &overrides,
                             const nvptx::Assembler &assembler, MLIRContext &context) {
  for (const std::string &text : option.texts)
    for (const std::string &one : expand(text)) {
      llvm::Expected<std::unique_ptr<AnySpec>> spec = option.family.parse(one, &context);
      if (!spec)
        return spec.takeError();
      for (const std::string &chip : chips)
        if (llvm::Error error = printRow(**spec, {chip, overrides}, assembler, context))
          return llvm::createStringError(one + ", " + chip + ": " +
                                         llvm::toString(std::move(error)));
    }
  return llvm::Error::success();
}

static llvm::Error run(const FamilyOptions &options, MLIRContext &context) {
  if (options.empty())
    return llvm::createStringError("expected one of " + options.getNames());
  auto overrides = ScheduleOverrides::parse(schedule);
  if (!overrides)
    return overrides.takeError();
  auto assembler = nvptx::Assembler::find();
  if (!assembler)
    return assembler.takeError();
  llvm::outs() << "| kernel | chip | schedule | registers | spilled bytes | shared bytes |\n"
                  "|---|---|---|---|---|---|\n";
  for (const auto &option : options)
    if (llvm::Error error = printRows(*option, *overrides, **assembler, context))
      return error;
  return llvm::Error::success();
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  FamilyOptions options(category);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "Prints the registers and shared memory of kernels.\n");
  if (chips.empty())
    for (const char *chip : {"sm_80", "sm_86", "sm_90a"})
      chips.push_back(chip);
  DialectRegistry registry;
  registerCompilerDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  llvm::Error error = run(options, context);
  if (!error)
    return 0;
  llvm::errs() << "basin-kernel-resources: error: " << llvm::toString(std::move(error)) << "\n";
  return 1;
}
