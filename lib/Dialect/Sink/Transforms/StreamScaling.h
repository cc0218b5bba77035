//===- StreamScaling.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Divides residual streams by powers of two. Several passes share it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMSCALING_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMSCALING_H

#include "NormRewrites.h"

#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

#include <memory>

namespace basin::sink {

/// Refuses a value of the option 'inexact' that is no relative error.
llvm::LogicalResult checkInexact(mlir::ModuleOp module, double inexact);

/// Plans the division of streams by 2^exponents, then does it.
class StreamScaler {
public:
  /// If `bound` is above zero, weights may be rounded, with at most that relative error.
  StreamScaler(mlir::ModuleOp module, ParameterNames &names, double bound);
  ~StreamScaler();

  /// Plans to divide the dimensions of `stream` by 2^exponents, one for each dimension or one for
  /// all. The norms that read the stream undo it by pre-affine vectors. With `intoEpsilon` there
  /// is one exponent, and the norms' eps takes it.
  llvm::LogicalResult plan(const ResidualStream &stream, llvm::ArrayRef<int> exponents,
                           bool intoEpsilon);

  llvm::LogicalResult apply();

  /// These return how many weights took a factor, themselves or as a copy, and how many
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
  bool addPackedParts(Writer &task, mlir::Value value);
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
  llvm::FailureOr<bool> restoreQuantized(const Reader &reader);
  llvm::LogicalResult limit(const Limit &limit);
  llvm::FailureOr<mlir::Value> makeProduct(mlir::OpBuilder &b, mlir::Value value,
                                           llvm::ArrayRef<int> exponents, llvm::StringRef suffix);

  struct State;
  std::unique_ptr<State> state;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMSCALING_H
