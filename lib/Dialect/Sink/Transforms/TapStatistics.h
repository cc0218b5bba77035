//===- TapStatistics.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds the reductions of a tap as onnx nodes. docs/statistics.md has their definitions, shapes
// and names.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPSTATISTICS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPSTATISTICS_H

#include "Taps.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/IR/AttentionScores.h"
#include "basin/Support/WhyNot.h"

namespace basin::sink {

/// The bins of abs(x). Bin b begins at 2^(first + b / octave).
struct HistogramBins {
  int64_t first = -24, octave = 4, count = 180;
};

struct StatisticsOptions {
  HistogramBins bins;
  int64_t sinkLength = 64, map = 64;
  double outlier = 6;
};

/// The tokens of a run, [B, T]. A value is null if the model has no such input.
struct Tokens {
  mlir::Value ids;
  /// The mask as the model takes it.
  mlir::Value maskInput;
  /// The mask as bool [B, T], false at padding.
  mlir::Value mask;
  /// The sizes of B and T; empty if they are not known.
  onnx::Dims dims;

  /// Whether the model has no other sequence, such as second ids, an encoder's states or an
  /// image. Then every axis that can be that of the tokens is that of the tokens.
  bool alone = true;

  /// Returns whether axes of these sizes can be those of some sequences.
  bool canBe(const onnx::Dim &batch, const onnx::Dim &sequence) const;
  /// Returns whether they are those of the tokens: the sizes are proven to be the same, or there
  /// is nothing else that they could be.
  bool are(const onnx::Dim &batch, const onnx::Dim &sequence) const;
  /// Returns whether axes of these sizes are proven to be the sequence and then the batch.
  bool areTurned(const onnx::Dim &sequence, const onnx::Dim &batch) const;
};

/// Returns the number of rows of the largest table that `ids` indexes, or 0 if it indexes none.
int64_t countTableRows(mlir::Value ids);

/// Returns the graph input of that name, or null if there is none.
mlir::Value findInput(onnx::GraphOp graph, llvm::StringRef name);

/// Finds the graph inputs of the ids and of their mask by the names given, or if these are empty by
/// the usual names and by what they index. Makes the mask of the tokens at the beginning of the
/// graph. Fails with a diagnostic if there is no input of a given name, of rank 2 and of a fitting
/// type.
mlir::LogicalResult findTokens(onnx::GraphOp graph, llvm::StringRef idsName,
                               llvm::StringRef maskName, Tokens &tokens);

struct TapStatistic {
  llvm::StringRef name;
  mlir::Value value;
  mlir::Type element;
  int64_t rank;
};
using Statistics = llvm::SmallVector<TapStatistic, 8>;

/// Returns `x` in f32. If it is narrow, it is multiplied by one before the Cast. On the CPU ONNX
/// Runtime emulates f16 by casts, and leaves out a rounding between two of its own operators but
/// not before a Cast of the model. A Cast that reads a value would therefore change what the
/// value's other readers get.
mlir::Value widen(onnx::NodeBuilder &n, mlir::Value x);

/// Returns the sums over the last axis but one of `rank`, which becomes 1: [.., T, C] -> [.., 1,
/// C]. ONNX Runtime's ReduceSum takes 30 times as long over this axis as a product with ones.
mlir::Value sumOverRows(onnx::NodeBuilder &n, mlir::Value x, int64_t rank);

class StatisticsBuilder {
public:
  StatisticsBuilder(onnx::NodeBuilder &n, const Tokens &tokens, const StatisticsOptions &options)
      : n(n), tokens(tokens), options(options), f32(n.getBuilder().getF32Type()) {}

  /// Returns whether the leading axes of the last tap were [B, T].
  bool isBatched() const { return batched; }
  /// Returns whether these axes, in an attention those of the keys, were the tokens'.
  bool isOfTokens() const { return ofTokens; }

  /// Each of these measures a tap. It returns why the tap cannot be measured, or nothing if `out`
  /// has its statistics.
  WhyNot residual(const Tap &tap, Statistics &out);
  WhyNot projection(const Tap &tap, Statistics &out);
  WhyNot norm(const Tap &tap, Statistics &out);
  /// `learned` is set to the number of learned columns. `given` are scores that the model computes.
  WhyNot attention(const Tap &tap, const GivenScores &given, Statistics &out, int64_t &learned);

private:
  /// The maxima over tokens [B, C], those of blocks of tokens [B, N, C], and the blocks
  /// [B, N, kBlock, C].
  struct ColumnMax {
    mlir::Value value, ofBlocks, blocks;
  };

  WhyNot view(mlir::Value value);
  mlir::Value magnitude();
  mlir::Value atTokens(mlir::Value x);
  mlir::Value countTokens();
  ColumnMax columnMax(mlir::Value magnitude);
  mlir::Value firstPosition(const ColumnMax &largest);
  mlir::Value columnSum(mlir::Value x) { return n.squeeze(sumOverRows(n, x, 3), {1}); }
  mlir::Value moments();
  mlir::Value histogram(mlir::Value magnitude);
  mlir::Value binOf(mlir::Value magnitude, int64_t shift);
  mlir::Value histogramByScatter(mlir::Value magnitude);
  mlir::Value histogramByThresholds(mlir::Value magnitude);
  mlir::Value normInput(NormInterface norm);
  void addBound(NormInterface norm, mlir::Value input, Statistics &out);
  mlir::Value ratio(mlir::Value sum, mlir::Value count);

  onnx::NodeBuilder &n;
  const Tokens &tokens;
  const StatisticsOptions &options;
  mlir::Type f32;

  // These are of the current tap: its tensor as [B, T, C] in f32, and the tokens that count,
  // [B, T, 1], which is null if all count.
  mlir::Value x, keep;
  bool batched = false, ofTokens = false;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPSTATISTICS_H
