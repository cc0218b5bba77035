//===- NormRewrites.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What rewrites change of a norm: its pre-affine vector and its eps, in the op and
// in its form alike.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_NORMREWRITES_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_NORMREWRITES_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace basin::sink {

/// Names for new parameters, unique among the names of the module's values.
class ParameterNames {
public:
  explicit ParameterNames(mlir::ModuleOp module);
  std::string make(llvm::StringRef wanted);

private:
  llvm::StringSet<> used;
  /// The last number that made a name unique.
  llvm::StringMap<unsigned> counts;
};

/// Size of the normalized axis; nothing if it is not static.
std::optional<int64_t> getNormDim(NormInterface norm);

/// Gives the norm the pre-affine vector 2^exponents, a new parameter, or
/// multiplies the one it has.
llvm::LogicalResult setPreAffine(NormInterface norm, llvm::ArrayRef<int> exponents,
                                 ParameterNames &names);

/// Multiplies the norm's eps by 2^exponent, in the op and in its form; refuses,
/// with a diagnostic, where it would leave its type's normal range.
llvm::LogicalResult scaleEpsilon(NormInterface norm, int exponent);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_NORMREWRITES_H
