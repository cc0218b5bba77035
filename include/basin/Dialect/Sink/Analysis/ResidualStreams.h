//===- ResidualStreams.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the residual streams of a graph.
//
// Values that an Add ties together must be scaled together, so they form a class. Other ops tie
// their result to their operand: Identity, a Cast between f16, bf16, f32 and f64, a multiplication
// by a constant, a Clip between constants, and a Reshape of other axes. A class is a residual
// stream if some norm reads it (or a dynamic tanh in a norm's place) and if it contains a sum of
// two computed values. A writer brings a value into the class, a reader takes one out. A dynamic
// tanh sees the scale of its operand, so it is a reader like other ops and not like a norm.
//
// Ties, writers and readers are uses and not values, because a value may be a summand of an Add and
// also another operand of the same or another op. A constant ties nothing. It is a writer once for
// each sum that it is added to.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_ANALYSIS_RESIDUALSTREAMS_H
#define BASIN_DIALECT_SINK_ANALYSIS_RESIDUALSTREAMS_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

struct StreamWriter {
  enum Kind {
    /// A Gather of rows of a table.
    Embedding,
    /// A MatMul or Gemm by a constant matrix that has the stream's dimensions as one axis.
    Projection,
    /// The result of a norm (post-norm).
    Norm,
    /// A constant, such as a bias or a position table.
    Constant,
    /// Anything else.
    Other
  };
  Kind kind;
  mlir::Value value;
  /// The weight (table, matrix or vector), which is the result of an Initializer or a Constant.
  /// Null if ops stand between, such as an Identity or a DequantizeLinear: then it cannot take a
  /// scale.
  mlir::Value weight;
  /// The axis of the weight that is the stream's dimension axis.
  int64_t axis = -1;
  /// Set if the writer writes through this use alone. It is a summand that is a constant, which may
  /// have other uses, or that is broadcast along the dimension axis.
  mlir::OpOperand *use = nullptr;
};

struct StreamReader {
  enum Kind { Norm, Shape, Output, Other };
  Kind kind;
  /// The operand of the reading op.
  mlir::OpOperand *use;
};

struct ResidualStream {
  /// The size of the last axis, or nothing if it is not static.
  std::optional<int64_t> dim;
  /// The first member whose last axis is not proven to have that size: its rank is unknown, or its
  /// size may be one at run time. It cannot take a scale for each dimension. Null if all members
  /// are proven.
  mlir::Value unproven;
  mlir::Type elementType;
  llvm::SmallVector<mlir::Value, 0> values;
  llvm::SmallVector<StreamWriter, 0> writers;
  llvm::SmallVector<StreamReader, 0> readers;
  /// The ops inside the stream that limit its values: Clip, Min, Max.
  llvm::SmallVector<mlir::Operation *, 0> limits;
  /// The number of sums of two computed values, by an Add or inside a norm.
  unsigned numAdds = 0;
};

llvm::StringRef toString(StreamWriter::Kind kind);
llvm::StringRef toString(StreamReader::Kind kind);

/// Returns the streams of all graphs in `module`, in program order. Norms must have been raised.
llvm::SmallVector<ResidualStream> findResidualStreams(mlir::ModuleOp module);

/// Returns the operand of `op` that it passes on with its last axis and its scale, up to a constant
/// factor or limits. Null if there is none.
mlir::OpOperand *getPassedThrough(mlir::Operation *op);

/// Returns whether `op` limits the operand that it passes on by numbers, which may be computed
/// (Clip, Min, Max).
bool isLimit(mlir::Operation *op);

/// Returns whether `value` is the result of an Initializer or a Constant.
bool isWeight(mlir::Value value);

/// Returns the ONNX name of a value. If a sink op computes it, the name stands in the op's form.
llvm::StringRef getStreamValueName(mlir::Value value);

} // namespace basin

#endif // BASIN_DIALECT_SINK_ANALYSIS_RESIDUALSTREAMS_H
