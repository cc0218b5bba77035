//===- MaskValues.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Declares the proof that a mask leaves the scores of visible keys as they are.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_MASKVALUES_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_MASKVALUES_H

#include "basin/Dialect/Sink/IR/Parts.h"

namespace basin::sink {

/// Returns whether masks and bounds change no score of a visible key: each element of an additive
/// mask is proven to be zero, or to leave nothing of a hidden key's score, and there is neither a
/// bias nor a least score.
bool keepsVisibleScores(const AttentionParts &parts);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_MASKVALUES_H
