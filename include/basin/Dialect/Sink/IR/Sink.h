//===- Sink.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_IR_SINK_H
#define BASIN_DIALECT_SINK_IR_SINK_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"

#include "basin/Dialect/Sink/IR/SinkDialect.h.inc"
#include "basin/Dialect/Sink/IR/SinkEnums.h.inc"
#include "basin/Dialect/Sink/IR/SinkInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "basin/Dialect/Sink/IR/SinkAttrs.h.inc"

#define GET_OP_CLASSES
#include "basin/Dialect/Sink/IR/SinkOps.h.inc"

namespace basin::sink {

/// Axis of heads and of the sequence in a layout; nothing where the layout has
/// no such axis of its own.
std::optional<unsigned> getHeadAxis(Layout layout);
unsigned getSequenceAxis(Layout layout);

/// The rank of a tensor in a layout; nothing for `packed`, which is the form's.
std::optional<int64_t> getRankOf(Layout layout);

/// ONNX's name of a result: the op's own, else the one in its form; empty if
/// there is none.
llvm::StringRef getResultName(mlir::Operation *op, unsigned index);

} // namespace basin::sink

namespace basin::sink {
/// Marks, inside a form, the op that adds a norm's epsilon ("epsilon") or
/// multiplies by its pre-affine vector ("pre_affine") or by attention's gate
/// ("gate").
inline constexpr llvm::StringLiteral kRoleAttr = "sink.role";

/// Whether `op` has that role.
bool hasRole(mlir::Operation *op, llvm::StringRef role);

/// The op of that role at the top level of a form; null without one, or without
/// a form.
mlir::Operation *findRole(mlir::Region &form, llvm::StringRef role);
} // namespace basin::sink

#endif // BASIN_DIALECT_SINK_IR_SINK_H
