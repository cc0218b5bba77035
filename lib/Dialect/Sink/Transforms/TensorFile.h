//===- TensorFile.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tensors that a run of the model made, in an ONNX file whose initializers they are.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_TENSORFILE_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_TENSORFILE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringMap.h"

#include <memory>

namespace basin::sink {

/// The elements of a tensor, in the layout of ONNX's `raw_data`.
struct StoredTensor {
  mlir::RankedTensorType type;
  std::shared_ptr<std::vector<char>> bytes;
};
/// Tensors by their names.
using StoredTensors = llvm::StringMap<StoredTensor>;

/// Reads the initializers of the ONNX file `path`, which is encoded as options have paths. Fails
/// with a diagnostic if it cannot be read, or if one is no tensor of numbers.
llvm::FailureOr<StoredTensors> readTensorFile(mlir::ModuleOp module, llvm::StringRef path);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_TENSORFILE_H
