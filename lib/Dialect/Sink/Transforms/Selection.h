//===- Selection.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parts of a value of fixed size: those that a Split, a Slice or a Gather of one index takes.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_SELECTION_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_SELECTION_H

#include "mlir/IR/Operation.h"

#include <optional>

namespace basin::sink {

/// A part of a value: the elements from `begin` on along one axis. A `isPoint` has lost the axis.
struct Selection {
  int64_t axis, begin, size;
  bool isPoint = false;
};

/// Returns what `op` takes from its first operand as `result`, or nothing if that is no part of
/// fixed size.
std::optional<Selection> getSelection(mlir::Operation *op, mlir::Value result);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_SELECTION_H
