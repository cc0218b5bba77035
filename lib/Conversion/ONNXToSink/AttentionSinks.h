//===- AttentionSinks.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What attention learns to put beside its scores and its keys: one logit a head
// as a column of the scores, or rows of keys and values before the others.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_ATTENTIONSINKS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_ATTENTIONSINKS_H

#include "Leaves.h"
#include "Miss.h"

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::onnx {

/// scores and a logit a head, put together on the last axis.
struct SinkColumn {
  mlir::Value scores, logit;
  int64_t heads = 0;
  /// The column stands before the scores.
  bool isFirst = false;
  Ops ops;
};

/// The two parts of a Concat, or why they are none.
MatchResult<SinkColumn> matchSinkColumn(ConcatOp concat);

/// The probabilities of the keys where `op`, a Slice or Split of `probs`, drops
/// the column; null where that is not proven.
mlir::Value matchDroppedColumn(mlir::Operation *op, mlir::Value probs, const SinkColumn &column);

/// s where `value` is s - max(s), the largest of the last axis.
mlir::Value matchRowMax(SubOp sub, Ops &ops);

/// Learned rows [kv heads, count, d] before those of `rest`, for each element of
/// the batch.
struct SinkRows {
  mlir::Value rows, rest;
  int64_t heads = 0, count = 0;
  Ops ops;
};
std::optional<SinkRows> matchSinkRows(mlir::Value value);

/// The mask of the other keys where `mask` begins with `count` columns that hide
/// nothing; null where that is not proven.
mlir::Value matchVisibleColumns(mlir::Value mask, sink::MaskKind kind, int64_t count);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_ATTENTIONSINKS_H
