//===- SinkGate.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matches a sink that is written as a gate of the probabilities, or of their product with values:
//
//   softmax(s)_j * sigmoid(logsumexp(s) - sink) = exp(s_j) / (exp(sink) + sum_k exp(s_k))
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_SINKGATE_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_SINKGATE_H

#include "Leaves.h"

namespace basin::onnx {

/// The logit of each head, or one number for all.
struct SinkGate {
  mlir::Value logit;
  std::optional<double> number;
  /// The number of logits; of a number, that of the scores' heads if it is known.
  std::optional<int64_t> heads;
  Ops ops;
};

/// Returns whether `mul` multiplies `value` by such a sigmoid of the scores [batch, heads, queries,
/// keys]. The sigmoid may subtract any value.
bool isSinkGate(MulOp mul, mlir::Value value, mlir::Value scores);
/// Returns the sink of such a product, or nothing if it is neither a logit of each head nor one
/// number.
std::optional<SinkGate> matchSinkGate(MulOp mul, mlir::Value value, mlir::Value scores);

/// Returns whether all elements of a mask certainly are finite. -inf is none of constants, and of
/// what selects, moves or repeats them.
bool isFiniteMask(mlir::Value mask);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_SINKGATE_H
