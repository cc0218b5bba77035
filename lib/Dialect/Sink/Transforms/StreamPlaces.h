//===- StreamPlaces.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The places at which residual streams are read, for rewrites that change what is read there. A
// member of the stream is read if something other than an addition to the stream, or an op that
// passes it on, uses it. So a sum of two branches that is added to the stream later is no place,
// nor is a branch. The read value is traced to the addition or the writer that it comes from, so
// that all of its uses see one change. A norm that adds a residual itself is taken apart, because
// the sum inside it is read there.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMPLACES_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMPLACES_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SetVector.h"

namespace basin::sink {

class StreamPlaces {
public:
  /// With `sumsOnly`, values that no addition makes, such as the embedding, are no places.
  explicit StreamPlaces(mlir::ModuleOp module, bool sumsOnly = false);

  /// Returns whether a residual stream was found.
  bool hasStreams() const { return foundStreams; }

  /// Fails with a diagnostic if a place stands in a function, if a norm cannot be taken apart, or
  /// if `check` fails, which is called with each value, or with a summand of the sum in a norm.
  /// `purpose` ends the sentence "expected opset 13 or later to ... the sum inside it".
  llvm::LogicalResult check(llvm::StringRef purpose,
                            llvm::function_ref<llvm::LogicalResult(mlir::Value)> check) const;

  /// Makes a value from the one at each place and its name. What read the place reads that value.
  using Change =
      llvm::function_ref<mlir::Value(mlir::Value value, llvm::StringRef name, mlir::OpBuilder &b)>;
  void replace(Change change);

private:
  /// Takes apart a norm that adds a residual, and changes the sum before it is normalized.
  void replaceInside(NormInterface norm, Change change);

  bool foundStreams = false;
  llvm::SetVector<mlir::Value> values;
  /// Norms whose sum is changed before they normalize it.
  llvm::SetVector<mlir::Operation *> norms;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMPLACES_H
