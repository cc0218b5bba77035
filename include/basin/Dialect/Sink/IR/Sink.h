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

namespace basin::sink {

/// Operands by the names that their op's definition gives them; null where absent.
using NamedOperands = llvm::SmallVector<std::pair<llvm::StringRef, mlir::Value>>;

struct AttentionParts;

} // namespace basin::sink

#include "basin/Dialect/Sink/IR/SinkInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "basin/Dialect/Sink/IR/SinkAttrs.h.inc"

#define GET_OP_CLASSES
#include "basin/Dialect/Sink/IR/SinkOps.h.inc"

namespace basin::sink {

/// A score, or a summand of one, that is at or below this number hides its key.
/// Models write -1e4 and lower numbers for that, which bf16 rounds to this one; no
/// bias that means something else comes near it.
inline constexpr double kHiddenScore = -9984;

/// The attribute on an op that recognition did not raise: a sentence that says why.
inline constexpr llvm::StringLiteral kMissAttr = "sink.miss";

/// `op` as a norm that adds a residual; null for other ops, and for a null one.
NormInterface getResidualNorm(mlir::Operation *op);

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

#endif // BASIN_DIALECT_SINK_IR_SINK_H
