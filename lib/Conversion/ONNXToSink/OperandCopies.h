//===- OperandCopies.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operands of a sink op that no value before it holds. Recognition makes them by new ops, which are
// marked, stand before the sink op and vanish if its form comes back.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_OPERANDCOPIES_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_OPERANDCOPIES_H

#include "Raise.h"

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/IR/Parts.h"

namespace basin::onnx {

/// Computes values of an idiom again, outside of it. Such a value may depend on shapes of inner
/// values, which are found as those of the idiom's arguments, but on nothing else from inside.
class OperandCopies {
public:
  explicit OperandCopies(const Idiom &idiom) : idiom(idiom) {}

  /// Returns whether the value is computed inside the idiom, or after an inner value.
  bool isFromInside(mlir::Value value) const;
  /// Returns whether the value can be computed from what stands before the idiom.
  bool canCopy(mlir::Value value);
  /// Computes the value at `b`'s insertion point. It must be one that can be copied.
  mlir::Value copy(mlir::Value value, mlir::OpBuilder &b);

private:
  struct Size {
    std::optional<int64_t> number;
    mlir::Value argument;
    int64_t axis = 0;
  };
  std::optional<llvm::SmallVector<Size>> findShape(ShapeOp shape) const;

  const Idiom &idiom;
  llvm::DenseMap<mlir::Value, mlir::Value> copies;
  llvm::DenseSet<mlir::Value> checked;
};

/// Makes sinks of `parts` what the op takes: turns `turnedRows` learned rows, whose elements are
/// [rows, kv heads, d], and makes logits [heads] of one number. Does neither without a number.
void makeSinks(sink::AttentionParts &parts, std::optional<int64_t> turnedRows,
               std::optional<double> sinkNumber, NodeBuilder &n);

/// Marks the ops between `before` (or the start of the block, if it is null) and `end` as made for
/// an operand.
void markMade(mlir::Operation *before, mlir::Operation *end);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_OPERANDCOPIES_H
