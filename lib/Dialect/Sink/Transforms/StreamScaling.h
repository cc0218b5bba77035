//===- StreamScaling.h ----------------------------------------------*- C++ -*-===//
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

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

namespace basin::sink {

/// Names for new parameters, unique among the names of the module's values.
class ParameterNames {
public:
  explicit ParameterNames(mlir::ModuleOp module);
  std::string make(llvm::StringRef wanted);

private:
  llvm::StringSet<> used;
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
  StreamScaler(mlir::ModuleOp module, ParameterNames &names) : module(module), names(names) {}

  /// Divides the dimensions of `stream` by 2^exponents (one a dimension). The
  /// readers' norms take it as pre-affine vectors, or, where `intoEpsilon`
  /// (then all exponents are equal), in their eps.
  void plan(const ResidualStream &stream, llvm::ArrayRef<int> exponents, bool intoEpsilon);

  llvm::LogicalResult apply();

private:
  /// A change of a weight that covers `uses` of its uses; where the weight
  /// cannot change, `value` (or only `use`) gets an explicit multiplication.
  struct Fold {
    mlir::Value weight;
    int64_t axis;
    llvm::SmallVector<int> exponents;
    unsigned uses;
    mlir::Value value;
    mlir::OpOperand *use;
  };
  struct Reader {
    StreamReader reader;
    llvm::SmallVector<int> exponents;
    bool intoEpsilon;
  };

  void planWriter(const StreamWriter &writer, const ResidualStream &stream,
                  llvm::ArrayRef<int> exponents);
  void planTied(mlir::Value table, llvm::ArrayRef<int> exponents);
  bool canFold(llvm::ArrayRef<Fold> folds) const;
  llvm::LogicalResult compensate(mlir::OpOperand &input, llvm::ArrayRef<int> exponents,
                                 llvm::SmallVectorImpl<Fold> &changes);
  llvm::LogicalResult fold(const Fold &fold);
  llvm::LogicalResult multiply(const Fold &fold);
  llvm::LogicalResult read(const Reader &reader);
  llvm::FailureOr<mlir::Value> makeProduct(mlir::OpBuilder &b, mlir::Value value,
                                           llvm::ArrayRef<int> exponents, llvm::StringRef suffix);

  mlir::ModuleOp module;
  ParameterNames &names;
  llvm::MapVector<mlir::Value, llvm::SmallVector<Fold, 1>> folds;
  llvm::SmallVector<Fold> multiplications;
  /// Pre-affine vectors that take the factors.
  llvm::SmallVector<Fold> vectors;
  llvm::SmallVector<Reader> readers;
  /// The other factor of the head's product with a tied table.
  llvm::MapVector<mlir::Value, llvm::SmallVector<mlir::OpOperand *, 1>> tiedHeads;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMSCALING_H
