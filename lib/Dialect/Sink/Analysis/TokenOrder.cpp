//===- TokenOrder.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Follows a value up to rows of tokens, along the operands that give an op's result its rows: all
// of an elementwise op, the query of attention, the left factor of a product, what a view or a
// reduction reads. A mask or a table does not order the rows.
//
//===----------------------------------------------------------------------===//

#include "TokenRowRules.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/Analysis/TokenRows.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// Returns whether the op takes apart or joins axes of static sizes alone, which count no tokens.
static bool isAlongStaticAxes(Operation *op) {
  TensorInfo info = getTensorInfo(op->getOperand(0));
  if (!info.hasRank())
    return false;
  std::optional<SmallVector<int64_t>> axes = getAxes(op, info.rank());
  return axes && llvm::all_of(*axes, [&](int64_t axis) { return info[axis].isStatic(); });
}

/// Returns the operands whose order of tokens the op's results have, or nothing if that is not
/// known.
static std::optional<SmallVector<Value>> getOrderingOperands(Operation *op) {
  if (isElementwise(op))
    return SmallVector<Value>(op->getOperands());
  if (auto norm = dyn_cast<sink::NormInterface>(op))
    return SmallVector<Value>(norm.getSummands());
  if (auto attention = dyn_cast<sink::AttentionOp>(op))
    return SmallVector<Value>{attention.getQuery()};
  // These could choose tokens, or put later ones in front of earlier ones.
  if (isa<SplitOp, SliceOp, ConcatOp>(op))
    return isAlongStaticAxes(op) ? std::optional(SmallVector<Value>(op->getOperands()))
                                 : std::nullopt;
  if (isa<MatMulOp, GemmOp, TransposeOp, ReshapeOp, UnsqueezeOp, SqueezeOp, SoftmaxOp, ReduceMeanOp,
          ReduceSumOp, ReduceMaxOp, ReduceMinOp>(op))
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
    // No static size counts tokens.
    if (auto type = dyn_cast<RankedTensorType>(next.getType()); type && type.hasStaticShape())
      continue;
    Operation *op = next.getDefiningOp();
    // Looked up in a constant table, what counts tokens gives them no order.
    if (isa_and_nonnull<GatherOp>(op) && rows.get(op->getOperand(0)).kind == TokenRow::Same)
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
