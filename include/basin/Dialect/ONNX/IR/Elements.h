//===- Elements.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the elements of small constant tensors as numbers.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ELEMENTS_H
#define BASIN_DIALECT_ONNX_IR_ELEMENTS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin::onnx {

/// Returns the elements attribute of an `onnx.Constant` or `onnx.initializer`, or null for any
/// other value. A Constant's `value_ints` and similar attributes become a `dense`.
mlir::Attribute getConstantAttr(mlir::Value value);

/// Returns the type of a constant's elements attribute, or null if it has none.
mlir::RankedTensorType getElementsType(mlir::Attribute value);

/// Returns the elements of bool or integer type. Returns nothing for other types, for more than
/// `maxElements`, or if an element does not fit. `from` is any op inside the module.
std::optional<llvm::SmallVector<int64_t>>
readIntElements(mlir::Attribute value, mlir::Operation *from, size_t maxElements);

/// Returns the elements of any real or integer type, or nothing as above.
std::optional<llvm::SmallVector<double>>
readFloatElements(mlir::Attribute value, mlir::Operation *from, size_t maxElements);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_ELEMENTS_H
