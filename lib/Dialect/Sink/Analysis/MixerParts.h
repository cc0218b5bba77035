//===- MixerParts.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the finders of mixers share. Each finder looks for structures of one family.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_ANALYSIS_MIXERPARTS_H
#define BASIN_LIB_DIALECT_SINK_ANALYSIS_MIXERPARTS_H

#include "basin/Dialect/Sink/Analysis/Mixers.h"

namespace basin {

/// Returns whether `op` moves or casts the elements of its first operand.
bool isElementView(mlir::Operation *op);
/// Returns the value whose elements `value` moves or casts.
mlir::Value skipViews(mlir::Value value);

/// Finds linear recurrences whose steps are nodes of one block, one after the other.
void findUnrolledRecurrences(mlir::Block &block, llvm::SmallVectorImpl<Mixer> &mixers);
/// Finds the recurrence that the body of a Loop or Scan computes, or nothing.
std::optional<Mixer> matchLoop(mlir::Operation *op);
/// Finds a product under a decay, anchored at the Exp of the decay, or nothing. `source` is set to
/// what the decay is computed from.
std::optional<Mixer> matchDecayedProduct(mlir::Operation *exp, mlir::Value &source);

} // namespace basin

#endif // BASIN_LIB_DIALECT_SINK_ANALYSIS_MIXERPARTS_H
