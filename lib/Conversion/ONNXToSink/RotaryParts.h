//===- RotaryParts.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The halves of a rotated value, or the even and odd elements of its pairs, in the ways in which
// they are taken apart and put together.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_ROTARYPARTS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_ROTARYPARTS_H

#include "Leaves.h"

namespace basin::onnx {

/// Elements start, start + step, ... of the last axis of `source`, which has `width` elements.
struct RotaryPart {
  mlir::Value source;
  int64_t start = 0, step = 1, length = 0, width = 0;
};

/// Matches a Slice, an output of a Split in two, or one of two elements of a new last axis that a
/// Reshape makes for the pairs (or for the halves, before the last axis).
std::optional<RotaryPart> matchRotaryPart(mlir::Value value, Ops &ops);

/// Returns whether the parts are the two halves of one value, or its even and odd elements.
bool isRotaryPair(const RotaryPart &a, const RotaryPart &b, bool &interleaved);

/// Returns v if `value` is -v, by Neg or by a factor of -1. Returns null otherwise.
mlir::Value matchNegated(mlir::Value value, Ops &ops);

/// Returns v if `value` is v with a new last axis of size 1. Returns null otherwise.
mlir::Value matchStacked(mlir::Value value, Ops &ops);

/// Returns the result of the Reshape that puts stacked pairs side by side again, or null if none
/// does. Others may only read the shape of the stacked pairs.
mlir::Value matchUnstacked(mlir::Value value, Ops &ops);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_ROTARYPARTS_H
