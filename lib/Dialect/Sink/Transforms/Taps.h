//===- Taps.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Taps: the places of a raised graph at which outliers are measured. What a tap
// is and how it is described: docs/statistics.md.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPS_H

#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

namespace basin::sink {

struct Tap {
  enum Kind { Residual, Projection, Norm, Attention };
  Kind kind;
  /// The stream's value, a projection's input, or the first result of `op`.
  mlir::Value value;
  /// The norm or the attention; a norm that adds a residual itself where its sum
  /// is a tap and no result.
  mlir::Operation *op = nullptr;
  /// Number of the layer, the embedding's 0.
  unsigned layer = 0;
  llvm::StringRef place;
  /// The number of the residual stream that is measured, or that the norm reads.
  std::optional<unsigned> stream;
  /// Of a projection: what reads it, and the matrices.
  llvm::SetVector<llvm::StringRef> roles;
  llvm::SmallVector<mlir::Value> weights;
  /// Of a projection's input of integers: what makes floats of them.
  mlir::Value scale = {}, zeroPoint = {};
};

llvm::StringRef toString(Tap::Kind kind);

/// The taps of the graph and its subgraphs, by block: residual streams first,
/// then projections, norms and attention, each in program order.
llvm::MapVector<mlir::Block *, llvm::SmallVector<Tap>> findTaps(mlir::ModuleOp module);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPS_H
