//===- Compile.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From kernels in the form of docs/kernels.md to PTX and to machine code. PTX
// comes from LLVM, in this process; machine code from NVIDIA's assembler, a
// program that is looked for.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TARGET_NVPTX_COMPILE_H
#define BASIN_TARGET_NVPTX_COMPILE_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"

namespace basin::nvptx {

/// Dialects and translations that the functions below need.
void registerDialects(mlir::DialectRegistry &registry);

/// gpu, arith, scf, vector ops of each `gpu.module` to llvm and nvvm ops: what
/// PTX is made from, and what the emulator runs.
void buildLowerKernelsPipeline(mlir::OpPassManager &pm);

/// PTX of a module that was lowered, for `chip` ("sm_80", "sm_90a"). The module
/// stays as it is. Fails with a diagnostic.
llvm::FailureOr<std::string> translateToPTX(mlir::gpu::GPUModuleOp module, llvm::StringRef chip);

/// What the assembler says of one kernel.
struct KernelResources {
  std::string name;
  unsigned registers = 0, spillBytes = 0, stackBytes = 0, staticSharedBytes = 0;
};

struct Assembled {
  std::string cubin;
  std::vector<KernelResources> kernels;
  /// Lines of warning, of performance among them.
  std::vector<std::string> warnings;
};

/// The assembler: `ptxas` in `toolkit`/bin where that is given, on the path, in
/// /usr/local/cuda/bin; empty where there is none.
std::string findAssembler(llvm::StringRef toolkit = {});

/// Assembles `ptx` for `chip`. The error is the assembler's own.
llvm::Expected<Assembled> assemble(llvm::StringRef ptx, llvm::StringRef chip,
                                   llvm::StringRef assembler);

} // namespace basin::nvptx

#endif // BASIN_TARGET_NVPTX_COMPILE_H
