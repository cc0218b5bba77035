//===- AttentionScores.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the decomposition of an attention computes on the way to its result: its
// scores and probabilities as onnx ops, for who looks at them.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_IR_ATTENTIONSCORES_H
#define BASIN_DIALECT_SINK_IR_ATTENTIONSCORES_H

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/IR/Parts.h"
#include "basin/Support/WhyNot.h"

namespace basin::sink {

/// B the batch, H heads, G key heads, T queries, S keys with the past ones and
/// without sink rows, d the head dim.
struct AttentionScores {
  /// [B, H, T, d], [B, G, S, d], [B, G, S, d].
  mlir::Value query, key, value;
  /// [B, H, T, S]: scaled and capped, not masked.
  mlir::Value scores;
  /// [B, H, T, S], of the keys alone: rows sum to less than one where there are
  /// learned sinks.
  mlir::Value probabilities;
  /// bool, broadcasts to the scores; null where each query sees each key.
  mlir::Value visible;
};

/// The op's parts with query, key and value apart, rotated where the form's operator
/// rotates them, and with a mask of scores. Appends the nodes that this takes. With
/// `usePresent`, the op's own present keys and values stand for the past and the
/// new ones, where it gives them. Where the form does something that this does not
/// follow, `parts` stay as they are and the reason says what.
WhyNot unpackAttention(AttentionOp op, onnx::NodeBuilder &n, bool usePresent,
                       AttentionParts &parts);

/// Appends the nodes, which compute in `element`. Fails, with a diagnostic at `op`,
/// for parts that are not unpacked and for an unknown number of heads.
llvm::FailureOr<AttentionScores> buildAttentionScores(AttentionOp op, const AttentionParts &parts,
                                                      onnx::NodeBuilder &n, mlir::Type element);

/// Present keys or values [B, G, S, d], with zeros in the rows after each element's
/// `lastKey` [B], whose content nothing says; `present` itself where its type is unknown.
mlir::Value zeroUnusedRows(mlir::Value present, mlir::Value lastKey, onnx::NodeBuilder &n);

} // namespace basin::sink

#endif // BASIN_DIALECT_SINK_IR_ATTENTIONSCORES_H
