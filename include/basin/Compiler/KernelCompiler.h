//===- KernelCompiler.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GPU kernels from sink ops or from specs to PTX, machine code or a kernel object:
// what basin-compile does, for programs that link Basin.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_COMPILER_KERNELCOMPILER_H
#define BASIN_COMPILER_KERNELCOMPILER_H

#include "basin/Kernels/KernelFamily.h"
#include "basin/Target/NVPTX/Assembler.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace basin {

/// Adds what a context needs: Basin's dialects, those of kernels, their translations.
void registerCompilerDialects(mlir::DialectRegistry &registry);

/// The model at `path`, raised to the sink dialect, or a module in MLIR. Null after a
/// diagnostic.
mlir::OwningOpRef<mlir::ModuleOp> readForKernels(llvm::StringRef path, mlir::MLIRContext *context);

/// Kernels for one chip. First they are added, then something is made of all of them.
class KernelCompiler {
public:
  /// Chips that schedules are chosen and PTX is made for: "sm_80" and so on.
  static llvm::ArrayRef<llvm::StringRef> getChips();

  /// `chip` is one of the above.
  KernelCompiler(mlir::MLIRContext *context, llvm::StringRef chip,
                 kernels::ScheduleOverrides overrides = {});

  /// Adds a kernel for each op of the functions and graphs in `module`, and puts launches in
  /// the ops' place. With `partial`, ops without a kernel stay; without, each is an error.
  llvm::LogicalResult addOps(mlir::ModuleOp module, bool partial = false);
  /// Adds the kernel of a spec, once.
  llvm::Error add(const kernels::AnySpec &spec);
  bool isEmpty();
  /// Dynamic shared memory of the kernel of that name.
  int64_t getSharedBytes(llvm::StringRef kernel);

  /// The kernels as they are before they are lowered.
  std::string toMLIR();
  /// Fails with a diagnostic.
  llvm::FailureOr<std::string> toPTX();
  /// A kernel object with that PTX, the machine code that was made of it, and the functions
  /// of the modules that were added. Fails with a diagnostic.
  llvm::FailureOr<std::string> toObject(llvm::StringRef ptx, llvm::StringRef cubin);

private:
  std::string chip;
  kernels::ScheduleOverrides overrides;
  /// Kernels stand in a module of their own: the ops of a model are not lowered.
  mlir::OwningOpRef<mlir::ModuleOp> holder;
  mlir::gpu::GPUModuleOp kernels;
  llvm::json::Array functions;
};

} // namespace basin

#endif // BASIN_COMPILER_KERNELCOMPILER_H
