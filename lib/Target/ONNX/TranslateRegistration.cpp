//===- TranslateRegistration.cpp --------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Registers `--onnx-to-mlir` and `--mlir-to-onnx`. The import opens the file by its name and does
// not take the bytes that the tool already read: so external data is found beside the file, and
// weights stay mapped. From stdin the model is read from memory, and external data is looked for
// in the working directory.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/InitAll.h"
#include "basin/Target/ONNX/Export.h"
#include "basin/Target/ONNX/Import.h"

#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

static OwningOpRef<Operation *> importFromSource(llvm::SourceMgr &sourceMgr, MLIRContext *context) {
  const llvm::MemoryBuffer *buffer = sourceMgr.getMemoryBuffer(sourceMgr.getMainFileID());
  StringRef path = buffer->getBufferIdentifier();
  if (llvm::sys::fs::exists(path))
    return basin::onnx::importModel(path, context);
  return basin::onnx::importModel(llvm::MemoryBuffer::getMemBufferCopy(buffer->getBuffer(), path),
                                  context);
}

static LogicalResult exportToStream(ModuleOp module, raw_ostream &os) {
  return basin::onnx::exportModel(module, os);
}

namespace basin::onnx {
void registerTranslations() {
  static TranslateToMLIRRegistration toMLIR(
      "onnx-to-mlir", "read an ONNX model into the onnx dialect", importFromSource,
      [](DialectRegistry &registry) { basin::registerAllDialects(registry); });
  static TranslateFromMLIRRegistration fromMLIR(
      "mlir-to-onnx", "write the onnx dialect as an ONNX model", exportToStream,
      [](DialectRegistry &registry) { basin::registerAllDialects(registry); });
}
} // namespace basin::onnx
