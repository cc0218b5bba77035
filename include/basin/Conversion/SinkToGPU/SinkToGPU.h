//===- SinkToGPU.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GPU kernels for sink ops: which kernel computes an op, and from which values.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_SINKTOGPU_SINKTOGPU_H
#define BASIN_CONVERSION_SINKTOGPU_SINKTOGPU_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"
#include "llvm/Support/JSON.h"

namespace basin {

#define GEN_PASS_DECL
#include "basin/Conversion/SinkToGPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "basin/Conversion/SinkToGPU/Passes.h.inc"

/// One step of a launch plan: a kernel and what its arguments are.
struct LaunchStep {
  std::string kernel;
  /// The ops that it computes: a norm and, where that is fused, its gate.
  llvm::SmallVector<mlir::Operation *> ops;
  struct Binding {
    std::string argument;
    mlir::Value value;
    /// The kernel takes the transpose, of a constant.
    bool transposed = false;
  };
  llvm::SmallVector<Binding> bindings;
};

/// Appends to `kernels` a kernel for each sink op of `root` that has one, equal
/// ones once, for `chip`; what each op launches goes to `steps`. With `partial`,
/// other ops stay as they are; without, each is an error that names it. Ops that
/// have a kernel in principle and not as they are get an error or, with
/// `partial`, a remark.
llvm::LogicalResult buildKernels(mlir::Operation *root, mlir::gpu::GPUModuleOp kernels,
                                 llvm::StringRef chip, bool partial,
                                 llvm::SmallVectorImpl<LaunchStep> &steps);

/// The steps as JSON, values by their ONNX names or "%N" without one.
llvm::json::Array describePlan(llvm::ArrayRef<LaunchStep> steps);

} // namespace basin

#endif // BASIN_CONVERSION_SINKTOGPU_SINKTOGPU_H
