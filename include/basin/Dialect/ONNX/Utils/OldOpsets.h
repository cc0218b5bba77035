//===- OldOpsets.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What opset 11 has no operator for, by others.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_OLDOPSETS_H
#define BASIN_DIALECT_ONNX_UTILS_OLDOPSETS_H

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"

namespace basin::onnx {

/// Before opset 12 by the opposite of Greater, which NaN makes true.
inline mlir::Value lessOrEqual(NodeBuilder &n, mlir::Value a, mlir::Value b) {
  if (n.getOpset() >= 12)
    return n.node<LessOrEqualOp>({a, b});
  return n.node<NotOp>({n.node<GreaterOp>({a, b})});
}

/// Before opset 12 by the opposite of Less, which NaN makes true.
inline mlir::Value greaterOrEqual(NodeBuilder &n, mlir::Value a, mlir::Value b) {
  if (n.getOpset() >= 12)
    return n.node<GreaterOrEqualOp>({a, b});
  return n.node<NotOp>({n.node<LessOp>({a, b})});
}

/// The larger of two integers, which Max does not take before opset 12.
inline mlir::Value largerInteger(NodeBuilder &n, mlir::Value a, mlir::Value b) {
  if (n.getOpset() >= 12)
    return n.node<MaxOp>({a, b});
  return n.node<WhereOp>({n.node<GreaterOp>({a, b}), a, b});
}

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_OLDOPSETS_H
