//===- WholeSequence.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Computes values as they were before the first tokens of every sequence were left out.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_WHOLESEQUENCE_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_WHOLESEQUENCE_H

#include "basin/Dialect/Sink/Analysis/TokenRows.h"

namespace basin::sink {

/// The metadata with the ids of tokens with which sequences are taken no more.
inline constexpr llvm::StringLiteral kPrefixKey = "basin.prefix";

/// The inputs of a graph that have a token along their last axis, and what they are for the tokens
/// that are left out. Absent inputs are null. The types of tokens are zero.
struct PrefixInputs {
  mlir::Value ids, mask, positions, types;
  llvm::SmallVector<int64_t> prefix;

  llvm::SmallVector<mlir::Value> list() const;
  int64_t size() const { return prefix.size(); }
};

/// Returns the graph's inputs with tokens: those of the given names, or the integers that index the
/// largest table, `attention_mask` and `position_ids`. Fails with a diagnostic if there are none,
/// if their number is fixed, if an id of the prefix is outside of the table, or before opset 10.
llvm::FailureOr<PrefixInputs> findPrefixInputs(onnx::GraphOp graph, llvm::StringRef ids,
                                               llvm::StringRef mask, llvm::StringRef positions,
                                               llvm::ArrayRef<int64_t> prefix);

/// Finds the input with a type of each token, such as BERT's `token_type_ids`. Fails with a
/// diagnostic if there is none of the given name.
llvm::LogicalResult findTokenTypes(onnx::GraphOp graph, llvm::StringRef name, PrefixInputs &inputs);

/// Returns what `input` is with the prefix in front: the ids, ones in the mask, positions from
/// zero. With `shift`, the positions that are given count from zero, too, and become those after
/// it.
mlir::Value extendInput(const PrefixInputs &inputs, mlir::Value input, bool shift = false);

class WholeSequence {
public:
  WholeSequence(const TokenRows &rows, const PrefixInputs &inputs) : rows(rows), inputs(inputs) {}

  /// Returns `value` as it was with the first tokens. The ops that compute it are cloned, with the
  /// inputs extended by what they were for the prefix. Fails with a diagnostic that names `what`
  /// where an attention, a subgraph or another input stands among them.
  llvm::FailureOr<mlir::Value> get(mlir::Value value, const llvm::Twine &what);
  /// The same without the first tokens' rows along `axis`.
  llvm::FailureOr<mlir::Value> getRows(mlir::Value value, unsigned axis, const llvm::Twine &what);

private:
  llvm::FailureOr<mlir::Value> make(mlir::Value value, const llvm::Twine &what);
  mlir::Value extendShape(mlir::Operation *shape);

  const TokenRows &rows;
  const PrefixInputs &inputs;
  llvm::DenseMap<mlir::Value, mlir::Value> whole;
  llvm::DenseMap<std::pair<mlir::Value, unsigned>, mlir::Value> cut;
  unsigned depth = 0;
};

/// Makes types say what the rewrite takes for granted: the mask and positions have the sizes of the
/// ids, and an attention's result has those of its query. Infers the types that follow from that.
void refineTypes(onnx::GraphOp graph, const PrefixInputs &inputs);

/// Returns the names of sizes of the graph's inputs that do not count tokens.
llvm::DenseSet<mlir::StringAttr> findFixedSizes(onnx::GraphOp graph, const PrefixInputs &inputs);

/// Infers all types of the graph once more, because the number of tokens is another one now. Static
/// sizes and those of findFixedSizes stay.
void inferLongerTypes(onnx::GraphOp graph, const PrefixInputs &inputs);

/// Infers the result types of the ops of a form once more, in order, because its operands changed.
void inferTypesAgain(mlir::Block &block);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_WHOLESEQUENCE_H
