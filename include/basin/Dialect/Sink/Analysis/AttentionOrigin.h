//===- AttentionOrigin.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds out where the operands of an attention come from. A reader of a model wants to know this,
// and the op itself does not say it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_ANALYSIS_ATTENTIONORIGIN_H
#define BASIN_DIALECT_SINK_ANALYSIS_ATTENTIONORIGIN_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

/// Returns whether the keys contain keys of an earlier run: an operand of the op, or an input that
/// a Concat or TensorScatter on the sequence axis extends. Keys that are an input as a whole also
/// count, unless the query is one as well.
bool hasCache(sink::AttentionOp op);

/// A graph input with the keys or values of an earlier run, and the output that extends them by
/// those of this run along `axis`.
struct Cache {
  mlir::Value past;
  llvm::StringRef present;
  unsigned axis;
};

/// Returns the caches of the main graph's attentions, in program order.
llvm::SmallVector<Cache> findCaches(mlir::ModuleOp module);

/// Returns whether the query, or a part of it, is rotated, before the op or inside it.
bool isRotated(sink::AttentionOp op);

/// Returns the number of different key heads: `kv_num_heads` divided by the repetitions of an
/// Expand or Tile before the op.
std::optional<int64_t> getKeyHeads(sink::AttentionOp op);

} // namespace basin

#endif // BASIN_DIALECT_SINK_ANALYSIS_ATTENTIONORIGIN_H
