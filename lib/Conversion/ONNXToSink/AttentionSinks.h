//===- AttentionSinks.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matches what an attention has learned to put beside its scores and keys: one logit for each
// head as a column of the scores, or rows of keys and values before the others.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_ATTENTIONSINKS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_ATTENTIONSINKS_H

#include "Leaves.h"
#include "Miss.h"

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::onnx {

/// Scores, and on the last axis beside them either one logit for each head, or one number for all.
struct SinkColumn {
  mlir::Value scores, logit;
  std::optional<double> number;
  /// The number of logits; of a number, that of the scores' heads if it is known.
  std::optional<int64_t> heads;
  /// Whether the column stands before the scores.
  bool isFirst = false;
  Ops ops;
};

/// Returns the two parts of a Concat, or of a Pad that adds the column, or why they are not scores
/// and such a column.
MatchResult<SinkColumn> matchSinkColumn(ConcatOp concat);
MatchResult<SinkColumn> matchSinkColumn(PadOp pad);

/// Returns the probabilities of the keys if `op`, a Slice or Split of `probs`, drops the column.
/// Returns null if that is not proven.
mlir::Value matchDroppedColumn(mlir::Operation *op, mlir::Value probs, const SinkColumn &column);

/// Learned rows [kv heads, count, d] that stand before those of `rest` in each element of the
/// batch.
struct SinkRows {
  mlir::Value rows, rest;
  int64_t heads = 0, count = 0;
  Ops ops;
};
std::optional<SinkRows> matchSinkRows(mlir::Value value);

/// Returns the mask of the other keys if `mask` begins with `count` columns that hide nothing.
/// Returns null if that is not proven.
mlir::Value matchVisibleColumns(mlir::Value mask, sink::MaskKind kind, int64_t count);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_ATTENTIONSINKS_H
