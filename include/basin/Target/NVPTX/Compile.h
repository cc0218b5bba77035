//===- Compile.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles kernels in the form of docs/kernels.md to PTX. Assembler.h makes machine code of it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TARGET_NVPTX_COMPILE_H
#define BASIN_TARGET_NVPTX_COMPILE_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/PassManager.h"

namespace basin::nvptx {

/// Registers the dialects and translations that the functions below need.
void registerDialects(mlir::DialectRegistry &registry);

/// Lowers gpu, arith, scf and vector ops of each `gpu.module` to llvm and nvvm ops. PTX is made
/// from the result, and the emulator runs it.
void buildLowerKernelsPipeline(mlir::OpPassManager &pm);

/// Makes PTX from a lowered module for `chip` ("sm_80", "sm_90a"). The module is not changed.
/// Fails with a diagnostic.
llvm::FailureOr<std::string> translateToPTX(mlir::gpu::GPUModuleOp module, llvm::StringRef chip);

} // namespace basin::nvptx

#endif // BASIN_TARGET_NVPTX_COMPILE_H
