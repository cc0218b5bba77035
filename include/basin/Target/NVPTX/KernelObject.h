//===- KernelObject.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernel objects: machine code, PTX and what a launch needs, in one file. The
// format is in docs/kernels.md.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TARGET_NVPTX_KERNELOBJECT_H
#define BASIN_TARGET_NVPTX_KERNELOBJECT_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/JSON.h"

namespace basin::nvptx {

/// The entry of `kernels` for each `gpu.func` kernel of `module`, before it is
/// lowered. Fails, with a diagnostic, where one lacks an attribute of its form.
llvm::FailureOr<llvm::json::Array> describeKernels(mlir::gpu::GPUModuleOp module);

struct ObjectSection {
  /// "cubin" or "ptx".
  std::string kind, chip, bytes;
};

/// The bytes of an object; `more` is put beside `version`, `sections` and
/// `kernels`.
std::string makeObject(const llvm::json::Array &kernels, llvm::ArrayRef<ObjectSection> sections,
                       const llvm::json::Object &more = {});

} // namespace basin::nvptx

#endif // BASIN_TARGET_NVPTX_KERNELOBJECT_H
