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

/// Operands with the names that their op's definition gives them. Absent ones are null.
using NamedOperands = llvm::SmallVector<std::pair<llvm::StringRef, mlir::Value>>;

struct AttentionParts;

} // namespace basin::sink

#include "basin/Dialect/Sink/IR/SinkInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "basin/Dialect/Sink/IR/SinkAttrs.h.inc"

#define GET_OP_CLASSES
#include "basin/Dialect/Sink/IR/SinkOps.h.inc"

namespace basin::sink {

/// A score, or a summand of one, that is at or below this number hides its key. Models write -1e4
/// and lower numbers for that, and bf16 rounds -1e4 to this one. No bias that means something else
/// comes near it.
inline constexpr double kHiddenScore = -9984;

/// The attribute on an op that recognition did not raise: a sentence that says why.
inline constexpr llvm::StringLiteral kMissAttr = "sink.miss";

/// The mark of an op that recognition made for an operand of a sink op. It is no op of the model,
/// so it vanishes with its last use.
inline constexpr llvm::StringLiteral kMadeAttr = "sink.made";

/// Returns `op` as a norm that adds a residual, or null for other ops and for a null op.
NormInterface getResidualNorm(mlir::Operation *op);

/// These return the axis of heads, of the sequence and of a head's elements in a layout. The first
/// returns nothing if the layout has no axis of heads alone.
std::optional<unsigned> getHeadAxis(Layout layout);
unsigned getSequenceAxis(Layout layout);
unsigned getHeadDimAxis(Layout layout);

/// Returns the rank of a tensor in a layout, or nothing for `packed`, which only the form knows.
std::optional<int64_t> getRankOf(Layout layout);

/// Returns ONNX's name of a result: the op's own, or the one in its form, or an empty text.
llvm::StringRef getResultName(mlir::Operation *op, unsigned index);

} // namespace basin::sink

#endif // BASIN_DIALECT_SINK_IR_SINK_H
