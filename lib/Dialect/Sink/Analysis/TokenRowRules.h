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
  RowOutcome applySinkOp();
  RowOutcome applyAttention(sink::AttentionOp attention);
  RowOutcome applyRotary(sink::RotaryOp rotary);
  RowOutcome applyElementwise(mlir::MutableArrayRef<mlir::OpOperand> operands);
  RowOutcome applyMatMul(mlir::Value a, mlir::Value b);
  RowOutcome applyGemm();
  RowOutcome applyPackedMatMul();
  RowOutcome applyView(mlir::Value x);
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

} // namespace basin

#endif // BASIN_LIB_DIALECT_SINK_ANALYSIS_TOKENROWRULES_H
