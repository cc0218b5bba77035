//===- LongerSequence.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The facts that must be proven before a graph computes with more tokens than its inputs have.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_LONGERSEQUENCE_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_LONGERSEQUENCE_H

#include "WholeSequence.h"

namespace basin::sink {

/// Proves that nothing but the inputs tells the graph its number of tokens. Fails with a diagnostic
/// otherwise: for caches, other inputs with an element for each token, and subgraphs that see
/// tokens.
llvm::LogicalResult checkLongerSequence(onnx::GraphOp graph, const TokenRows &rows,
                                        const PrefixInputs &inputs);

/// Returns for each output of the graph the axis along which it has a row for each token, or
/// nothing if it has none. Fails with a diagnostic if that is not known.
llvm::FailureOr<llvm::SmallVector<std::optional<unsigned>>>
findTokenAxes(onnx::GraphOp graph, const TokenRows &rows, const PrefixInputs &inputs);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_LONGERSEQUENCE_H
