//===- AddKernel.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels by what they compute: each takes the schedule that its family chooses.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_ADDKERNEL_H
#define BASIN_KERNELS_ADDKERNEL_H

#include "basin/Kernels/AttentionKernel.h"
#include "basin/Kernels/DyTKernel.h"
#include "basin/Kernels/NormKernel.h"

#include "llvm/Support/Error.h"

namespace basin::kernels {

/// Appends the kernel of `spec` for `chip` ("sm_80") unless `module` has it, and
/// gives its name. The error says why no kernel can do the spec.
llvm::Expected<std::string> addKernel(mlir::gpu::GPUModuleOp module, const NormSpec &spec,
                                      llvm::StringRef chip);
llvm::Expected<std::string> addKernel(mlir::gpu::GPUModuleOp module, const DyTSpec &spec,
                                      llvm::StringRef chip);
llvm::Expected<std::string> addKernel(mlir::gpu::GPUModuleOp module, const AttentionSpec &spec,
                                      llvm::StringRef chip);

} // namespace basin::kernels

#endif // BASIN_KERNELS_ADDKERNEL_H
