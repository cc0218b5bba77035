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
#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::sink {

/// The operands and attributes of a `sink.attention`; null or absent as there.
/// Those of an op in layout `packed` have to be replaced before use.
struct AttentionOperands {
  explicit AttentionOperands(AttentionOp op);

  /// For diagnostics.
  mlir::Operation *op;
  mlir::Value query, key, value, mask, pastKey, pastValue, sinkLogit, sinkKey, sinkValue, lastKey;
  std::optional<MaskKind> maskKind;
  Layout queryLayout, keyLayout, valueLayout;
  std::optional<double> scale, softcap, maskFill;
  std::optional<int64_t> window, heads, kvHeads, headDim;
  /// Whether later keys are to be hidden, besides what the mask hides.
  bool causal;
  bool zeroHiddenRows;
};

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

/// Appends the nodes, which compute in `element`. Fails, with a diagnostic, for
/// layout `packed`, for a mask of kind `lengths` and for an unknown number of heads.
llvm::FailureOr<AttentionScores> buildAttentionScores(const AttentionOperands &operands,
                                                      onnx::NodeBuilder &n, mlir::Type element);

} // namespace basin::sink

#endif // BASIN_DIALECT_SINK_IR_ATTENTIONSCORES_H
