//===- JoinedSinks.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matches sinks that are joined to the keys, values and mask of an operator that has no operands
// for them: learned rows, and a row of zeros whose column of the mask is a logit for each head.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_JOINEDSINKS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_JOINEDSINKS_H

#include "AttentionSinks.h"

#include "basin/Dialect/Sink/IR/Parts.h"

namespace basin::onnx {

/// Keys, values and a mask without the sinks, and the sinks.
struct JoinedSinks {
  /// Null if the sinks were a past and nothing else was.
  mlir::Value key, value;
  /// Null if it hides nothing.
  mlir::Value mask;
  mlir::Value sinkKey, sinkValue, sinkLogit;
  /// The number of learned rows if their elements are [rows, heads, dim] and must be turned, as
  /// they are beside flat keys.
  std::optional<int64_t> turnedRows;
  /// The logit of rows of zeros that are visible to all heads alike.
  std::optional<double> sinkNumber;
  /// The ops that join them. Nothing else reads their results. Those of a mask that others read,
  /// too, are not among them.
  Ops ops;
  bool ownsMask = true;

  /// Sets the sinks and the mask of `parts`.
  void giveTo(sink::AttentionParts &parts) const;
};

/// Splits the keys and values [batch, heads, sequence, dim], or flat [batch, sequence, heads *
/// dim], of `heads` query heads and their mask, which may be null. Returns nothing if they have no
/// sinks, or none that the mask provably leaves visible.
std::optional<JoinedSinks> matchJoinedSinks(mlir::Value key, mlir::Value value, mlir::Value mask,
                                            sink::MaskKind kind, int64_t heads);

/// Splits the past keys and values of an operator, [batch, heads, past, dim], in the same way. The
/// mask has columns for the parts of the past, where the last one is of what is no sink, and of the
/// keys. The result's keys and values are the rest of the past.
std::optional<JoinedSinks> matchSinkPast(mlir::Value pastKey, mlir::Value pastValue,
                                         mlir::Value mask, sink::MaskKind kind, int64_t heads);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_JOINEDSINKS_H
