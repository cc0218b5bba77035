//===- OldOpsets.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Replacements for operators that opset 11 lacks.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_OLDOPSETS_H
#define BASIN_DIALECT_ONNX_UTILS_OLDOPSETS_H

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"

namespace basin::onnx {

/// Returns a <= b. Before opset 12 it is the negation of Greater, which is true for NaN.
inline mlir::Value lessOrEqual(NodeBuilder &n, mlir::Value a, mlir::Value b) {
  if (n.getOpset() >= 12)
    return n.node<LessOrEqualOp>({a, b});
  return n.node<NotOp>({n.node<GreaterOp>({a, b})});
}

/// Returns a >= b. Before opset 12 it is the negation of Less, which is true for NaN.
inline mlir::Value greaterOrEqual(NodeBuilder &n, mlir::Value a, mlir::Value b) {
  if (n.getOpset() >= 12)
    return n.node<GreaterOrEqualOp>({a, b});
  return n.node<NotOp>({n.node<LessOp>({a, b})});
}

/// Returns the larger of two integers. Max takes only real numbers before opset 12.
inline mlir::Value largerInteger(NodeBuilder &n, mlir::Value a, mlir::Value b) {
  if (n.getOpset() >= 12)
    return n.node<MaxOp>({a, b});
  return n.node<WhereOp>({n.node<GreaterOp>({a, b}), a, b});
}

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_OLDOPSETS_H
