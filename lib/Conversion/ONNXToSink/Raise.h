//===- Raise.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Moving recognized ops into the form of the sink op that stands for them.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_RAISE_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_RAISE_H

#include "Leaves.h"
#include "Miss.h"

#include "mlir/IR/Builders.h"

namespace basin::onnx {

/// A recognized set of ops: what goes in, what comes out, what is inside.
struct Idiom {
  /// Values that become arguments of the form, in order.
  llvm::SmallVector<mlir::Value> arguments;
  /// Values that become other operands of the op; null where absent.
  llvm::SmallVector<mlir::Value> captured;
  /// Values that become the op's results, in order.
  llvm::SmallVector<mlir::Value> results;
  Ops inside;
};

/// Why the ops of an idiom cannot become one op; nothing if they can. Drops from
/// `inside` what no argument reaches, and from there what others still use,
/// but never an op between an argument and a result.
std::optional<Miss> checkIdiom(Idiom &idiom, bool allowExtraResults);

/// Adds to `inside` what only serves it among the users of `value`: ops all of
/// whose users are inside (the shape computations of a Reshape or an Expand).
void absorbServants(mlir::Value value, Ops &inside);

/// Creates the op by `create` (which gets the result types) before the last of
/// the idiom's ops, moves those ops into its one region, and redirects uses.
mlir::Operation *
raise(Idiom &idiom, mlir::OpBuilder &b,
      llvm::function_ref<mlir::Operation *(mlir::Location, mlir::TypeRange)> create);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_RAISE_H
