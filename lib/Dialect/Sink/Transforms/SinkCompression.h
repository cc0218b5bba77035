//===- SinkCompression.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Attentions whose first keys and values are constants, as sink-absorb-prefix makes them, and what
// can be done so that a logit takes the place of these rows.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_SINKCOMPRESSION_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_SINKCOMPRESSION_H

#include "SinkParameters.h"

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin::sink {

/// Constant rows in front of an attention's keys or values.
struct ConstantRows {
  onnx::ConcatOp concat;
  /// The constant, and what repeats it for each element of the batch, from the constant on.
  mlir::Value constant;
  llvm::SmallVector<mlir::Operation *> repeats;
  mlir::RankedTensorType type;
  /// The constant's axis of heads, and that of a head's elements. If they are one, each head has a
  /// block of it.
  unsigned headAxis = 0, dimAxis = 0;
};

/// An attention with `count` constant rows of keys and values.
struct SinkRowsPlace {
  SinkPlace place;
  ConstantRows key, value;
  int64_t count = 0;
};

/// Returns the attentions without a sink that the option `attentions` names and whose first keys
/// and values are constants, in program order. What cannot take a logit is left out. Fails with a
/// diagnostic if no attention has such a name.
llvm::FailureOr<std::vector<SinkRowsPlace>> findSinkRows(mlir::ModuleOp module,
                                                         llvm::StringRef attentions);

/// Copies the attention's rows into new parameters. The rows of the key heads for which `isZero` is
/// true become zeros. Returns the parameters of keys and values.
llvm::FailureOr<std::pair<mlir::Value, mlir::Value>>
ownRows(SinkRowsPlace &at, llvm::function_ref<bool(int64_t)> isZero, ParameterNames &names);

/// Returns whether the rows can be removed: masks and biases are known to have a column for each
/// key, or one for all.
bool canRemoveRows(const SinkRowsPlace &at);
/// Removes the rows of keys and values, and the columns of masks for them. Drops the form. The
/// place has no Concats after that.
void removeRows(SinkRowsPlace &at);

/// Lets a parameter i64 [1] say how many rows are left out: none at first, or all, with which the
/// attention computes what it would without them. canRemoveRows was asked. Drops the form. Returns
/// the parameter.
mlir::Value setFirstRow(SinkRowsPlace &at, ParameterNames &names);

/// Returns whether the attention, whose rows are there, can have a value beside the logit.
bool canTakeValue(const SinkRowsPlace &at);
/// Lets the sink add a value v to what its head reads, with one v for each key head: `values` are
/// [kv_heads, d], or one number. With probabilities p_j that leave the share of the sink out,
/// (1 - sum_j p_j) v + sum_j p_j v_j = v + sum_j p_j (v_j - v), so v is subtracted from the values
/// behind the rows, and added to the result. Returns the parameter of v.
mlir::Value setSinkValue(SinkRowsPlace &at, llvm::ArrayRef<double> values, ParameterNames &names);

/// Returns a logit of no effect: the lowest number of the type.
double getLowestLogit(const SinkPlace &place);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_SINKCOMPRESSION_H
