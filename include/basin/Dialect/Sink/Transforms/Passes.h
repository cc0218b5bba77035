//===- Passes.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_TRANSFORMS_PASSES_H
#define BASIN_DIALECT_SINK_TRANSFORMS_PASSES_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace basin::sink {

#define GEN_PASS_DECL
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"

} // namespace basin::sink

#endif // BASIN_DIALECT_SINK_TRANSFORMS_PASSES_H
