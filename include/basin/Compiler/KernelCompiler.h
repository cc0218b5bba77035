//===- KernelCompiler.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles GPU kernels from sink ops or from specs to PTX, machine code or a kernel object.
// Programs that link Basin get here what basin-compile does.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_COMPILER_KERNELCOMPILER_H
#define BASIN_COMPILER_KERNELCOMPILER_H

#include "basin/Kernels/KernelFamily.h"
#include "basin/Target/NVPTX/Assembler.h"

#include "basin/Plan/PlanModel.h"
#include "basin/Target/NVPTX/KernelObject.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace basin {

/// Adds all dialects that a context needs to compile kernels, and their translations.
void registerCompilerDialects(mlir::DialectRegistry &registry);

/// Reads the ONNX model at `path` and raises it to the sink dialect, or reads a module in MLIR.
/// Returns null after a diagnostic.
mlir::OwningOpRef<mlir::ModuleOp> readForKernels(llvm::StringRef path, mlir::MLIRContext *context);

/// Compiles kernels for one chip. First the kernels are added, and then all of them are written
/// together.
class KernelCompiler {
public:
  /// The chips for which schedules are chosen and PTX is made, such as "sm_80".
  static llvm::ArrayRef<llvm::StringRef> getChips();

  /// `chip` must be one of getChips().
  KernelCompiler(mlir::MLIRContext *context, llvm::StringRef chip,
                 kernels::ScheduleOverrides overrides = {});

  /// Adds a kernel for each op in the functions and graphs of `module`, and replaces the ops by
  /// launches. With `partial`, ops without a kernel stay. Otherwise each of them is an error.
  llvm::LogicalResult addOps(mlir::ModuleOp module, bool partial = false);
  /// Plans the graph of `module`, an ONNX model, as a whole. Its ops become kernels, and products
  /// of matrices for the vendor's library. Fails with a diagnostic at an op that has no lowering.
  llvm::LogicalResult addModel(mlir::ModuleOp module);
  /// Adds the kernel of a spec, unless it is there already.
  llvm::Error add(const kernels::AnySpec &spec);
  bool isEmpty();
  /// Returns the bytes of dynamic shared memory that the kernel of that name needs.
  int64_t getSharedBytes(llvm::StringRef kernel);

  /// Returns the kernels as MLIR before they are lowered.
  std::string toMLIR();
  /// Returns the kernels as PTX. Fails with a diagnostic.
  llvm::FailureOr<std::string> toPTX();
  /// Returns a kernel object with that PTX, the machine code made of it, and the functions of the
  /// modules that were added, or the plan, which is given away. Fails with a diagnostic.
  llvm::FailureOr<std::string> toObject(llvm::StringRef ptx, llvm::StringRef cubin);
  /// Returns the plan of the model that was added, for readers; empty without one.
  llvm::StringRef toPlan() const { return printedPlan; }
  /// Returns an object for the emulator, which has the kernels as MLIR. Fails with a diagnostic.
  llvm::FailureOr<std::string> toEmulatorObject();

private:
  llvm::FailureOr<std::string> makeObject(std::vector<nvptx::ObjectSection> sections);

  std::string chip;
  kernels::ScheduleOverrides overrides;
  /// Kernels are in a module of their own, because the ops of a model are not lowered.
  mlir::OwningOpRef<mlir::ModuleOp> holder;
  mlir::gpu::GPUModuleOp kernels;
  llvm::json::Array functions;
  std::optional<plan::WrittenPlan> plan;
  std::string printedPlan;
};

} // namespace basin

#endif // BASIN_COMPILER_KERNELCOMPILER_H
