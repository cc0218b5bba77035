//===- NormRoot.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Declares the middle of every norm that is written out: from the mean of squares to the op that
// scales by the root, over any axes.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_NORMROOT_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_NORMROOT_H

#include "Leaves.h"
#include "Miss.h"

namespace basin::onnx {

struct NormRoot {
  /// The Div or Mul that scales, and the value that it scales.
  mlir::Operation *scaling = nullptr;
  mlir::Value scaled;
  double epsilon = 0;
  /// The Add of epsilon, or null if there is none.
  mlir::Operation *epsilonOp = nullptr;
  /// The ops from the mean to the one that scales.
  Ops inside;
};

/// Matches v / sqrt(m + eps), anchored at the op whose result is m. No value in between may be
/// used elsewhere.
MatchResult<NormRoot> matchNormRoot(mlir::Operation *mean);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_NORMROOT_H
