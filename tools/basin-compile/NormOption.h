//===- NormOption.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Norms named on the command line.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TOOLS_BASIN_COMPILE_NORMOPTION_H
#define BASIN_TOOLS_BASIN_COMPILE_NORMOPTION_H

#include "basin/Kernels/NormKernel.h"

#include "llvm/Support/Error.h"

namespace basin {

/// "dim=4096,type=bf16,weight": the spec, or what is wrong with the text.
llvm::Expected<kernels::NormSpec> parseNorm(llvm::StringRef text, mlir::MLIRContext *context);

/// Builds the kernel by the schedule of its own choice; why not where there is none.
std::string buildNorm(mlir::gpu::GPUModuleOp kernels, const kernels::NormSpec &spec);

} // namespace basin

#endif // BASIN_TOOLS_BASIN_COMPILE_NORMOPTION_H
