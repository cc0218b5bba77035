//===- ShapeRuleSupport.h ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the shape rules share: reading attributes and operands, and the
// diagnostics for operands that contradict each other.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULESUPPORT_H
#define BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULESUPPORT_H

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"

namespace basin::onnx::infer {

using Ints = llvm::SmallVector<int64_t>;

/// What is known of operand `index`; nothing of one that is absent.
inline TensorInfo getInput(mlir::Operation *op, unsigned index) {
  return getTensorInfo(getInputOrNull(op, index));
}

/// Sets the type of result `index` if the node has that result.
void setResult(mlir::Operation *op, Types &types, unsigned index, const TensorInfo &info);

/// An integer attribute, or `otherwise`.
int64_t getIntAttr(mlir::Operation *op, llvm::StringRef name, int64_t otherwise);

/// A list that old opsets keep in an attribute and newer ones in an operand.
struct IntList {
  bool present = false;
  std::optional<Ints> values;  // missing where the operand is no constant
  std::optional<int64_t> size; // may be known even then
};
IntList getIntList(mlir::Operation *op, llvm::StringRef attr, unsigned operand);

/// `axis` counted from the front; fails, with a diagnostic, outside `rank`.
llvm::FailureOr<int64_t> normalizeAxis(mlir::Operation *op, int64_t axis, int64_t rank);
/// All of them; fails on repeated ones as well.
llvm::FailureOr<Ints> normalizeAxes(mlir::Operation *op, llvm::ArrayRef<int64_t> axes,
                                    int64_t rank);

/// The element type that operands `first` to `last` share; null if none is
/// known. Fails if two differ.
llvm::FailureOr<mlir::Type> getCommonElement(mlir::Operation *op, unsigned first, unsigned last);

/// Both dims merged; fails if they are static and differ. `what` names them.
llvm::FailureOr<Dim> requireEqual(mlir::Operation *op, const Dim &a, const Dim &b,
                                  const llvm::Twine &what);

/// The broadcast shape of operands; missing where a rank is unknown.
llvm::FailureOr<std::optional<Dims>> broadcastAll(mlir::Operation *op,
                                                  llvm::ArrayRef<TensorInfo> operands);

/// Fails unless `info`'s rank is unknown or `rank`.
llvm::LogicalResult requireRank(mlir::Operation *op, const TensorInfo &info, int64_t rank,
                                const llvm::Twine &what);

} // namespace basin::onnx::infer

#endif // BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULESUPPORT_H
