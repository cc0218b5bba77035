//===- Raise.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Moves recognized ops into the form of the sink op that stands for them.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_RAISE_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_RAISE_H

#include "Leaves.h"
#include "Miss.h"

#include "mlir/IR/Builders.h"

namespace basin::onnx {

/// A recognized set of ops, with the values that go into it and come out of it.
struct Idiom {
  /// Values that become arguments of the form, in order.
  llvm::SmallVector<mlir::Value> arguments;
  /// Values that become other operands of the op; null where absent.
  llvm::SmallVector<mlir::Value> captured;
  /// Values that become the op's results, in order.
  llvm::SmallVector<mlir::Value> results;
  Ops inside;
  /// Ops outside of it that stand before its last op and read inner values, with all that depends
  /// on them there. They are moved behind the op; none of its operands depends on them.
  Ops late;
};

/// Returns why the ops of an idiom cannot become one op, or nothing if they can. Drops ops from
/// `inside` that no argument reaches, and adds ops that only serve those inside. Inner values
/// that others use become further results with `allowExtraResults`, and are a miss without it.
/// Sets `late`.
std::optional<Miss> checkIdiom(Idiom &idiom, bool allowExtraResults);

/// Adds to `inside` those users of `value` that only serve it: all their own users are inside.
/// Such ops compute the shape of a Reshape or an Expand.
void absorbServants(mlir::Value value, Ops &inside);

/// Creates the op by `create` (which gets the result types) before the last of
/// the idiom's ops, moves those ops into its one region and the late ones behind it, and
/// redirects uses.
mlir::Operation *
raise(Idiom &idiom, mlir::OpBuilder &b,
      llvm::function_ref<mlir::Operation *(mlir::Location, mlir::TypeRange)> create);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_RAISE_H
