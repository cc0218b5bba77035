//===- ShapeRuleSupport.h ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Functions that shape rules share. They read attributes and operands, and report operands that
// contradict each other.
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

/// Returns what is known about operand `index`, which is nothing if it is absent.
inline TensorInfo getInput(mlir::Operation *op, unsigned index) {
  return getTensorInfo(getInputOrNull(op, index));
}

/// Sets the type of result `index` if the node has that result.
void setResult(mlir::Operation *op, Types &types, unsigned index, const TensorInfo &info);

/// Returns an integer attribute, or `otherwise` if it is absent.
int64_t getIntAttr(mlir::Operation *op, llvm::StringRef name, int64_t otherwise);

/// A list that is an attribute in old opsets and an operand in newer ones.
struct IntList {
  bool present = false;
  std::optional<Ints> values;  // nothing if the operand is no constant
  std::optional<int64_t> size; // may be known even then
};
IntList getIntList(mlir::Operation *op, llvm::StringRef attr, unsigned operand);

/// Returns `axis` counted from the front. Fails with a diagnostic if `rank` dims do not have it.
llvm::FailureOr<int64_t> normalizeAxis(mlir::Operation *op, int64_t axis, int64_t rank);
/// Normalizes each axis, and also fails if one is repeated.
llvm::FailureOr<Ints> normalizeAxes(mlir::Operation *op, llvm::ArrayRef<int64_t> axes,
                                    int64_t rank);

/// Returns the element type that operands `first` to `last` share, or null if none is known. Fails
/// if two differ.
llvm::FailureOr<mlir::Type> getCommonElement(mlir::Operation *op, unsigned first, unsigned last);

/// Merges both dims. Fails if they are static and differ, with a message that calls them `what`.
llvm::FailureOr<Dim> requireEqual(mlir::Operation *op, const Dim &a, const Dim &b,
                                  const llvm::Twine &what);

/// Returns the shape to which the operands broadcast, or nothing if a rank is unknown.
llvm::FailureOr<std::optional<Dims>> broadcastAll(mlir::Operation *op,
                                                  llvm::ArrayRef<TensorInfo> operands);

/// Fails unless the rank of `info` is unknown or equal to `rank`.
llvm::LogicalResult requireRank(mlir::Operation *op, const TensorInfo &info, int64_t rank,
                                const llvm::Twine &what);

} // namespace basin::onnx::infer

#endif // BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULESUPPORT_H
