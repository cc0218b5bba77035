//===- FusedOp.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The steps that raising any operator takes.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_FUSEDOP_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_FUSEDOP_H

#include "Matchers.h"

namespace basin::onnx {

/// Moves `op` into the form of what `create` makes. `arguments` are the values of
/// op's first operands, in their order, unless there are ops `before` it that go
/// into the form, too. Other results than `results` must be unused.
RaiseResult
raiseOperator(mlir::Operation *op, mlir::OpBuilder &b, llvm::ArrayRef<mlir::Value> arguments,
              llvm::ArrayRef<mlir::Value> captured, llvm::ArrayRef<mlir::Value> results,
              llvm::function_ref<mlir::Operation *(mlir::Location, mlir::TypeRange)> create,
              const Ops &before = {});

/// Raises an operator of attention; unrelated if `op` is none.
RaiseResult raiseFusedAttention(mlir::Operation *op, mlir::OpBuilder &b);

/// Why a node without a typed op, which is none of a function's, is not raised;
/// nothing if its operator is no fused one.
std::optional<Miss> explainUntypedOp(NodeOp node);

/// An attribute's float as a double of the same decimal value would not be the
/// value that the runtime uses: widens it exactly.
double widen(std::optional<llvm::APFloat> value, double absent);

/// Whether a result is used, or has a name by which it could be.
bool isGiven(mlir::Operation *op, unsigned result);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_FUSEDOP_H
