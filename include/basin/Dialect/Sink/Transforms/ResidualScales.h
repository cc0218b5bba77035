//===- ResidualScales.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_TRANSFORMS_RESIDUALSCALES_H
#define BASIN_DIALECT_SINK_TRANSFORMS_RESIDUALSCALES_H

#include "llvm/ADT/ArrayRef.h"

#include <vector>

namespace basin::sink {

/// Returns the exponents of the powers of two by which `sink-absorb-residual-sinks` divides the
/// dimensions of a stream, from the largest |x_j| of each dimension j: round(log2(a_j / median a)),
/// or 0 where that is negative, or where the median is zero. An a_j that is not finite is left out
/// of the median and gets 0.
std::vector<int> chooseResidualExponents(llvm::ArrayRef<double> largest);

} // namespace basin::sink

#endif // BASIN_DIALECT_SINK_TRANSFORMS_RESIDUALSCALES_H
