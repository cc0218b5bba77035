//===- RaiseOpset.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_RAISEOPSET_H
#define BASIN_DIALECT_ONNX_UTILS_RAISEOPSET_H

#include "basin/Support/WhyNot.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

/// Versions of ai.onnx with Attention, RMSNormalization and RotaryEmbedding. Attention takes a past
/// without a present, windows, and masks of one row since the later one.
inline constexpr int64_t kOperatorOpset = 23, kPastOpset = 25;

/// Raises the import of ai.onnx of the model and of its functions to `opset`, of at most the later
/// one above, unless it is later already. The version of the file format is raised likewise. Nodes
/// that are written otherwise in it are rewritten. Changes nothing if the meaning of a node is not
/// known to be the same in both versions; the reason names that node.
WhyNot raiseOpset(mlir::ModuleOp module, int64_t opset);

} // namespace basin

#endif // BASIN_DIALECT_ONNX_UTILS_RAISEOPSET_H
