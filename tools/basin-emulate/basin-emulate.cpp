//===- basin-emulate.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs GPU kernels on the CPU and says what they do wrong:
//
//   basin-compile --norm dim=64,type=bf16 --emit mlir -o norm.mlir
//   echo '{"kernel": "rms_norm_64_bf16_eps3727c5ac", "arguments":
//     {"x": {"elements": 640}, "y": {"elements": 640}, "rows": 10}}' | basin-emulate norm.mlir
//     --text
//
//===----------------------------------------------------------------------===//

#include "ReportJSON.h"
#include "Session.h"

#include "basin/InitAll.h"
#include "basin/Target/NVPTX/Compile.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

#include <iostream>

using namespace mlir;
using namespace basin;
namespace cl = llvm::cl;
namespace json = llvm::json;

static cl::OptionCategory category("basin-emulate");
static cl::opt<std::string> input(cl::Positional, cl::Required, cl::desc("KERNELS.mlir"),
                                  cl::cat(category));
static cl::opt<bool> asText("text", cl::desc("print reports for people, not JSON"),
                            cl::cat(category));
static cl::opt<std::string> object("object",
                                   cl::desc("write the kernels' description as a kernel object "
                                            "without their code, and run nothing"),
                                   cl::value_desc("file"), cl::cat(category));

static OwningOpRef<ModuleOp> read(llvm::SourceMgr &sources, MLIRContext &context) {
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> buffer = openInputFile(input, &error);
  if (!buffer) {
    llvm::errs() << "basin-emulate: error: " << error << "\n";
    return {};
  }
  sources.AddNewSourceBuffer(std::move(buffer), SMLoc());
  return parseSourceFile<ModuleOp>(sources, &context);
}

/// Returns the only gpu.module, or null after a diagnostic if there is not exactly one.
static gpu::GPUModuleOp findKernels(ModuleOp module) {
  SmallVector<gpu::GPUModuleOp> found;
  module.walk([&](gpu::GPUModuleOp kernels) { found.push_back(kernels); });
  if (found.size() == 1)
    return found[0];
  module.emitError("expected one gpu.module, but got ") << found.size();
  return {};
}

static void print(json::Object object) {
  llvm::outs() << json::Value(std::move(object)) << "\n";
  llvm::outs().flush();
}

static void printError(llvm::Error error, size_t line) {
  std::string text = llvm::toString(std::move(error));
  if (!asText)
    return print(json::Object{{"error", text}});
  llvm::outs() << "error: line " << line << ": " << text << "\n";
  llvm::outs().flush();
}

static void printOutcome(const Request &request, const Outcome &outcome) {
  auto [x, y, z] = outcome.grid;
  if (!asText) {
    json::Object object = toJSON(outcome.report);
    object["grid"] = json::Array{x, y, z};
    return print(std::move(object));
  }
  llvm::outs() << request.kernel << ", " << x << " x " << y << " x " << z << " blocks\n";
  outcome.report.print(llvm::outs());
  llvm::outs().flush();
}

static bool writeObject(StringRef bytes) {
  std::error_code error;
  llvm::ToolOutputFile file(object, error, llvm::sys::fs::OF_None);
  if (error) {
    llvm::errs() << "basin-emulate: error: " << object << ": " << error.message() << "\n";
    return false;
  }
  file.os() << bytes;
  file.keep();
  return true;
}

/// Runs the requests. Returns whether all of them ran and nothing was found.
static bool serve(Session &session) {
  bool isClean = true;
  size_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    if (StringRef(line).trim().empty())
      continue;
    llvm::Expected<Request> request = Request::parse(line);
    llvm::Expected<Outcome> outcome =
        request ? session.run(*request) : llvm::Expected<Outcome>(request.takeError());
    isClean &= outcome && outcome->report.clean();
    if (outcome)
      printOutcome(*request, *outcome);
    else
      printError(outcome.takeError(), number);
  }
  return isClean;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(
      argc, argv,
      "Runs GPU kernels on the CPU. They are in a file that `basin-compile --emit mlir` wrote. "
      "Each\n"
      "line of standard input is a launch, as a JSON object. docs/emulator.md has the format.\n\n"
      "Exit status: 0 if all launches ran and nothing was found, 1 otherwise.\n");
  DialectRegistry registry;
  basin::registerAllDialects(registry);
  nvptx::registerDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false);
  context.loadAllAvailableDialects();
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler handler(sources, &context);
  OwningOpRef<ModuleOp> module = read(sources, context);
  gpu::GPUModuleOp kernels = module ? findKernels(*module) : gpu::GPUModuleOp();
  if (!kernels)
    return 1;
  FailureOr<std::unique_ptr<Session>> session = Session::create(kernels);
  if (failed(session))
    return 1;
  if (!object.empty())
    return !writeObject((*session)->objectBytes());
  if (!asText)
    print(json::Object{{"kernels", json::Array((*session)->descriptions())}});
  return !serve(**session);
}
