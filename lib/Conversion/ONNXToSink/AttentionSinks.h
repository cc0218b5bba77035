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

/// Rows that stand before or after those of `rest` in each element of the batch: learned ones, or
/// zeros.
struct SinkRows {
  /// Null if all elements are zero. If they are `turned`, their elements are [count, kv heads, d]
  /// in this order, and otherwise they are [kv heads, count, d].
  mlir::Value rows;
  bool turned = false;
  mlir::Value rest;
  /// The layout of `rest`. If that is [sequence, batch, kv heads * d], it is sbhd, and `rest` must
  /// be parted into heads of `partedDim`.
  sink::Layout layout = sink::Layout::bhsd;
  std::optional<int64_t> partedDim;
  int64_t count = 0;
  std::optional<int64_t> heads;
  bool isLast = false;
  Ops ops;
};

/// Returns `part` [batch, heads, count, d], or flat [batch, count, heads * d], as rows without
/// others beside them, or nothing if they are neither learned nor zeros.
std::optional<SinkRows> matchRows(mlir::Value part);
/// Returns whether all elements are certainly `number`.
bool isFilledWith(mlir::Value value, double number);

/// Returns the rows of keys or values, or nothing if there are none.
std::optional<SinkRows> matchSinkRows(mlir::Value value, sink::Layout layout);

/// Returns the number of heads of `value` [batch * heads, sequence, d], if that is a view of
/// [sequence, batch, heads * d], or nothing.
std::optional<int64_t> findTurnedHeads(mlir::Value value);

/// Scores of rows before the keys, which are cut apart from those of the keys, so that only these
/// are masked: Concat(all[.., :count], masked all[.., count:]).
struct RowScores {
  mlir::Value all;
  int64_t count = 0;
  /// The scores of the keys, masked.
  mlir::Value masked;
  Ops ops;
};

/// Returns the parts of such a Concat, or nothing.
std::optional<RowScores> matchRowScores(ConcatOp concat);
/// Returns whether `value` is all[.., count:].
bool isKeyScores(mlir::Value value, mlir::Value all, int64_t count);
/// Returns all of the scores if `value` is those behind the first ones, and the first ones are used
/// apart, or null.
mlir::Value skipKeyScores(mlir::Value value);

/// The columns of an additive or boolean mask, before or after the others, that belong to such
/// rows.
struct MaskColumns {
  /// The mask of the other keys, or null if that hides nothing.
  mlir::Value rest;
  /// One logit for each head that the column adds to the scores, or null if it adds nothing.
  mlir::Value logit;
  Ops ops;
};

/// Returns a mask that is broadcast to the same as the result of `op`: without new first axes, or
/// before a product with one. Returns null if `op` does neither.
mlir::Value findSameMask(mlir::Operation *op);

/// Returns the mask's columns for `count` rows, or nothing if it is not proven that they hide
/// nothing, or that they add a logit for each of `heads` to one row and nothing to the other keys.
std::optional<MaskColumns> matchMaskColumns(mlir::Value mask, sink::MaskKind kind,
                                            const SinkRows &rows, std::optional<int64_t> heads);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_ATTENTIONSINKS_H
