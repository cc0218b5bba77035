//===- OtherNormParts.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Declares what the matchers of other norms share.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_OTHERNORMPARTS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_OTHERNORMPARTS_H

#include "Leaves.h"

#include "basin/Conversion/ONNXToSink/OtherNorms.h"

namespace basin::onnx {

/// Describes an operator that is a norm by itself. Returns nothing for others, and for a norm over
/// the last axis, which a sink op is.
std::optional<OtherNorm> describeNormOperator(mlir::Operation *op);

/// Returns the axes from `first` up to the last of `value`, or nothing if its rank is not known.
std::optional<llvm::SmallVector<int64_t>> getAxesFrom(mlir::Value value, int64_t first);

/// If `norm` normalizes a value that a Reshape made of another one, in which the channels of each
/// group stand apart, and a Reshape gives its result the first shape again, makes it the
/// group_norm of the first value.
void takeGroups(OtherNorm &norm, mlir::Value input);

/// Moves the result of `norm` over the product with a constant weight and the sum with a constant
/// bias. Returns the weight, or null if there is none.
mlir::Value takeAffine(OtherNorm &norm);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_OTHERNORMPARTS_H
