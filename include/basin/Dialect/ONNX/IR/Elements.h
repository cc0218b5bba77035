//===- Elements.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The elements of small constant tensors as numbers.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ELEMENTS_H
#define BASIN_DIALECT_ONNX_IR_ELEMENTS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin::onnx {

/// The elements attribute of an `onnx.Constant` or `onnx.initializer`
/// (`value_ints` and its like as `dense`); null for any other value.
mlir::Attribute getConstantAttr(mlir::Value value);

/// The type of a constant's elements attribute; null if it has none.
mlir::RankedTensorType getElementsType(mlir::Attribute value);

/// Elements of bool and integer types; nothing for other types, for more than
/// `maxElements`, or where an element does not fit.
std::optional<llvm::SmallVector<int64_t>>
readIntElements(mlir::Attribute value, mlir::Operation *from, size_t maxElements);

/// Elements of any real type.
std::optional<llvm::SmallVector<double>>
readFloatElements(mlir::Attribute value, mlir::Operation *from, size_t maxElements);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_ELEMENTS_H
