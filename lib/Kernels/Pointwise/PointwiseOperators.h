//===- PointwiseOperators.h -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The operations of pointwise programs: their names and types, and the ops that compute one element
// of each.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_POINTWISE_POINTWISEOPERATORS_H
#define BASIN_LIB_KERNELS_POINTWISE_POINTWISEOPERATORS_H

#include "basin/Kernels/PointwiseProgram.h"

namespace basin::kernels {

/// Returns "a real", "an integer" or "a boolean".
std::string describe(PointwiseType type);

/// An operation whose operands are all of one type.
struct Operation {
  llvm::StringRef name;
  PointwiseOperator op;
  size_t operands;
  /// The types that it takes, a bit for each PointwiseType.
  unsigned types;
  /// The type of the result if it is not that of the operands.
  std::optional<PointwiseType> result;
  /// It takes many instructions, of integers at least.
  bool isLong = false;

  bool takes(PointwiseType type) const { return types >> static_cast<unsigned>(type) & 1; }
  /// Returns the types that it takes, like "a real or an integer".
  std::string describe() const;
};

/// Returns the operation of that name, or null if there is none.
const Operation *findOperation(llvm::StringRef name);
llvm::ArrayRef<Operation> getOperations();

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_POINTWISE_POINTWISEOPERATORS_H
