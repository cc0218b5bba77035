//===- Compile.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From kernels in the form of docs/kernels.md to PTX; Assembler.h goes on from there.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TARGET_NVPTX_COMPILE_H
#define BASIN_TARGET_NVPTX_COMPILE_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/PassManager.h"

namespace basin::nvptx {

/// Dialects and translations that the functions below need.
void registerDialects(mlir::DialectRegistry &registry);

/// gpu, arith, scf, vector ops of each `gpu.module` to llvm and nvvm ops: what
/// PTX is made from, and what the emulator runs.
void buildLowerKernelsPipeline(mlir::OpPassManager &pm);

/// PTX of a module that was lowered, for `chip` ("sm_80", "sm_90a"). The module
/// stays as it is. Fails with a diagnostic.
llvm::FailureOr<std::string> translateToPTX(mlir::gpu::GPUModuleOp module, llvm::StringRef chip);

} // namespace basin::nvptx

#endif // BASIN_TARGET_NVPTX_COMPILE_H
