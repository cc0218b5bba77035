//===- basin-import-fuzzer.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A target of libFuzzer. For any bytes the importer must either refuse them with a diagnostic or
// return a valid module. If the exporter can write that, the importer must be able to read it
// again.
//
//===----------------------------------------------------------------------===//

#include "basin/InitAll.h"
#include "basin/Target/ONNX/Export.h"
#include "basin/Target/ONNX/Import.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;

static OwningOpRef<ModuleOp> import(StringRef bytes, MLIRContext *context) {
  // The copy has an allocation of its own, so sanitizers find a read beyond its end.
  return basin::onnx::importModel(llvm::MemoryBuffer::getMemBufferCopy(bytes), context);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static DialectRegistry *registry = [] {
    auto *made = new DialectRegistry();
    basin::registerAllDialects(*made);
    return made;
  }();
  MLIRContext context(*registry, MLIRContext::Threading::DISABLED);
  bool explained = false;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &) {
    explained = true;
    return success();
  });
  OwningOpRef<ModuleOp> module = import({reinterpret_cast<const char *>(data), size}, &context);
  if (!module) {
    if (!explained)
      llvm::report_fatal_error("refused without a diagnostic");
    return 0;
  }
  if (failed(verify(*module)))
    llvm::report_fatal_error("imported, but not valid");
  std::string written;
  llvm::raw_string_ostream os(written);
  explained = false;
  if (failed(basin::onnx::exportModel(*module, os))) {
    if (!explained)
      llvm::report_fatal_error("not written, without a diagnostic");
    return 0;
  }
  if (!import(written, &context))
    llvm::report_fatal_error("what was written is not read again");
  return 0;
}

extern "C" const char *__asan_default_options() {
  // libMLIR.so is not instrumented. Its containers carry no annotations, and it takes memory from
  // allocators that instrumented code has poisoned.
  return "detect_container_overflow=0:allow_user_poisoning=0";
}
