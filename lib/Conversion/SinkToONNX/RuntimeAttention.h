//===- RuntimeAttention.h ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_RUNTIMEATTENTION_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_RUNTIMEATTENTION_H

#include "CacheInPlace.h"

namespace basin {

/// Returns why GroupQueryAttention does not compute the attention. If it `isInPlace`, past and
/// present are one buffer.
WhyNot checkGroupQuery(const AttentionPlan &plan, bool isInPlace);

/// Adds the pattern for attention whose cache is updated in place. It precedes others.
void populateInPlaceAttentionPatterns(mlir::RewritePatternSet &patterns, SharedValues &shared,
                                      const InPlaceCaches &caches);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_RUNTIMEATTENTION_H
