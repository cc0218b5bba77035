//===- TokenRows.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Says for each value of a graph what happens to it if the first tokens of every sequence are left
// out, while attentions still see their keys and values.
//
// A value that has a row for each token loses the rows of those tokens, if each of its rows is
// computed from the same row of its operands alone. Only attention may look at other rows. Weights
// stay the same. A value that counts tokens, such as positions, is another one for fewer tokens.
// It must be computed for the whole sequence once more. What is computed for the first tokens does
// not depend on the later ones, nor on their number, if this holds for what is counted, too: the
// proof follows it from the Range that counts.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_ANALYSIS_TOKENROWS_H
#define BASIN_DIALECT_SINK_ANALYSIS_TOKENROWS_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

/// What is known about a value if the first tokens are left out.
struct TokenRow {
  enum Kind {
    /// It keeps its elements.
    Same,
    /// It loses the first tokens' rows along `axis`.
    Rows,
    /// It keeps its elements, which depend on the last token alone.
    Last,
    /// An element depends on tokens up to the largest of its indices along axes of unknown size,
    /// and on no later token, nor on the number of tokens.
    Positions,
    /// Nothing is claimed.
    Other
  };
  Kind kind = Same;
  unsigned axis = 0;
  /// The name of the number of tokens.
  mlir::StringAttr tokens = {};
  /// Whether the axis counts tokens together with something else, such as batch elements: tokens
  /// last, or first with isFirst.
  bool isJoined = false, isFirst = false;
  /// Whether each position is its own index along the only axis of unknown size.
  bool isIndex = false;

  TokenRow along(unsigned other) const { return {kind, other, tokens, isJoined, isFirst}; }
  bool isJoinedLike(const TokenRow &other) const {
    return isJoined == other.isJoined && isFirst == other.isFirst;
  }
  bool isRowsAlong(unsigned wanted) const { return kind == Rows && axis == wanted && !isJoined; }
};

/// An operand of an op with rows that itself has none, such as a position's embedding. The op's
/// result loses its first rows only if this operand is what it was for the whole sequence, without
/// the first rows along `axis`. Without an axis it is taken as a whole.
struct TokenRowOperand {
  mlir::OpOperand *use;
  std::optional<unsigned> axis;
};

class TokenRows {
public:
  /// Analyzes the ops of `graph`. `tokens` are its inputs with a token along their last axis, which
  /// lose the first tokens. Its other inputs are the same.
  TokenRows(onnx::GraphOp graph, mlir::ValueRange tokens);

  TokenRow get(mlir::Value value) const { return rows.lookup(value); }
  /// Returns the operands of `op` that must be those of the whole sequence.
  llvm::ArrayRef<TokenRowOperand> getWholeOperands(mlir::Operation *op) const;
  /// Fails with a diagnostic that says why nothing is claimed about `value`. `what` names it.
  llvm::LogicalResult refuse(mlir::Value value, const llvm::Twine &what) const;

private:
  void visit(mlir::Operation *op);
  mlir::Operation *findCause(mlir::Value value) const;

  llvm::DenseMap<mlir::Value, TokenRow> rows;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<TokenRowOperand>> whole;
  /// Why an op with rows among its operands has none in its results.
  llvm::DenseMap<mlir::Operation *, std::string> reasons;
  /// The names of sizes that do not depend on the number of tokens.
  llvm::DenseSet<mlir::StringAttr> fixedSizes;
};

/// Returns whether an axis of `value` that counts tokens has them in their order, even if its rows
/// see other tokens. Nothing is claimed where an op might turn or choose tokens.
bool keepsTokenOrder(mlir::Value value, const TokenRows &rows);

} // namespace basin

#endif // BASIN_DIALECT_SINK_ANALYSIS_TOKENROWS_H
