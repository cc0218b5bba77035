//===- ScoreSteps.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What an attention does to its scaled and capped scores before the Softmax, in order.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_SCORESTEPS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_SCORESTEPS_H

#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Support/WhyNot.h"

namespace basin::sink {

/// One step: a summand, which is multiplied by `factor` and added, or a number that replaces scores
/// where a condition says so.
struct ScoreStep {
  mlir::OpOperand *use;
  bool replaces = false;
  double factor = 1;
};

/// Finds the steps of `op`: those of the nodes in its form, or those of its operands if the form is
/// one operator or absent. `others` are the uses of these operands by the operator. Returns why the
/// steps are not understood, or nothing.
WhyNot findScoreSteps(AttentionOp op, llvm::SmallVectorImpl<ScoreStep> &steps,
                      llvm::SmallVectorImpl<mlir::OpOperand *> &others);

/// Returns the type in which the Softmax of `op` gets its scores, or null if it is not known.
mlir::Type findScoreType(AttentionOp op);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_SCORESTEPS_H
