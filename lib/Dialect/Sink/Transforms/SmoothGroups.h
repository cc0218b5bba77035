//===- SmoothGroups.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The groups of `sink-smooth`: a value, the matrix products that multiply it, and the weights that
// it is proportional to.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_SMOOTHGROUPS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_SMOOTHGROUPS_H

#include "ChannelOrigin.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/GlobPattern.h"

namespace basin::sink {

class ParameterNames;

/// A product that multiplies the value of a group by a stored matrix.
struct SmoothProduct {
  /// The product's operand, which is the value or a view of it.
  mlir::OpOperand *input;
  /// The rows of the matrix.
  WeightPart matrix;
};

struct SmoothGroup {
  /// The value, before views and casts. Its last axis has the channels.
  mlir::Value value;
  /// The name of the value, and those of the views of it that products read.
  llvm::SmallVector<llvm::StringRef> names;
  int64_t channels = 0;
  llvm::SmallVector<SmoothProduct> products;
  /// The weights that take the inverse factors, or why there are none.
  ChannelOrigin origin;
  WhyNot whyNotFolded;
  /// Why not even a product by the inverse factors could be inserted.
  WhyNot whyNot;

  /// For each channel, the first channel whose factor it must have.
  llvm::SmallVector<int64_t> getTies() const;
};

/// Returns the groups whose value `names` matches, in program order. Only the main graph has some.
llvm::SmallVector<SmoothGroup, 0> findSmoothGroups(mlir::ModuleOp module,
                                                   const llvm::GlobPattern &names);

/// Adds the products that read the group's value, over views and casts, and sets `whyNotFolded` if
/// something else reads it. The value and the number of channels are given.
void addProducts(SmoothGroup &group);

/// A part of a weight, and the factor of each position of its axis.
struct FactorPart {
  RoleUses uses;
  int64_t axis;
  llvm::SmallVector<double> factors;
};

/// Multiplies the weights of all parts, or returns why one cannot be multiplied and changes none.
/// A weight with other uses is copied if it is a vector. Unless it `rounds`, factors are powers of
/// two and products exact.
WhyNot multiplyWeights(llvm::ArrayRef<FactorPart> parts, bool rounds, ParameterNames &names);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_SMOOTHGROUPS_H
