//===- Dims.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Dimensions as sizes or symbolic names, and the operations that shape rules need on them. Dims of
// equal names have equal sizes at run time. Dims of different names may or may not be equal.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_DIMS_H
#define BASIN_DIALECT_ONNX_IR_DIMS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin::onnx {

/// A static size, a symbolic one, or an unknown one (dynamic without a name).
struct Dim {
  int64_t size = mlir::ShapedType::kDynamic;
  mlir::StringAttr name;

  Dim() = default;
  Dim(int64_t size) : size(size) {}
  Dim(mlir::StringAttr name) : name(name) {}

  bool isStatic() const { return !mlir::ShapedType::isDynamic(size); }
  bool isSymbol() const { return !isStatic() && name; }
  bool isUnknown() const { return !isStatic() && !name; }
  bool is(int64_t value) const { return isStatic() && size == value; }
  /// Returns whether both are proven to have the same size at run time.
  bool provablyEquals(const Dim &other) const {
    return isStatic() ? size == other.size : name && name == other.name;
  }
};

using Dims = llvm::SmallVector<Dim, 4>;

/// What is known about a tensor. A null element type and missing dims are unknown.
struct TensorInfo {
  mlir::Type element;
  std::optional<Dims> dims;

  bool hasRank() const { return dims.has_value(); }
  int64_t rank() const { return dims->size(); }
  const Dim &operator[](size_t i) const { return (*dims)[i]; }
};

/// Returns what the type tells. Nothing is known about a null value or a value that is no tensor.
TensorInfo getTensorInfo(mlir::Type type);
TensorInfo getTensorInfo(mlir::Value value);

/// Returns the tensor type, or null if the element type is unknown.
mlir::Type makeTensorType(mlir::Type element, const std::optional<Dims> &dims);
inline mlir::Type makeTensorType(const TensorInfo &info) {
  return makeTensorType(info.element, info.dims);
}

/// Returns the size of two dims that broadcast together, or nothing if they cannot.
std::optional<Dim> broadcastDim(const Dim &a, const Dim &b);
std::optional<Dims> broadcastDims(llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b);

/// Merges two statements about one dim, or returns nothing if they contradict each other. If both
/// give a name, that of `a` stays.
std::optional<Dim> mergeDim(const Dim &a, const Dim &b);

/// Returns what is known about a dim that is either `a` or `b`.
Dim joinDim(const Dim &a, const Dim &b);

/// Merges two statements about one value, or returns null if they contradict each other. If both
/// name a dim, the name in `preferred` stays.
mlir::Type mergeTypes(mlir::Type preferred, mlir::Type other);

/// Returns what is known about a value that has either type, or null if that is nothing.
mlir::Type joinTypes(mlir::Type a, mlir::Type b);

/// Return a size if all dims are static, a dim as it is if all others are neutral (0 in a sum, 1 in
/// a product), and a name that spells the result if the names allow it (SizeSum.h). A product with
/// 0 is 0. Other results are unknown.
Dim addDims(const Dim &a, const Dim &b);
Dim multiplyDims(const Dim &a, const Dim &b);
Dim multiplyDims(llvm::ArrayRef<Dim> dims);
/// Returns `dim / divisor`, which is unknown unless it divides evenly.
Dim divideDim(const Dim &dim, int64_t divisor);

/// Prints dims as `[2, N, ?]` for diagnostics.
std::string toString(llvm::ArrayRef<Dim> dims);
std::string toString(const Dim &dim);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_DIMS_H
