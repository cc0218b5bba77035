//===- Dims.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Dimensions as sizes or symbolic names, and what shape rules do with them.
// Equal names are equal sizes at run time; two different names say nothing
// about each other.
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
  /// Whether both are the same size at run time for certain.
  bool provablyEquals(const Dim &other) const {
    return isStatic() ? size == other.size : name && name == other.name;
  }
};

using Dims = llvm::SmallVector<Dim, 4>;

/// What is known of a tensor: a null element type and a missing shape are
/// unknown.
struct TensorInfo {
  mlir::Type element;
  std::optional<Dims> dims;

  bool hasRank() const { return dims.has_value(); }
  int64_t rank() const { return dims->size(); }
  const Dim &operator[](size_t i) const { return (*dims)[i]; }
};

/// Nothing is known of a null value or one that is no tensor.
TensorInfo getTensorInfo(mlir::Type type);
TensorInfo getTensorInfo(mlir::Value value);

/// The tensor type; null if the element type is unknown.
mlir::Type makeTensorType(mlir::Type element, const std::optional<Dims> &dims);
inline mlir::Type makeTensorType(const TensorInfo &info) {
  return makeTensorType(info.element, info.dims);
}

/// The size of two dims that broadcast together; nothing if they cannot.
std::optional<Dim> broadcastDim(const Dim &a, const Dim &b);
std::optional<Dims> broadcastDims(llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b);

/// Two statements about one dim; nothing if they contradict. Where both give a
/// name, the first stays.
std::optional<Dim> mergeDim(const Dim &a, const Dim &b);

/// What holds whichever of the two it is.
Dim joinDim(const Dim &a, const Dim &b);

/// Two statements about one value; null if they contradict. `preferred` gives
/// the symbolic name where both have one.
mlir::Type mergeTypes(mlir::Type preferred, mlir::Type other);

/// What holds of a value that has either type; null if nothing does.
mlir::Type joinTypes(mlir::Type a, mlir::Type b);

/// Sums and products keep a size or a name where only neutral elements join it.
Dim addDims(const Dim &a, const Dim &b);
Dim multiplyDims(const Dim &a, const Dim &b);
Dim multiplyDims(llvm::ArrayRef<Dim> dims);
/// `dim / divisor`, unknown unless it divides evenly.
Dim divideDim(const Dim &dim, int64_t divisor);

/// `[2, N, ?]`, for diagnostics.
std::string toString(llvm::ArrayRef<Dim> dims);
std::string toString(const Dim &dim);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_DIMS_H
