//===- SoftmaxForms.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The ways in which a softmax over the last axis is written: as the operator, or as exponentials
// that are divided by their sum, to which a sink may be added.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_SOFTMAXFORMS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_SOFTMAXFORMS_H

#include "Leaves.h"
#include "Miss.h"

namespace basin::onnx {

/// p = exp(scores) / (exp(sink) + sum(exp(scores))), without the first summand if there is no sink.
struct SoftmaxForm {
  mlir::Value scores, probabilities;
  /// The op that computes the probabilities, where a miss is reported.
  mlir::Operation *anchor = nullptr;
  Ops ops;
  /// A sink has one logit for each head, or one number for all.
  bool hasSink = false;
  mlir::Value sinkLogit;
  std::optional<double> sinkNumber;
  /// The number of logits.
  std::optional<int64_t> sinkHeads;
};

/// Matches a softmax that `anchor` ends. The result is unrelated if it ends none.
MatchResult<SoftmaxForm> matchSoftmax(mlir::Operation *anchor);

/// Returns whether `value` has one element for each head. If there are several heads, they must
/// be along the third axis from the end.
bool isPerHead(mlir::Value value, int64_t heads);

/// Returns the logits, one for each of `heads`, that `value` repeats for every element of the batch
/// and every query, in their simplest shape. Returns null if it is not that.
mlir::Value findLogits(mlir::Value value, int64_t heads, Ops &ops);

/// Returns s if `sub` is s - max(s), with the maximum over the last axis. Returns null if it is
/// not.
mlir::Value matchRowMax(SubOp sub, Ops &ops);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_SOFTMAXFORMS_H
