//===- FormScores.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the scores and probabilities that a decomposed attention computes anyway, so that
// measuring need not compute them again.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_FORMSCORES_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_FORMSCORES_H

#include "basin/Dialect/Sink/IR/AttentionScores.h"

namespace basin::sink {

/// Finds the scores and probabilities in the form of `op`, and replaces the op by one that returns
/// them as further results. Sets `given` to these. Changes nothing if a value's axes, type or
/// meaning are not proven.
void exposeScores(AttentionOp &op, GivenScores &given);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_FORMSCORES_H
