//===- OtherNorms.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the normalizations that no sink op is: over other axes than the last one, in groups, over
// the batch, or by another measure than the root of a mean.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_ONNXTOSINK_OTHERNORMS_H
#define BASIN_CONVERSION_ONNXTOSINK_OTHERNORMS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin {

struct OtherNorm {
  /// layer_norm, rms_norm, group_norm, instance_norm, batch_norm, l2_norm or l1_norm.
  llvm::StringRef kind = {};
  /// The op that recognition anchors at, and the result of the norm, behind its weight and bias.
  mlir::Operation *anchor = nullptr;
  mlir::Value result = {};
  /// The axes of the input over which it takes its statistics. Empty if they are constants, and
  /// missing if the rank is not known.
  std::optional<llvm::SmallVector<int64_t>> axes = {};
  /// The number of groups of a group_norm.
  std::optional<int64_t> groups = {};
  std::optional<double> epsilon = {};
  /// The operator, with its domain, or "decomposed".
  std::string form = "decomposed";
};

/// Returns the other norms of a module whose sink ops are raised, in the order of their anchors.
llvm::SmallVector<OtherNorm> findOtherNorms(mlir::ModuleOp module);

} // namespace basin

#endif // BASIN_CONVERSION_ONNXTOSINK_OTHERNORMS_H
