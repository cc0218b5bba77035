//===- Passes.td -------------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_SINKTOGPU_PASSES_TD
#define BASIN_CONVERSION_SINKTOGPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertSinkToGPUPass : Pass<"convert-sink-to-gpu", "::mlir::ModuleOp"> {
  let summary = "replace norms, their gates and attention by launches of GPU kernels";
  let description = [{
    Appends a `gpu.module @basin_kernels` with a kernel for each norm (with its
    residual, pre-affine vector and, if a `sink.gate` is its only reader, the
    gate), each dynamic tanh and each attention (with the sigmoid of its gate, if
    nothing else reads it). Equal kernels are there once. A `sink.launch` replaces
    the ops that a kernel computes. `docs/kernels.md` describes the kernels.

    Any other op is an error that names it. With `partial` it is left alone. So are
    sink ops that no kernel fits, with a remark that says why.
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_90a\"", "chip to choose schedules for">,
    ListOption<"schedule", "schedule", "std::string",
               "parts of schedules to set instead of choosing them, such as attention.stages=1">,
    Option<"partial", "partial", "bool", "false", "leave ops that have no kernel as they are">
  ];
  let dependentDialects = ["::basin::kernels::KernelDialect", "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect", "::mlir::arith::ArithDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

#endif // BASIN_CONVERSION_SINKTOGPU_PASSES_TD
