//===- Passes.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_SINKTOONNX_PASSES_H
#define BASIN_CONVERSION_SINKTOONNX_PASSES_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace basin {

/// How a cache gets the new keys and values.
enum class CacheUpdate {
  /// The present is a tensor of its own, as long as past and new rows.
  Copy,
  /// Past and present are one buffer with room for more rows.
  InPlace,
};

#define GEN_PASS_DECL
#include "basin/Conversion/SinkToONNX/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "basin/Conversion/SinkToONNX/Passes.h.inc"

} // namespace basin

#endif // BASIN_CONVERSION_SINKTOONNX_PASSES_H
