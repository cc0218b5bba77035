//===- AddKernel.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels by what they compute: each takes the schedule that its family chooses, or
// what a user sets of it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_ADDKERNEL_H
#define BASIN_KERNELS_ADDKERNEL_H

#include "basin/Kernels/DyTKernel.h"
#include "basin/Kernels/ScheduleOverrides.h"

namespace basin::kernels {

/// What kernels are made for: a chip ("sm_80"), and what a user sets.
struct KernelTarget {
  llvm::StringRef chip;
  ScheduleOverrides overrides = {};
};

/// Appends the kernel of `spec` unless `module` has it, and gives its name. The error says why no
/// kernel can do the spec.
llvm::Expected<std::string> addKernel(mlir::gpu::GPUModuleOp module, const NormSpec &spec,
                                      const KernelTarget &target);
llvm::Expected<std::string> addKernel(mlir::gpu::GPUModuleOp module, const DyTSpec &spec,
                                      const KernelTarget &target);
llvm::Expected<std::string> addKernel(mlir::gpu::GPUModuleOp module, const AttentionSpec &spec,
                                      const KernelTarget &target);

} // namespace basin::kernels

#endif // BASIN_KERNELS_ADDKERNEL_H
