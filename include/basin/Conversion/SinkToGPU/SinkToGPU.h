//===- SinkToGPU.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GPU kernels for sink ops: which kernel computes an op, from which values.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_SINKTOGPU_SINKTOGPU_H
#define BASIN_CONVERSION_SINKTOGPU_SINKTOGPU_H

#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Kernels/AddKernel.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/JSON.h"

namespace basin {

/// Replaces each norm (with its gate), dynamic tanh and attention of the functions
/// and graphs in `root` by a `sink.launch` of its kernel, which is appended to
/// `kernels`, equal ones once, made for `target`. With `partial`, other ops
/// stay as they are, and sink ops that no kernel fits get a remark that says why;
/// without, each is an error.
llvm::LogicalResult convertSinkToGPU(mlir::Operation *root, mlir::gpu::GPUModuleOp kernels,
                                     const kernels::KernelTarget &target, bool partial);

/// The functions and graphs of `root` that launch something, as the `functions` of a
/// kernel object (docs/kernels.md): values by their ONNX names, or "%0" without one.
llvm::json::Array describeFunctions(mlir::Operation *root);

} // namespace basin

#endif // BASIN_CONVERSION_SINKTOGPU_SINKTOGPU_H
