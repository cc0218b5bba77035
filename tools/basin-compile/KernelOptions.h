//===- KernelOptions.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels named on the command line.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TOOLS_BASIN_COMPILE_KERNELOPTIONS_H
#define BASIN_TOOLS_BASIN_COMPILE_KERNELOPTIONS_H

#include "basin/Kernels/AttentionKernel.h"
#include "basin/Kernels/DyTKernel.h"
#include "basin/Kernels/NormKernel.h"

#include "llvm/Support/Error.h"

namespace basin {

/// "dim=4096,type=bf16,weight": the spec, or what is wrong with the text.
llvm::Expected<kernels::NormSpec> parseNorm(llvm::StringRef text, mlir::MLIRContext *context);
/// "head_dim=128,type=bf16,causal,sink_logit"
llvm::Expected<kernels::AttentionSpec> parseAttention(llvm::StringRef text,
                                                      mlir::MLIRContext *context);
/// "dim=4096,type=bf16,bias"
llvm::Expected<kernels::DyTSpec> parseDyT(llvm::StringRef text, mlir::MLIRContext *context);

} // namespace basin

#endif // BASIN_TOOLS_BASIN_COMPILE_KERNELOPTIONS_H
