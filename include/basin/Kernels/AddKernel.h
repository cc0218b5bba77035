//===- AddKernel.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Adds kernels to a module, given what they compute. A kernel has the schedule that its
// family chooses, except for parts that a user sets.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_ADDKERNEL_H
#define BASIN_KERNELS_ADDKERNEL_H

#include "basin/Kernels/AttentionKernel.h"
#include "basin/Kernels/DyTKernel.h"
#include "basin/Kernels/NormKernel.h"

namespace basin::kernels {

/// Appends the kernel of `spec` unless `module` has it, and returns its name. The error says why
/// no kernel can do the spec.
llvm::Expected<std::string> addKernel(mlir::gpu::GPUModuleOp module, const AnySpec &spec,
                                      const KernelTarget &target);

/// Does the same for a spec of one family.
template <typename Spec>
llvm::Expected<std::string> addKernel(mlir::gpu::GPUModuleOp module, const Spec &spec,
                                      const KernelTarget &target) {
  return addKernel(module, *toAnySpec(spec), target);
}

} // namespace basin::kernels

#endif // BASIN_KERNELS_ADDKERNEL_H
