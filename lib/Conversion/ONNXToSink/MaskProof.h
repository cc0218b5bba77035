//===- MaskProof.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Proves between which distances a mask lets a query see a key. MaskIndex.cpp has the positions
// that masks compare, MaskAnalysis.cpp what they make of the comparisons, and MaskOwnKey.cpp
// whether a query certainly sees the key of its own position.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_MASKPROOF_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_MASKPROOF_H

#include "Matchers.h"

namespace basin::onnx {

/// At most so many ops are visited for one mask, because a graph can have far more paths than ops.
inline constexpr unsigned kMaskBudget = 4096;
inline constexpr unsigned kMaskDepth = 24;

/// Positions that count up by one along one axis. A Range makes them, with `limit` as its end.
struct PositionIndex {
  /// The first position, or null if it is 0.
  mlir::Value offset;
  mlir::Value limit;
  /// The axis, counted from the end: -1 for keys, -2 for queries.
  int64_t axis = 0;
  /// Whether the offset was added to what the Range counts from 0. Otherwise the Range starts
  /// from it.
  bool isShifted = false;
};

class MaskProof {
public:
  MaskProof(KeyCount keys, double scale, const Dim &queries)
      : keys(keys), scale(scale), queries(queries) {}

  MaskBounds bound(mlir::Value value, sink::MaskKind kind, unsigned depth = kMaskDepth);
  /// Returns whether each query provably sees the key of its own position. There must be at least
  /// as many keys as queries.
  bool showsOwn(mlir::Value value, sink::MaskKind kind, unsigned depth = kMaskDepth);

private:
  /// `sign` times a key's index less a query's, plus `constant`.
  struct Distance {
    std::optional<PositionIndex> key, query;
    int64_t keySign = 0, querySign = 0, constant = 0;
  };

  MaskBounds boundBoolean(mlir::Operation *op, sink::MaskKind kind, unsigned depth);
  MaskBounds boundAdditive(mlir::Operation *op, unsigned depth);
  MaskBounds boundTrilu(TriluOp trilu, sink::MaskKind kind) const;
  MaskBounds boundTable(mlir::Value value, sink::MaskKind kind) const;
  MaskBounds compare(mlir::Value a, mlir::Value b, bool isStrict);
  bool hides(mlir::Value value) const;
  bool showsOwnFlag(mlir::Operation *op, sink::MaskKind kind, unsigned depth);
  bool showsOwnSummand(mlir::Operation *op, unsigned depth);
  bool showsDiagonal(mlir::Value table, sink::MaskKind kind) const;
  bool showsOwnInTriangle(TriluOp trilu, sink::MaskKind kind, unsigned depth);
  mlir::Value matchLastRows(mlir::Value value) const;

  std::optional<Distance> matchDistance(mlir::Value value, unsigned depth);
  bool areAligned(const PositionIndex &key, const PositionIndex &query) const;
  std::optional<int64_t> findGap(const PositionIndex &key, const PositionIndex &query) const;
  std::optional<PositionIndex> matchIndex(mlir::Value value, unsigned depth);
  std::optional<PositionIndex> matchShifted(AddOp add, unsigned depth);
  std::optional<PositionIndex> matchUnsqueezed(UnsqueezeOp op, unsigned depth);
  std::optional<PositionIndex> matchLookup(GatherNDOp gather, unsigned depth);

  KeyCount keys;
  /// What an additive mask is multiplied by.
  double scale;
  /// The number of queries, if it is known.
  Dim queries;
  /// The number of Slices around the value that is visited.
  unsigned numSlices = 0;
  unsigned budget = kMaskBudget;
};

/// Skips casts and Expands, which leave alone which key and query an element belongs to.
mlir::Value skipMaskViews(mlir::Value value, sink::MaskKind kind);
/// Returns the opposite kind of flags.
sink::MaskKind negateMask(sink::MaskKind kind);
/// Returns whether an op moves no element along the last two axes.
bool keepsLastAxes(mlir::Operation *op);
/// If `value` is a Slice of a square's rows a..b and columns 0..b, returns the square. Returns
/// `value` if it is no Slice, and null if it is another Slice.
mlir::Value matchTriangleSlices(mlir::Value value);

/// Skips ops around a scalar that keep its value.
mlir::Value skipScalarViews(mlir::Value value);
/// Returns whether both scalars are certainly the same number.
bool isSameCount(mlir::Value a, mlir::Value b);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_MASKPROOF_H
