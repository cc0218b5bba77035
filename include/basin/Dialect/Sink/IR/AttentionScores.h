//===- AttentionScores.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds the scores and probabilities of an attention as onnx ops, as its decomposition computes
// them, for code that measures them.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_IR_ATTENTIONSCORES_H
#define BASIN_DIALECT_SINK_IR_ATTENTIONSCORES_H

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/IR/Parts.h"
#include "basin/Support/WhyNot.h"

namespace basin::sink {

/// The values of an attention's decomposition. B is the batch, H the heads, G the key heads, T the
/// queries, S the keys with those of the past and without sink rows, d the head dim.
struct AttentionScores {
  /// [B, H, T, d], [B, G, S, d], [B, G, S, d].
  mlir::Value query, key, value;
  /// [B, H, T, S]: scaled and capped, not masked.
  mlir::Value scores;
  /// [B, H, T, S]: the scores that the probabilities are of.
  mlir::Value masked;
  /// [B, H, T, S], of the keys alone. With learned sinks, a row's sum is less than one.
  mlir::Value probabilities;
  /// A bool that broadcasts to the scores. Null if each query sees each key.
  mlir::Value visible;
};

/// Values of a form that need not be computed: the scores as in `AttentionScores`, the masked ones
/// that the probabilities are of, and the probabilities. All are null, or none is.
struct GivenScores {
  mlir::Value scores, masked, probabilities;
};

/// Gives `parts` the op's parts with separate query, key and value and a mask of scores. If the
/// form's operator rotates query and key, they are rotated. Appends the nodes that compute this.
/// With `usePresent`, the op's own present keys and values, if it returns them, take the place of
/// the past and the new ones. If the form does something that is not understood, `parts` stay as
/// they are and the reason says what.
WhyNot unpackAttention(AttentionOp op, onnx::NodeBuilder &n, bool usePresent,
                       AttentionParts &parts);

/// Appends the nodes of the scores, which compute in `element`. Takes the values of `given`
/// instead, if it has them. Fails with a diagnostic at `op` if the parts are not unpacked or the
/// number of heads is unknown.
llvm::FailureOr<AttentionScores> buildAttentionScores(AttentionOp op, const AttentionParts &parts,
                                                      onnx::NodeBuilder &n, mlir::Type element,
                                                      const GivenScores &given = {});

/// Appends the nodes of the largest masked score of each row, in the layout of the op's result,
/// once for each of its elements. Fails if the op has no decomposition.
llvm::FailureOr<mlir::Value> buildLargestScores(AttentionOp op, mlir::OpBuilder &b);

/// Returns present keys or values [B, G, S, d] with zeros in the rows after each element's
/// `lastKey` [B], because the contents of these rows are undefined. Returns `present` itself if its
/// type is unknown.
mlir::Value zeroUnusedRows(mlir::Value present, mlir::Value lastKey, onnx::NodeBuilder &n);

} // namespace basin::sink

#endif // BASIN_DIALECT_SINK_IR_ATTENTIONSCORES_H
