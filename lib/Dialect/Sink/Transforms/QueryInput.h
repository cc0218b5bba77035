//===- QueryInput.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the value that the query's projection of an attention reads, and proves which of its axes
// are batch and sequence.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUERYINPUT_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUERYINPUT_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::sink {

/// A value [batch, sequence, d], or [sequence, batch, d] if `isSequenceFirst`. Its last axis is
/// static.
struct QueryInput {
  mlir::Value x;
  bool isSequenceFirst = false;
};

/// Returns what the query's projection reads. Fails with a diagnostic that names the attention if
/// it is not found, or if its axes are not proven to be those of the query.
llvm::FailureOr<QueryInput> findQueryInput(AttentionOp op);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUERYINPUT_H
