//===- ShapeValues.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Evaluates integer values that describe shapes, symbolically. Exporters of transformers compute
// the target of a Reshape from Shape, Gather, Slice, Concat and some arithmetic. A scalar is a list
// of one entry.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_SHAPEINFERENCE_SHAPEVALUES_H
#define BASIN_DIALECT_ONNX_SHAPEINFERENCE_SHAPEVALUES_H

#include "basin/Dialect/ONNX/IR/Dims.h"

namespace basin::onnx {

/// One integer. It is a constant, the size of a symbolic dim (which is never negative), or unknown.
struct ShapeEntry {
  std::optional<int64_t> constant;
  mlir::StringAttr symbol;

  ShapeEntry() = default;
  ShapeEntry(int64_t value) : constant(value) {}
  ShapeEntry(const Dim &dim) : symbol(dim.isSymbol() ? dim.name : mlir::StringAttr()) {
    if (dim.isStatic())
      constant = dim.size;
  }

  bool is(int64_t value) const { return constant == value; }
  bool isKnown() const { return constant || symbol; }
  bool operator==(const ShapeEntry &) const = default;
  /// Returns the entry as a dim. A negative constant is an unknown dim.
  Dim toDim() const {
    if (constant && *constant >= 0)
      return *constant;
    return symbol ? Dim(symbol) : Dim();
  }
};

using ShapeValue = llvm::SmallVector<ShapeEntry, 4>;

/// Returns the entries of a scalar or 1-D integer value, as far as the ops that compute it and
/// their types tell. Returns nothing if not even the number of entries is known.
std::optional<ShapeValue> evaluateShapeValue(mlir::Value value);

/// Returns the entries if all of them are constants.
std::optional<llvm::SmallVector<int64_t>> evaluateInts(mlir::Value value);

/// The start, step and length of a Slice after its bounds are clamped to `size` by ONNX's rules.
struct SliceBounds {
  int64_t start, step, length;
};
SliceBounds clampSlice(int64_t start, int64_t end, int64_t step, int64_t size);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_SHAPEINFERENCE_SHAPEVALUES_H
