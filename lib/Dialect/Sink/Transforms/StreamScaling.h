//===- StreamScaling.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Dividing residual streams by powers of two, shared by the passes that do.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMSCALING_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMSCALING_H

#include "basin/Analysis/ResidualStreams.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <memory>

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

/// A norm's pre-affine operand, null without one; its weight and bias.
mlir::Value getPreAffine(mlir::Operation *norm);
mlir::Value getNormWeight(mlir::Operation *norm);
mlir::Value getNormBias(mlir::Operation *norm);
/// Size of the normalized axis; nothing if it is not static.
std::optional<int64_t> getNormDim(mlir::Operation *norm);

/// Gives the norm the pre-affine vector 2^exponents, a new parameter, or
/// multiplies the one it has.
llvm::LogicalResult setPreAffine(mlir::Operation *norm, llvm::ArrayRef<int> exponents,
                                 ParameterNames &names);

/// Multiplies the norm's eps by 2^exponent, in the op and in its form; refuses,
/// with a diagnostic, where it would leave its type's normal range.
llvm::LogicalResult scaleEpsilon(mlir::Operation *norm, int exponent);

/// Plans, then does, the division of streams by 2^exponents.
class StreamScaler {
public:
  /// A `bound` above zero lets weights be rounded, with at most that relative
  /// error.
  StreamScaler(mlir::ModuleOp module, ParameterNames &names, double bound);
  ~StreamScaler();

  /// Divides the dimensions of `stream` by 2^exponents (one a dimension, or one
  /// for all). The readers' norms take it as pre-affine vectors, or, where
  /// `intoEpsilon` (then there is one exponent), in their eps.
  llvm::LogicalResult plan(const ResidualStream &stream, llvm::ArrayRef<int> exponents,
                           bool intoEpsilon);

  llvm::LogicalResult apply();

private:
  struct Part;
  struct Writer;
  struct Reader;
  struct Head;
  struct Limit;
  using Exponents = llvm::SmallVector<int>;
  enum class Way { Change, Copy, None };

  llvm::LogicalResult planWriter(const StreamWriter &writer, llvm::ArrayRef<int> exponents);
  bool addParts(Writer &task, const StreamWriter &writer);
  bool addPart(Writer &task, mlir::OpOperand &use, int64_t axis);
  void planHeads(mlir::Value table, llvm::ArrayRef<int> exponents);
  llvm::LogicalResult chooseFolds();
  llvm::FailureOr<Way> chooseWay(mlir::Value weight, llvm::ArrayRef<Part *> parts);
  llvm::LogicalResult fold(mlir::Value weight, Way way, llvm::ArrayRef<Part *> parts);
  llvm::LogicalResult compensate(const Head &head);
  llvm::LogicalResult write(const Writer &task);
  bool scaleFactor(mlir::Value value, llvm::ArrayRef<int> exponents);
  llvm::LogicalResult scaleVector(mlir::Operation *norm, llvm::ArrayRef<int> exponents);
  llvm::LogicalResult readNorm(const Reader &reader);
  llvm::LogicalResult restore(const Reader &reader);
  llvm::LogicalResult limit(const Limit &limit);
  llvm::FailureOr<mlir::Value> makeProduct(mlir::OpBuilder &b, mlir::Value value,
                                           llvm::ArrayRef<int> exponents, llvm::StringRef suffix);

  struct State;
  std::unique_ptr<State> state;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMSCALING_H
