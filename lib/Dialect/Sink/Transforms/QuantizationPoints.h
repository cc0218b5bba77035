//===- QuantizationPoints.h -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the projections of a raised graph: products of activations with constant matrices. What is
// computed from positions alone, such as the angles of rotary embeddings, is no activation.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZATIONPOINTS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZATIONPOINTS_H

#include "QuantizeWeights.h"

namespace basin::sink {

struct ProjectionPoint {
  mlir::Operation *op;
  ConstantMatrix matrix;
  /// The axis of the matrix that the product sums over.
  int64_t depthAxis;
  /// "qkv", "o", "up", "down" or "head", as taps have it.
  llvm::StringRef role;
  unsigned layer;
  /// The name of the result, which patterns and files use.
  std::string name;
  /// The name of the input before views, which statistics have.
  std::string measuredName;

  mlir::OpOperand &getInput() const { return op->getOpOperand(0); }
  mlir::OpOperand &getWeight() const { return op->getOpOperand(1); }
};

/// A product that is no point, and why.
struct SkippedProduct {
  std::string name, why;
};

struct ProjectionPoints {
  llvm::SmallVector<ProjectionPoint> points;
  llvm::SmallVector<SkippedProduct> skipped;
};

/// Finds the projections in program order. Those that write outputs of the graph (heads) are
/// skipped unless `takesHeads`.
ProjectionPoints findProjections(mlir::ModuleOp module, bool takesHeads);

/// An attention whose new keys and values can be quantized, and the sizes of their heads.
struct CachePlace {
  AttentionOp op;
  int64_t keyDim, valueDim;
};

/// Finds all attentions of the graph. Fails with a diagnostic if the keys or values of one cannot
/// be quantized.
llvm::LogicalResult findCaches(mlir::ModuleOp module, const quantization::Quantizer &quantizer,
                               llvm::SmallVector<CachePlace> &places);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZATIONPOINTS_H
