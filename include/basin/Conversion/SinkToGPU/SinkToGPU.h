//===- SinkToGPU.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Converts sink ops to GPU kernels: decides which kernel computes an op, and from which values.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_SINKTOGPU_SINKTOGPU_H
#define BASIN_CONVERSION_SINKTOGPU_SINKTOGPU_H

#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Kernels/AddKernel.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/JSON.h"

namespace basin {

/// Replaces each norm (with its gate), dynamic tanh and attention of the functions and graphs in
/// `root` by a `sink.launch` of its kernel. Kernels are made for `target` and appended to
/// `kernels`; equal ones are appended once. With `partial`, other ops stay as they are, and a
/// remark says why a sink op has no kernel. Without it, both are errors.
llvm::LogicalResult convertSinkToGPU(mlir::Operation *root, mlir::gpu::GPUModuleOp kernels,
                                     const kernels::KernelTarget &target, bool partial);

/// Describes the functions and graphs of `root` that launch something, as the `functions` of a
/// kernel object (docs/kernels.md). Values have their ONNX names, or names like "%0".
llvm::json::Array describeFunctions(mlir::Operation *root);

} // namespace basin

#endif // BASIN_CONVERSION_SINKTOGPU_SINKTOGPU_H
