//===- ShapeValues.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Integer values that describe shapes, evaluated symbolically: transformer
// exports compute a Reshape's target from Shape, Gather, Slice, Concat and a
// little arithmetic. A scalar is a list of one entry.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_SHAPEINFERENCE_SHAPEVALUES_H
#define BASIN_DIALECT_ONNX_SHAPEINFERENCE_SHAPEVALUES_H

#include "basin/Dialect/ONNX/IR/Dims.h"

namespace basin::onnx {

/// One integer: a constant, the size of a symbolic dim (never negative), or
/// unknown.
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
  /// As a size; a negative constant is unknown.
  Dim toDim() const {
    if (constant && *constant >= 0)
      return *constant;
    return symbol ? Dim(symbol) : Dim();
  }
};

using ShapeValue = llvm::SmallVector<ShapeEntry, 4>;

/// Entries of a 1-D or scalar integer value, as far as the types of the values
/// it is computed from tell; nothing if not even their number is known.
std::optional<ShapeValue> evaluateShapeValue(mlir::Value value);

/// The same where every entry is a constant.
std::optional<llvm::SmallVector<int64_t>> evaluateInts(mlir::Value value);

/// Start, end and step of a Slice, clamped to `size` as ONNX says.
struct SliceBounds {
  int64_t start, step, length;
};
SliceBounds clampSlice(int64_t start, int64_t end, int64_t step, int64_t size);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_SHAPEINFERENCE_SHAPEVALUES_H
