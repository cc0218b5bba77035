//===- StreamScalingState.h -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The plan of StreamScaler, which its two halves share.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMSCALINGSTATE_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMSCALINGSTATE_H

#include "StreamScaling.h"
#include "WeightRoles.h"
#include "WeightScaling.h"

#include "llvm/ADT/MapVector.h"

namespace basin::sink {

/// A planned change of a weight in some of its uses.
struct StreamScaler::Part {
  WeightScale scale;
  RoleUses uses;
  unsigned writer;
};

/// A writer. It folds its scale into its parts, or multiplies `value`: in `uses`, or everywhere if
/// there are none.
struct StreamScaler::Writer {
  mlir::Value value;
  RoleUses uses;
  Exponents exponents;
  llvm::SmallVector<Part, 0> parts;
  bool folds = true;
};

/// A reader: an op for which the value is restored in `use`, or a norm that undoes the scale.
struct StreamScaler::Reader {
  mlir::Operation *op;
  mlir::OpOperand *use;
  Exponents exponents;
  bool intoEpsilon;
};

/// A head's product with a tied table. `table` is the use of the table. `input` is the other
/// factor, which is multiplied by 2^exponents if the table is divided.
struct StreamScaler::Head {
  mlir::OpOperand *table, *input;
  Exponents exponents;
};

struct StreamScaler::Limit {
  mlir::Operation *op;
  Exponents exponents;
};

struct StreamScaler::State {
  State(mlir::ModuleOp module, ParameterNames &names, double bound)
      : module(module), names(names), weights(names, bound) {}

  mlir::ModuleOp module;
  ParameterNames &names;
  WeightScaler weights;
  WeightRoles roles;
  llvm::SmallVector<Writer, 0> writers;
  llvm::SmallVector<Reader> readers, norms;
  llvm::SmallVector<Limit> limits;
  llvm::MapVector<mlir::Value, llvm::SmallVector<Head, 1>> heads;
  unsigned numWeights = 0, numProducts = 0;
  llvm::MapVector<mlir::Value, std::pair<Way, llvm::SmallVector<Part *>>> folds;
};

inline llvm::SmallVector<int> negate(llvm::ArrayRef<int> exponents) {
  return llvm::map_to_vector(exponents, [](int k) { return -k; });
}

/// Returns the uses of the vectors that scale a norm's result: its weight and its bias.
llvm::SmallVector<mlir::OpOperand *, 2> getScaleUses(NormInterface norm);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_STREAMSCALINGSTATE_H
