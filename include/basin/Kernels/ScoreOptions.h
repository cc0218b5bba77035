//===- ScoreOptions.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What kernels do to the scores of attention before the softmax, and what its denominator has
// beside them. The fused kernel and the softmax between two products have the same options.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_SCOREOPTIONS_H
#define BASIN_KERNELS_SCOREOPTIONS_H

#include "mlir/IR/Types.h"

namespace basin::kernels {

/// The op `sink.attention` has the formulas. Query i stands at key i + diagonal. The diagonal is
/// keys - queries, or 0 if `topLeft`.
struct ScoreOptions {
  enum Mask { NoMask, Bias, Keep };

  /// The type of the tensors that every launch has; each family says which ones these are.
  mlir::Type type;
  /// The factor of the scores. What 0 stands for, the family says.
  double scale = 0;
  /// If it is not 0, scores become cap * tanh(score / cap).
  double softcap = 0;
  /// Query i does not see keys j > i + diagonal.
  bool causal = false;
  bool topLeft = false;
  /// Query i does not see keys with i + diagonal - j >= window, a scalar of the launch.
  bool window = false;
  /// Bias adds numbers of maskType to the scores. Keep hides keys where its i8 is 0.
  Mask mask = NoMask;
  mlir::Type maskType;
  /// If it is not 0, a key that a Keep mask hides has this score and not -inf. A row that
  /// hides every key then gives each its share. It cannot be combined with causal or window,
  /// which hide with -inf.
  double maskFill = 0;
  /// A row whose scores all are -inf gives NaN, as a Softmax does, instead of zeros.
  bool nanHiddenRows = false;
  /// Each batch has its own number of keys. Keys beyond it are never read.
  bool keyLengths = false;
  /// Each head has a logit in the denominator, which is not scaled. A null `sinkType` stands
  /// for f32.
  bool sinkLogit = false;
  mlir::Type sinkType;

  mlir::Type getSinkType() const;
};

} // namespace basin::kernels

#endif // BASIN_KERNELS_SCOREOPTIONS_H
