//===- AttentionOrigin.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where the operands of an attention come from: what a reader of a model wants to
// know of it and the op itself does not say.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_ANALYSIS_ATTENTIONORIGIN_H
#define BASIN_DIALECT_SINK_ANALYSIS_ATTENTIONORIGIN_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin {

/// Whether the keys hold earlier ones that are handed in: by an operand of the op,
/// by a Concat or TensorScatter on the sequence axis, or whole.
bool hasCache(sink::AttentionOp op);

/// Whether the query, or a part of it, is rotated: before the op or inside it.
bool isRotated(sink::AttentionOp op);

/// The number of different key heads: `kv_num_heads`, less what an Expand or Tile
/// before the op repeats.
std::optional<int64_t> getKeyHeads(sink::AttentionOp op);

} // namespace basin

#endif // BASIN_DIALECT_SINK_ANALYSIS_ATTENTIONORIGIN_H
