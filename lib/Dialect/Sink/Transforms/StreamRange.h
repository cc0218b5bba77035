//===- StreamRange.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a division of a stream by powers of two leaves exact, as far as types,
// constants and exponents say.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMRANGE_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMRANGE_H

#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

namespace basin::sink {

/// Refuses a division of the stream by 2^exponents that takes ordinary values out
/// of a type's normal range, and warns, naming the norm or the value, where that
/// depends on the activations. With `squares` the norms square divided values.
llvm::LogicalResult checkStreamRange(const ResidualStream &stream, llvm::ArrayRef<int> exponents,
                                     bool squares);

/// The type in which a norm of a value of that type squares: that of its form's
/// mean of squares, the last one; f32 in fused operators and without a form, or
/// f64.
mlir::Type getSquareType(mlir::Operation *norm, mlir::Type valueType);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMRANGE_H
