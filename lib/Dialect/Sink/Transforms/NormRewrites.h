//===- NormRewrites.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Changes that rewrites make to a norm: to its pre-affine vector and its eps, both in the op and
// in its form.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_NORMREWRITES_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_NORMREWRITES_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/GlobPattern.h"

#include <random>

namespace basin::sink {

/// Makes names for new parameters, unique among the names of the module's values.
class ParameterNames {
public:
  explicit ParameterNames(mlir::ModuleOp module);
  std::string make(llvm::StringRef wanted);

private:
  llvm::StringSet<> used;
  /// The last number that made a name unique.
  llvm::StringMap<unsigned> counts;
};

/// Fails with a diagnostic if the op, which `what` names, stands in a function.
llvm::LogicalResult checkHasParameters(mlir::Operation *op, const llvm::Twine &what);

/// Returns a pattern of names, or that of all for "all". Fails with a diagnostic that names the
/// option and the words that it takes besides a pattern.
llvm::FailureOr<llvm::GlobPattern> parsePattern(mlir::ModuleOp module, llvm::StringRef option,
                                                llvm::StringRef value, llvm::StringRef words);

/// Returns normal numbers of variance 1/dim, which are the same for a seed in each implementation
/// of the standard library.
llvm::SmallVector<double> drawNormal(std::mt19937_64 &generator, int64_t count, int64_t dim);

/// Returns the size of the normalized axis, or nothing if it is not static.
std::optional<int64_t> getNormDim(NormInterface norm);

/// Gives the norm the pre-affine vector 2^exponents, a new parameter, or
/// multiplies the one it has.
llvm::LogicalResult setPreAffine(NormInterface norm, llvm::ArrayRef<int> exponents,
                                 ParameterNames &names);

/// Multiplies the norm's eps by 2^exponent, in the op and in its form. Fails with a diagnostic if
/// the eps would leave its type's normal range.
llvm::LogicalResult scaleEpsilon(NormInterface norm, int exponent);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_NORMREWRITES_H
