//===- basin-pipeline-fuzzer.cpp --------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A target of libFuzzer that begins where the importer's ends. For any imported module, a pipeline
// of the command line must either refuse it with a diagnostic or leave a valid module that can be
// written and read again. In one half of the runs a contradiction between shapes is a warning, so
// that more of the wrong modules reach recognition and the rewrites.
//
//===----------------------------------------------------------------------===//

#include "basin/API/Inspect.h"
#include "basin/InitAll.h"
#include "basin/Steps.h"
#include "basin/Target/ONNX/Export.h"
#include "basin/Target/ONNX/Import.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

static constexpr const char *kRaise[] = {
#define RAISE(pipeline) pipeline,
#include "Pipelines.inc"
};

static std::vector<std::string> listAfter() {
  std::vector<std::string> out = {
#define AFTER(pipeline) pipeline,
#include "Pipelines.inc"
  };
  for (const std::vector<basin::StepRequest> &steps : basin::listExamples())
    out.push_back(basin::getPasses(steps) + ",convert-sink-to-onnx");
  return out;
}

namespace {
/// Basin's dialects, passes and pipelines, registered once.
struct Registered {
  DialectRegistry dialects;
  Registered() {
    basin::registerAllDialects(dialects);
    basin::registerAllPasses();
    basin::registerAllPipelines();
  }
};

class Checker {
public:
  explicit Checker(MLIRContext &context)
      : context(context), handler(&context, [this](Diagnostic &diagnostic) {
          hasError |= diagnostic.getSeverity() == DiagnosticSeverity::Error;
          return success();
        }) {}

  /// Returns null if the importer refuses the bytes with a diagnostic.
  OwningOpRef<ModuleOp> import(StringRef bytes) {
    hasError = false;
    // The copy has an allocation of its own, so sanitizers find a read beyond its end.
    auto buffer = llvm::MemoryBuffer::getMemBufferCopy(bytes, "fuzz");
    OwningOpRef<ModuleOp> module = basin::onnx::importModel(std::move(buffer), &context);
    require(module || hasError, "refused without a diagnostic");
    return module;
  }

  /// Runs `pipeline`. Returns false if a pass refuses the module with a diagnostic.
  bool run(ModuleOp module, StringRef pipeline) {
    hasError = false;
    PassManager manager(&context);
    require(succeeded(parsePassPipeline(pipeline, manager)), "no such pipeline");
    if (failed(manager.run(module))) {
      require(hasError, "a pass failed without a diagnostic");
      return false;
    }
    return true;
  }

  void exportAndImport(ModuleOp module) {
    hasError = false;
    std::string written;
    llvm::raw_string_ostream os(written);
    if (failed(basin::onnx::exportModel(module, os)))
      return require(hasError, "not written, without a diagnostic");
    require(static_cast<bool>(import(written)), "what was written is not read again");
  }

  static void require(bool holds, const char *what) {
    if (!holds)
      llvm::report_fatal_error(what);
  }

private:
  MLIRContext &context;
  bool hasError = false;
  ScopedDiagnosticHandler handler;
};
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static auto *registered = new Registered();
  static const std::vector<std::string> after = listAfter();
  MLIRContext context(registered->dialects, MLIRContext::Threading::DISABLED);
  Checker checker(context);
  OwningOpRef<ModuleOp> module = checker.import({reinterpret_cast<const char *>(data), size});
  if (!module)
    return 0;
  // Each execution takes one path, which the bytes choose. Taking all of them would cost many times
  // as long, and they mostly agree.
  uint64_t choice = llvm::xxh3_64bits(ArrayRef(data, size));
  if (!checker.run(*module, kRaise[choice % std::size(kRaise)]))
    return 0;
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(basin::inspectModule(*module));
  if (checker.run(*module, after[choice / std::size(kRaise) % after.size()]))
    checker.exportAndImport(*module);
  return 0;
}

extern "C" const char *__asan_default_options() {
  // libMLIR.so is not instrumented. Its containers carry no annotations, and it takes memory from
  // allocators that instrumented code has poisoned.
  return "detect_container_overflow=0:allow_user_poisoning=0";
}
