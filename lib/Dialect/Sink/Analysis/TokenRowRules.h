//===- TokenRowRules.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rules that say whether an op with rows among its operands has rows in its results.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_ANALYSIS_TOKENROWRULES_H
#define BASIN_LIB_DIALECT_SINK_ANALYSIS_TOKENROWRULES_H

#include "basin/Dialect/Sink/Analysis/TokenRows.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

namespace basin {

/// What a rule finds: one entry for all results, or a reason.
struct RowOutcome {
  std::optional<TokenRow> row;
  std::string why;
  llvm::SmallVector<TokenRowOperand> whole;
};

/// Applies the rule of one op, of whose operands at least one has rows.
class RowRule {
public:
  RowRule(mlir::Operation *op, llvm::function_ref<TokenRow(mlir::Value)> get) : op(op), get(get) {}
  RowOutcome apply();

private:
  static RowOutcome fail(const llvm::Twine &why);
  static RowOutcome give(const TokenRow &row);
  static std::string quote(mlir::Value value);

  RowOutcome applySinkOp();
  RowOutcome applyAttention(sink::AttentionOp attention);
  RowOutcome applyRotary(sink::RotaryOp rotary);
  RowOutcome applyElementwise(mlir::MutableArrayRef<mlir::OpOperand> operands);
  RowOutcome applyMatMul(mlir::Value a, mlir::Value b);
  RowOutcome applyGemm();
  RowOutcome applyPackedMatMul();
  RowOutcome applyView(mlir::Value x);
  std::optional<TokenRow> viewTokensFirst(llvm::ArrayRef<onnx::Dim> from,
                                          llvm::ArrayRef<onnx::Dim> to, const TokenRow &row);
  RowOutcome applyTranspose();
  RowOutcome applyAlongAxis();
  RowOutcome applyReduce();
  RowOutcome applyConcat();
  RowOutcome applySplit();
  RowOutcome applySlice();
  RowOutcome applyGather();
  RowOutcome applyExpand();
  RowOutcome applyQuantize();

  /// Adds an operand that has no rows to the outcome of an op whose rows have the dims `dims` and
  /// lie along `axis`, with which it is broadcast. Returns a reason if it does not fit.
  std::optional<std::string> addBroadcast(mlir::OpOperand &operand, llvm::ArrayRef<onnx::Dim> dims,
                                          const TokenRow &row, RowOutcome &outcome);
  /// Returns why operands from `first` on are not the same, if they are not.
  std::optional<std::string> findChangedOperand(unsigned first);
  std::optional<int64_t> getAxis(mlir::Value x, int64_t otherwise);

  mlir::Operation *op;
  llvm::function_ref<TokenRow(mlir::Value)> get;
};

/// Applies the rule of one op to find positions. At least one of its operands is not the same.
class PositionRule {
public:
  PositionRule(mlir::Operation *op, llvm::function_ref<TokenRow(mlir::Value)> get,
               const llvm::DenseSet<mlir::StringAttr> &fixedSizes)
      : op(op), get(get), fixedSizes(fixedSizes) {}

  /// Returns whether the op's results have positions, and whether these are their own indices.
  std::optional<TokenRow> apply();

private:
  std::optional<TokenRow> applyRange();
  std::optional<TokenRow> applySlice();
  std::optional<TokenRow> applyView();
  std::optional<TokenRow> applyLookup();
  std::optional<TokenRow> applyReduce();
  bool keepsLengths(mlir::Value x, mlir::Value result) const;
  bool isProductApart();
  bool isFlatIndex(mlir::Value value, mlir::StringAttr tokens);

  /// Returns whether the value is the same, or has rows or positions.
  bool isStable(mlir::Value value);
  /// Returns whether all operands from `first` on are the same.
  bool areSame(unsigned first);
  bool isLength(const onnx::Dim &dim) const;
  /// Returns the axes whose size may depend on the number of tokens, or nothing for an unknown
  /// rank.
  std::optional<llvm::SmallVector<int64_t>> getLengthAxes(mlir::Value value) const;
  bool isAlongLength(mlir::Value value, std::optional<int64_t> axis) const;

  mlir::Operation *op;
  llvm::function_ref<TokenRow(mlir::Value)> get;
  const llvm::DenseSet<mlir::StringAttr> &fixedSizes;
};

/// Returns whether each element of the result is computed from the elements of the operands at the
/// same place, which are broadcast.
bool isElementwise(mlir::Operation *op);

} // namespace basin

#endif // BASIN_LIB_DIALECT_SINK_ANALYSIS_TOKENROWRULES_H
