//===- TokenOrder.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Follows a value up to rows of tokens, along the operands that give an op's result its rows: all
// of an elementwise op, the query of attention, the left factor of a product, what a view reads.
// Means over tokens have no such axis, and a mask or a table does not order the rows.
//
//===----------------------------------------------------------------------===//

#include "TokenRowRules.h"

#include "basin/Dialect/Sink/Analysis/TokenRows.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// Returns the operands whose order of tokens the op's results have, or nothing if that is not
/// known.
static std::optional<SmallVector<Value>> getOrderingOperands(Operation *op) {
  if (isElementwise(op))
    return SmallVector<Value>(op->getOperands());
  if (auto norm = dyn_cast<sink::NormInterface>(op))
    return SmallVector<Value>(norm.getSummands());
  if (auto attention = dyn_cast<sink::AttentionOp>(op))
    return SmallVector<Value>{attention.getQuery()};
  // Split and Concat could put later tokens in front of earlier ones.
  if (isa<MatMulOp, GemmOp, TransposeOp, ReshapeOp, UnsqueezeOp, SqueezeOp>(op))
    return SmallVector<Value>{op->getOperand(0)};
  return std::nullopt;
}

bool basin::keepsTokenOrder(Value value, const TokenRows &rows) {
  SmallVector<Value> open{value};
  DenseSet<Value> seen;
  while (!open.empty()) {
    Value next = open.pop_back_val();
    TokenRow::Kind kind = rows.get(next).kind;
    if (kind == TokenRow::Rows || kind == TokenRow::Same || !seen.insert(next).second)
      continue;
    Operation *op = next.getDefiningOp();
    // Looked up in a constant table, what counts tokens gives them no order.
    if (op && isa<GatherOp>(op) && rows.get(op->getOperand(0)).kind == TokenRow::Same)
      continue;
    std::optional<SmallVector<Value>> operands =
        op ? getOrderingOperands(op) : std::optional<SmallVector<Value>>();
    if (!operands)
      return false;
    for (Value operand : *operands)
      if (operand)
        open.push_back(operand);
  }
  return true;
}
