//===- OperatorSupport.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the patterns of both sets of operators share.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_OPERATORSUPPORT_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_OPERATORSUPPORT_H

#include "HeadViews.h"

#include "basin/Conversion/SinkToONNX/Operators.h"
#include "basin/Dialect/Sink/IR/Parts.h"

namespace basin {

/// The reason of an op whose form is an operator of the set. It is not reported.
inline constexpr llvm::StringLiteral kIsOperator = "it is an operator already";

/// Returns whether the form of the op has a fused operator already. For `isStandard` it must be one
/// of ai.onnx that the standard has.
bool isOperatorAlready(sink::RaisedInterface op, bool isStandard);

/// Returns why an operand is none of `known`. Patterns must refuse operands that they do not know,
/// because the op may get more of them.
WhyNot findUnknownOperand(sink::RaisedInterface op, llvm::ArrayRef<llvm::StringRef> known);

/// Gives the results the names of the op's results, and replaces the op by them.
void replaceWith(mlir::PatternRewriter &rewriter, mlir::Operation *op,
                 llvm::ArrayRef<mlir::Value> results);

mlir::NamedAttribute makeFloatAttr(mlir::Builder &b, llvm::StringRef name, double value);
/// Returns the absent operand.
mlir::Value makeAbsent(onnx::NodeBuilder &n, mlir::Location loc);

/// Returns why a norm has no operator: its type, its weight, or what it normalizes.
WhyNot checkNorm(sink::NormInterface norm);
/// Returns the norm's weight, or a vector of ones.
mlir::Value makeNormWeight(sink::NormInterface norm, onnx::NodeBuilder &n, SharedValues &shared);
/// Returns what the norm normalizes: the sum of its summands, times the pre-affine vector. Sets
/// `sum`.
mlir::Value makeNormInput(sink::NormInterface norm, onnx::NodeBuilder &n, mlir::Value &sum);

/// The parts of an attention that both sets of operators need.
struct AttentionPlan {
  sink::AttentionParts parts;
  HeadSizes query, key, value;
  mlir::Type element;

  /// Fills the plan, or returns why no operator takes the attention.
  WhyNot read(sink::AttentionOp op);
  /// Takes query, key and value to the layouts of separateHeads, and gives masks an axis of heads
  /// that have one with the batch. The checks are done before.
  void prepare(onnx::NodeBuilder &n, SharedValues &shared);
  /// Returns the flat query, or the one with its heads first, times what the attribute of an
  /// operator cannot say: a factor for each head, or one that is not positive.
  mlir::Value scaleQuery(mlir::Value query, sink::Layout layout, onnx::NodeBuilder &n) const;
  /// Returns the factor that is left to the operator.
  std::optional<double> getScale() const;
  /// Returns the number of heads of a mask or bias, or nothing if it is unknown.
  std::optional<int64_t> findHeads(mlir::Value summand) const;
  /// Returns the view of an operator's flat result in the layout of the op's result.
  HeadSizes result() const { return {query.heads, value.dim}; }
};

/// Replaces the op by the result of an operator, which is flat (bsd) or has its heads first (bhsd),
/// times the gate, and by present keys and values. Takes uses of the view of a flat result back to
/// it.
void finishAttention(mlir::PatternRewriter &rewriter, onnx::NodeBuilder &n, sink::AttentionOp op,
                     const AttentionPlan &plan, mlir::Value result, sink::Layout layout,
                     mlir::Value presentKey, mlir::Value presentValue);

/// The rotation tables of an op as an operator takes them.
struct RotaryPlan {
  HeadSizes sizes;
  /// The number of elements that are rotated.
  int64_t width = 0;
  mlir::Type element;

  /// Fills the plan, or returns why no operator takes the op.
  WhyNot read(sink::RotaryOp op);
};

/// Returns the flat value that is rotated.
mlir::Value flattenRotated(sink::RotaryOp op, const RotaryPlan &plan, onnx::NodeBuilder &n);
/// Returns a table without positions as [1 or batch, sequence, width / 2], in the type of x.
mlir::Value makeHalfTable(sink::RotaryOp op, const RotaryPlan &plan, mlir::Value table,
                          onnx::NodeBuilder &n, SharedValues &shared);
/// Returns the text that tells tensors of other batch and sequence sizes apart, or one that is
/// unique to `flat` if they are unknown.
std::string describeSizes(mlir::Value flat, int64_t begin, int64_t end);
/// Returns [batch, sequence] of the flat `x`.
mlir::Value makeBatchAndSequence(mlir::Value x, onnx::NodeBuilder &n, SharedValues &shared);

/// Returns a cache or positions as the operators take them.
mlir::Value castTable(mlir::Value table, mlir::Type element, onnx::NodeBuilder &n,
                      SharedValues &shared);
mlir::Value expandPositions(mlir::Value positions, mlir::Value x, onnx::NodeBuilder &n,
                            SharedValues &shared);

/// Replaces the op by the view of an operator's flat result.
void finishRotary(mlir::PatternRewriter &rewriter, onnx::NodeBuilder &n, sink::RotaryOp op,
                  const RotaryPlan &plan, mlir::Value flat);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_OPERATORSUPPORT_H
