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

#include "NormRewrites.h"

#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

#include <memory>

namespace basin::sink {

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

  /// How many weights took a factor, themselves or as a copy, and how many
  /// multiplications were inserted.
  unsigned getNumWeights() const;
  unsigned getNumProducts() const;

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
  llvm::LogicalResult scaleVector(NormInterface norm, llvm::ArrayRef<int> exponents);
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
