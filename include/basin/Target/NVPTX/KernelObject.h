//===- KernelObject.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes kernel objects: files with machine code, PTX and what a launch needs. docs/kernels.md
// describes the format.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TARGET_NVPTX_KERNELOBJECT_H
#define BASIN_TARGET_NVPTX_KERNELOBJECT_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/JSON.h"

namespace basin::nvptx {

/// Returns the object's `kernels`: an entry for each `gpu.func` kernel of `module`, which is not
/// lowered yet. Fails with a diagnostic if a kernel lacks its contract.
llvm::FailureOr<llvm::json::Array> describeKernels(mlir::gpu::GPUModuleOp module);

struct ObjectSection {
  /// "cubin", "ptx", "mlir" for the emulator, or "weights".
  std::string kind, chip, bytes;
};

/// Returns the bytes of an object. `more` has further members of its JSON, beside `version`,
/// `sections` and `kernels`. With a `plan`, the version is 2, else 1.
std::string makeObject(const llvm::json::Array &kernels, llvm::ArrayRef<ObjectSection> sections,
                       const llvm::json::Object &more = {});

} // namespace basin::nvptx

#endif // BASIN_TARGET_NVPTX_KERNELOBJECT_H
