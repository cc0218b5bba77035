//===- ShapeArithmetic.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arithmetic on entries of shape values. A result is unknown unless it holds for every size that a
// symbol may stand for.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPEARITHMETIC_H
#define BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPEARITHMETIC_H

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"

namespace basin::onnx {

ShapeEntry addEntries(const ShapeEntry &a, const ShapeEntry &b);
ShapeEntry subtractEntries(const ShapeEntry &a, const ShapeEntry &b);
ShapeEntry multiplyEntries(const ShapeEntry &a, const ShapeEntry &b);
ShapeEntry divideEntries(const ShapeEntry &a, const ShapeEntry &b);
ShapeEntry maxEntries(const ShapeEntry &a, const ShapeEntry &b);
ShapeEntry minEntries(const ShapeEntry &a, const ShapeEntry &b);
ShapeEntry compareEqual(const ShapeEntry &a, const ShapeEntry &b);
ShapeEntry compareGreater(const ShapeEntry &a, const ShapeEntry &b);
ShapeEntry select(const ShapeEntry &condition, const ShapeEntry &yes, const ShapeEntry &no);

} // namespace basin::onnx

#endif // BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPEARITHMETIC_H
