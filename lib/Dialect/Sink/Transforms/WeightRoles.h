//===- WeightRoles.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds out which uses of a weight play which part in a norm. A sink op has the weight once as an
// operand. Its form may use it again, once for each part that the weight plays: one initializer
// may be gamma and also the bias of the residual.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTROLES_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTROLES_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::sink {

/// The uses of one value in one part: an op's operand and, if that op is a norm, the operands
/// inside its form that play the same part.
using RoleUses = llvm::SmallVector<mlir::OpOperand *, 2>;

class WeightRoles {
public:
  /// Returns the uses that play the part of `use`, or nothing if the form uses the value in a way
  /// that is not understood. Between calls for the same value its uses must not change.
  std::optional<RoleUses> find(mlir::OpOperand &use);

private:
  using Inner = llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::OpOperand *, 2>>;
  /// The uses of a value inside forms, by the op that has the form. They are collected once,
  /// because thousands of norms may share a weight.
  llvm::DenseMap<mlir::Value, Inner> inside;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTROLES_H
