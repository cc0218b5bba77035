//===- StreamRange.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks which values a division of a stream by powers of two leaves exact, as far as types,
// constants and exponents tell.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMRANGE_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMRANGE_H

#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

namespace basin::sink {

/// Checks a division of the stream by 2^exponents. Fails if it takes ordinary values out of a
/// type's normal range. If that depends on the activations, it warns and names the norm or the
/// value. With `squares` the norms square divided values.
llvm::LogicalResult checkStreamRange(const ResidualStream &stream, llvm::ArrayRef<int> exponents,
                                     bool squares);

/// Returns the type in which a norm of a value of type `valueType` squares: that of the last mean
/// of squares in its form. Fused operators, and norms without a form, square in f32, or in f64 if
/// that is the value's type.
mlir::Type getSquareType(mlir::Operation *norm, mlir::Type valueType);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMRANGE_H
