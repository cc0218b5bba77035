//===- ResidualStreams.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The residual streams of a graph: found, not assumed.
//
// Values tied by Add must be scaled together: they form a class, along with
// what Identity, a Cast between f16, bf16, f32 and f64, a multiplication by a
// constant, a Clip between constants, or a Reshape of other axes makes of them.
// A class that some norm (or a dynamic tanh in its place) reads and in which two
// computed values are added is a residual stream. What brings a value into the
// class is a writer, what takes one out is a reader. A dynamic tanh sees the
// scale of what it reads, so it is no norm as a reader.
//
// Ties, writers and readers are uses, not values: a value may be a summand of an
// Add and something else to the same or another op. A constant ties nothing: it
// writes once for each summand that it is.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_ANALYSIS_RESIDUALSTREAMS_H
#define BASIN_DIALECT_SINK_ANALYSIS_RESIDUALSTREAMS_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

struct StreamWriter {
  enum Kind {
    /// Gather of rows of a table.
    Embedding,
    /// MatMul or Gemm by a constant matrix, of which one axis is the stream's
    /// dimensions.
    Projection,
    /// A norm's result (post-norm).
    Norm,
    /// A constant: a bias, a position table.
    Constant,
    /// Anything else.
    Other
  };
  Kind kind;
  mlir::Value value;
  /// The weight (table, matrix, vector): an initializer's or Constant's result.
  mlir::Value weight;
  /// The weight's axis that is the stream's dimension.
  int64_t axis = -1;
  /// Set where only this use writes: a summand that is broadcast along the
  /// dimension axis, or one use of a constant that has others.
  mlir::OpOperand *use = nullptr;
};

struct StreamReader {
  enum Kind { Norm, Shape, Output, Other };
  Kind kind;
  /// The operand of the reading op.
  mlir::OpOperand *use;
};

struct ResidualStream {
  /// Size of the last axis; nothing if it is not static.
  std::optional<int64_t> dim;
  /// The first member whose last axis is not proven to have that size (it may
  /// have size one at run time, or no rank be known): a scale a dimension cannot
  /// be applied to it. Null where all are proven.
  mlir::Value unproven;
  mlir::Type elementType;
  llvm::SmallVector<mlir::Value, 0> values;
  llvm::SmallVector<StreamWriter, 0> writers;
  llvm::SmallVector<StreamReader, 0> readers;
  /// Ops inside the stream that cut it off between constants: Clip, Min, Max.
  llvm::SmallVector<mlir::Operation *, 0> limits;
  /// Adds of two computed values.
  unsigned numAdds = 0;
};

llvm::StringRef toString(StreamWriter::Kind kind);
llvm::StringRef toString(StreamReader::Kind kind);

/// The streams of all graphs in `module`, in program order. Norms must have
/// been raised.
llvm::SmallVector<ResidualStream> findResidualStreams(mlir::ModuleOp module);

/// The operand of `op` that it hands on with its last axis and its scale, up to a
/// constant factor or constant limits; null for ops that do neither.
mlir::OpOperand *getPassedThrough(mlir::Operation *op);

/// Whether `op` cuts its passed operand off between constants (Clip, Min, Max).
bool isLimit(mlir::Operation *op);

/// Whether `value` is an initializer's or a Constant's result.
bool isWeight(mlir::Value value);

/// ONNX's name of a value, looking into the form where a sink op makes it.
llvm::StringRef getStreamValueName(mlir::Value value);

} // namespace basin

#endif // BASIN_DIALECT_SINK_ANALYSIS_RESIDUALSTREAMS_H
