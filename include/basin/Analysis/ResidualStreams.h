//===- ResidualStreams.h ----------------------------------------------*- C++ -*-===//
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
// what Identity, Cast, a multiplication by a constant, or a Reshape of other
// axes makes of them. A class that some norm (or a dynamic tanh in its place)
// reads and in which two computed values are added is a residual stream. What
// brings a value into the class is a writer, what takes one out is a reader. A
// dynamic tanh sees the scale of what it reads, so it is no norm as a reader.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_ANALYSIS_RESIDUALSTREAMS_H
#define BASIN_ANALYSIS_RESIDUALSTREAMS_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

struct StreamWriter {
  enum Kind {
    /// Gather of rows of a table.
    Embedding,
    /// MatMul or Gemm by a constant matrix, whose columns are dimensions.
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
  mlir::Type elementType;
  llvm::SmallVector<mlir::Value> values;
  llvm::SmallVector<StreamWriter> writers;
  llvm::SmallVector<StreamReader> readers;
  /// Adds of two computed values.
  unsigned numAdds = 0;
};

llvm::StringRef toString(StreamWriter::Kind kind);
llvm::StringRef toString(StreamReader::Kind kind);

/// The streams of all graphs in `module`, in program order. Norms must have
/// been raised.
llvm::SmallVector<ResidualStream> findResidualStreams(mlir::ModuleOp module);

/// ONNX's name of a value, looking into the form where a sink op makes it.
llvm::StringRef getStreamValueName(mlir::Value value);

} // namespace basin

#endif // BASIN_ANALYSIS_RESIDUALSTREAMS_H
