//===- Passes.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Passes within the onnx dialect.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_TRANSFORMS_PASSES_H
#define BASIN_DIALECT_ONNX_TRANSFORMS_PASSES_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "mlir/Pass/Pass.h"

namespace basin::onnx {

/// What shape inference does if the model contradicts itself.
enum class ConflictAction { Error, Warn };

#define GEN_PASS_DECL
#include "basin/Dialect/ONNX/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "basin/Dialect/ONNX/Transforms/Passes.h.inc"

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_TRANSFORMS_PASSES_H
