//===- RuntimeMasks.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Masks as the biases that MultiHeadAttention and GroupQueryAttention add to the scores.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_RUNTIMEMASKS_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_RUNTIMEMASKS_H

#include "OperatorSupport.h"

namespace basin {

/// Returns why the mask is no bias.
WhyNot checkMask(const AttentionPlan &plan);

/// Returns the mask as [1 or batch, 1 or heads, queries, keys], or null if there is none. It is
/// made once for all attentions with this mask. `query` is [batch, queries, _], and the number of
/// keys is the size of axis `keyAxis` of `key`.
mlir::Value makeBias(const AttentionPlan &plan, mlir::Value query, mlir::Value key, int64_t keyAxis,
                     onnx::NodeBuilder &n, SharedValues &shared);

/// Returns the flat result with zeros in the rows that see no key, if the op has zeros there.
mlir::Value zeroHiddenRows(const AttentionPlan &plan, mlir::Value flat, mlir::Value bias,
                           onnx::NodeBuilder &n, SharedValues &shared);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_RUNTIMEMASKS_H
