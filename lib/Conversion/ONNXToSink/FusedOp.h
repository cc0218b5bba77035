//===- FusedOp.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Declares the steps that raising any fused operator takes.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_FUSEDOP_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_FUSEDOP_H

#include "Matchers.h"

namespace basin::onnx {

/// Moves `op`, and the ops `before` it, into the form of the op that `create` makes. If there are
/// no ops before it, `arguments` must be the values of op's first operands, in order. Results
/// other than those in `results` must be unused.
RaiseResult
raiseOperator(mlir::Operation *op, mlir::OpBuilder &b, llvm::ArrayRef<mlir::Value> arguments,
              llvm::ArrayRef<mlir::Value> captured, llvm::ArrayRef<mlir::Value> results,
              llvm::function_ref<mlir::Operation *(mlir::Location, mlir::TypeRange)> create,
              const Ops &before = {});

/// Raises an operator that is an attention. The result is unrelated if `op` is not one.
RaiseResult raiseFusedAttention(mlir::Operation *op, mlir::OpBuilder &b);

/// Returns why a node without a typed op is not raised. Returns nothing if its operator is not a
/// fused one, or if it calls a function of the model.
std::optional<Miss> explainUntypedOp(NodeOp node);

/// Widens an attribute's float exactly, to the value that the runtime uses. A double of the same
/// decimal digits would differ. Returns `absent` if there is no value.
double widen(const std::optional<llvm::APFloat> &value, double absent);

/// Returns whether a result is used, or has a name by which it could be used.
bool isGiven(mlir::Operation *op, unsigned result);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_FUSEDOP_H
