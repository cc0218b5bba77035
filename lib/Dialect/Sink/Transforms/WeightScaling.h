//===- WeightScaling.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Powers of two in weights: whether a weight can take them, in place or as a
// copy of its own for some of its uses.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTSCALING_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTSCALING_H

#include "StreamScaling.h"

namespace basin::sink {

/// A weight times 2^exponents, one a position of `axis`, or one for all.
struct WeightScale {
  mlir::Value weight;
  int64_t axis;
  llvm::SmallVector<int> exponents;
};

class WeightScaler {
public:
  /// Without a `bound` only exact products are made; else rounded ones too,
  /// whose error relative to the largest element of the same position is at most
  /// that.
  WeightScaler(ParameterNames &names, double bound) : names(names), bound(bound) {}

  /// Whether the weight can be changed so. Fails, with a diagnostic, where its
  /// data cannot be read, or its rounding errors exceed the bound.
  llvm::FailureOr<bool> canTake(const WeightScale &scale);
  /// Whether a copy is small enough: a vector along the axis.
  static bool isCopyable(const WeightScale &scale);

  llvm::LogicalResult change(const WeightScale &scale);
  /// The changed weight as a new value beside the old one; the same value for
  /// the same scale.
  llvm::FailureOr<mlir::Value> copy(const WeightScale &scale);

  /// The largest relative error of a weight that was rounded, and its name.
  double getLargestError() const { return largestError; }
  llvm::StringRef getLargestErrorName() const { return largestErrorName; }

private:
  /// The data of the changed weight; fails with a diagnostic.
  llvm::FailureOr<mlir::TypedAttr> makeScaled(const WeightScale &scale);

  ParameterNames &names;
  double bound, largestError = 0;
  std::string largestErrorName;
  struct Known {
    WeightScale scale;
    bool canTake;
    mlir::Value copy;
  };
  Known *findKnown(const WeightScale &scale);
  llvm::DenseMap<mlir::Value, llvm::SmallVector<Known, 1>> known;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTSCALING_H
