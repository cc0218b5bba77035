//===- UnpackAttention.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Query, key, value and mask of an attention, whatever its form keeps packed.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_UNPACKATTENTION_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_UNPACKATTENTION_H

#include "basin/Dialect/Sink/IR/AttentionScores.h"

namespace basin::sink {

/// The op's operands with its layouts apart, its keys and values rotated and
/// joined with the past ones, and its mask one of scores. Appends what nodes it
/// takes. Where the form does something that this does not follow, `why` says
/// what.
std::optional<AttentionOperands> unpackAttention(AttentionOp op, onnx::NodeBuilder &n,
                                                 llvm::StringRef &why);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_UNPACKATTENTION_H
