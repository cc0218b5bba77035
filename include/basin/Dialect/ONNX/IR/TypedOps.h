//===- TypedOps.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A typed op has all operands and results that its schema requires, so passes need not check. A
// node that lacks one is an `onnx.node`.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_TYPEDOPS_H
#define BASIN_DIALECT_ONNX_IR_TYPEDOPS_H

#include "mlir/IR/Operation.h"
#include "mlir/IR/ValueRange.h"

#include <optional>

namespace basin::onnx {

class NodeSchema;

/// Returns the index of the first operand that the schema requires and that is absent.
std::optional<size_t> findAbsentInput(const NodeSchema &schema, mlir::ValueRange operands);

/// Replaces the typed op `op` by an `onnx.node` if an operand that it requires is absent. Returns
/// the op that is there now.
mlir::Operation *toGenericOpIfIncomplete(mlir::Operation *op);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_TYPEDOPS_H
