//===- Taps.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Taps are the places of a raised graph at which outliers are measured. docs/statistics.md says
// what a tap is and how it is described.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPS_H

#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

namespace basin::sink {

/// A product with a constant matrix, and what it is for.
struct TapProduct {
  mlir::Operation *op;
  mlir::Value weight;
  llvm::StringRef role;
};

struct Tap {
  enum Kind { Residual, Projection, Norm, Attention };
  Kind kind;
  /// The stream's value, a projection's input, or the first result of `op`.
  mlir::Value value;
  /// The norm or the attention. For a residual stream, a norm that adds the residual itself and
  /// whose sum is no result.
  mlir::Operation *op = nullptr;
  /// The number of the layer; the embedding's is 0.
  unsigned layer = 0;
  llvm::StringRef place;
  /// The number of the residual stream that is measured, or that the norm reads.
  std::optional<unsigned> stream;
  /// A projection's roles, and the products that multiply its value.
  llvm::SetVector<llvm::StringRef> roles;
  llvm::SmallVector<TapProduct> products;
  /// The scale and zero point that make floats of a projection's input of integers.
  mlir::Value scale = {}, zeroPoint = {};
};

constexpr Tap::Kind kTapKinds[] = {Tap::Residual, Tap::Projection, Tap::Norm, Tap::Attention};

llvm::StringRef toString(Tap::Kind kind);

/// Finds the taps of the graph and its subgraphs, by block: residual streams first, then
/// projections, norms and attention, each in program order.
llvm::MapVector<mlir::Block *, llvm::SmallVector<Tap>> findTaps(mlir::ModuleOp module);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPS_H
