//===- TensorFile.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorFile.h"

#include "Statistics.h"

#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Target/ONNX/Import.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

FailureOr<sink::StoredTensors> basin::sink::readTensorFile(ModuleOp module, StringRef path) {
  OwningOpRef<ModuleOp> file = importModel(decodePath(path), module.getContext());
  if (!file)
    return failure();
  StoredTensors out;
  WalkResult walked = file->walk([&](InitializerOp op) {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    FailureOr<TensorBytes> data = getTensorBytes(op.getValue(), op);
    if (!type || !type.hasStaticShape() || failed(data)) {
      op.emitError("expected a tensor of numbers, but got '") << op.getName() << "'";
      return WalkResult::interrupt();
    }
    // The file may be gone when the model is written.
    out[op.getName()] = {
        type, std::make_shared<std::vector<char>>(data->bytes.begin(), data->bytes.end())};
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  return out;
}
