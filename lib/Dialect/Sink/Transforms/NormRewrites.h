//===- NormRewrites.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What rewrites of norms share: which norms an option names, new parameters, and changes to a
// norm's pre-affine vector and its eps, both in the op and in its form.
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

/// Returns the name by which users know a norm's parameters: that of its weight, without the word
/// for weights, or that of its result.
llvm::StringRef getNormStem(NormInterface norm);

/// Returns the norms that the option `norms` names, in program order: "residual" for the readers of
/// a residual stream, "all", or a pattern of stems and names of results. Fails with a diagnostic if
/// no norm has such a name, and warns, with `nothing` as the outcome, if there is no norm.
llvm::FailureOr<llvm::SmallVector<NormInterface>>
chooseNorms(mlir::ModuleOp module, llvm::StringRef norms, llvm::StringRef nothing);

/// Makes a parameter of the norm's graph, named after the norm, of `values` or of one for all
/// elements, rounded to the type.
mlir::Value makeNormParameter(NormInterface norm, llvm::StringRef part, mlir::RankedTensorType type,
                              llvm::ArrayRef<double> values, ParameterNames &names);

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
