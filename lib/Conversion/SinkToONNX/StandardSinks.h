//===- StandardSinks.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sinks for an operator that has none: more keys and values, and more columns of the mask.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_STANDARDSINKS_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_STANDARDSINKS_H

#include "OperatorSupport.h"

namespace basin {

/// Returns whether the attention has logits or learned rows.
inline bool hasSinks(const AttentionPlan &plan) {
  return plan.parts.sinkLogit || plan.parts.sinkKey;
}

/// Returns why the sinks cannot be written as keys and columns of the mask.
WhyNot checkSinks(const AttentionPlan &plan);

/// Returns the keys or values `x` [batch, heads, keys, dim] behind the learned rows [heads, n,
/// dim], which may be null, and before a row of zeros if there are logits.
mlir::Value joinSinkRows(const AttentionPlan &plan, mlir::Value x, mlir::Value rows, int64_t dim,
                         onnx::NodeBuilder &n);

/// Returns a past for an operator: the learned rows, a row of zeros if there are logits, and the
/// past [batch, heads, rows, dim]. Rows and past may be null. `x` has the batch.
mlir::Value makeSinkPast(const AttentionPlan &plan, mlir::Value x, mlir::Value rows,
                         mlir::Value past, int64_t dim, onnx::NodeBuilder &n);

/// Where the row of zeros stands: after all keys, or before the past and the keys.
enum class ZeroRow { last, first };

/// Returns `mask` [1 or batch, 1 or heads, queries, keys] with columns for the sinks: zeros for
/// learned rows, and the logits for the row of zeros. Without a mask there are zeros for `queries`
/// and `keys`, both [1], and no mask is made if there are no logits.
mlir::Value joinSinkColumns(const AttentionPlan &plan, mlir::Value mask, mlir::Value queries,
                            mlir::Value keys, ZeroRow zeroRow, onnx::NodeBuilder &n);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_STANDARDSINKS_H
