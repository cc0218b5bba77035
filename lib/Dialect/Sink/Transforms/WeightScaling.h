//===- WeightScaling.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Multiplies weights by powers of two. Finds out whether a weight can take them, in place or as a
// copy for some of its uses.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTSCALING_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_WEIGHTSCALING_H

#include "StreamScaling.h"

namespace basin::sink {

/// A weight times 2^exponents. There is one exponent for each position of `axis`, or one for all.
struct WeightScale {
  mlir::Value weight;
  int64_t axis;
  llvm::SmallVector<int> exponents;
};

/// Returns the name of a weight or a parameter.
llvm::StringRef getWeightName(mlir::Value weight);
/// Returns the data of a weight or a parameter, or null.
mlir::Attribute getWeightData(mlir::Value weight);
/// Gives a weight other data of its type. Data that was in a file of its own goes into one again.
void setWeightData(mlir::Value weight, mlir::TypedAttr data);
/// Returns a copy of a weight, which is no parameter, beside it, with that name and other data of
/// its type.
mlir::Value copyWeight(mlir::Value weight, mlir::TypedAttr data, llvm::StringRef name);

class WeightScaler {
public:
  /// If `bound` is 0, only exact products are made. Otherwise products may be rounded, with an
  /// error of at most `bound` relative to the largest element of the same position.
  WeightScaler(ParameterNames &names, double bound) : names(names), bound(bound) {}

  /// Returns whether the weight can take the scale. Fails with a diagnostic if its data cannot be
  /// read or its rounding errors exceed the bound.
  llvm::FailureOr<bool> canTake(const WeightScale &scale);
  /// Returns whether a copy is small enough: the weight is a vector along the axis.
  static bool isCopyable(const WeightScale &scale);

  llvm::LogicalResult change(const WeightScale &scale);
  /// Returns the changed weight as a new value beside the old one. For the same scale it is the
  /// same value.
  llvm::FailureOr<mlir::Value> copy(const WeightScale &scale);

  /// These return the largest relative error of a weight that was rounded, and its name.
  double getLargestError() const { return largestError; }
  llvm::StringRef getLargestErrorName() const { return largestErrorName; }

private:
  /// Makes the data of the changed weight. Fails with a diagnostic.
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
