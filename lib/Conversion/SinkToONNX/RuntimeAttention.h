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

#include <optional>

namespace basin {

/// Returns why GroupQueryAttention does not compute the attention. If it `isInPlace`, past and
/// present are one buffer.
WhyNot checkGroupQuery(const AttentionPlan &plan, bool isInPlace);

/// The rotation of query and key that GroupQueryAttention does itself. It takes the rows of its
/// caches from that of the first new key on, one for each query.
struct InnerRotation {
  mlir::Value query, key, cos, sin;
  bool isInterleaved = false;
};

/// Returns the rotation by which query and key, both flat, are made, if its positions are known to
/// count the queries from 0 on. Otherwise the rotation stays outside.
std::optional<InnerRotation> findInnerRotation(mlir::Value query, mlir::Value key,
                                               const SharedValues &shared);

/// Adds the pattern for attention whose cache is updated in place. It precedes others.
void populateInPlaceAttentionPatterns(mlir::RewritePatternSet &patterns, SharedValues &shared,
                                      const InPlaceCaches &caches);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_RUNTIMEATTENTION_H
