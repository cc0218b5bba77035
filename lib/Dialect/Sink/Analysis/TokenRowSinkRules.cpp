//===- TokenRowSinkRules.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The operands of sink ops say what these mean. Their forms do not matter.
//
//===----------------------------------------------------------------------===//

#include "TokenRowRules.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

RowOutcome RowRule::applySinkOp() {
  if (auto attention = dyn_cast<sink::AttentionOp>(op))
    return applyAttention(attention);
  if (auto rotary = dyn_cast<sink::RotaryOp>(op))
    return applyRotary(rotary);
  // Norms, gates and dynamic tanh look along the last axis.
  Value x = op->getOperand(0);
  TensorInfo info = getTensorInfo(x);
  TokenRow row = get(x);
  if (row.kind != TokenRow::Rows || !info.hasRank() || int64_t(row.axis) + 1 == info.rank())
    return fail("it looks at all tokens");
  auto norm = dyn_cast<sink::NormInterface>(op);
  for (Value operand : op->getOperands().drop_front()) {
    TokenRow other = get(operand);
    bool isResidual = norm && operand == norm.getResidual();
    bool isSum = isResidual && other.kind == TokenRow::Rows && other.axis == row.axis &&
                 other.isJoinedLike(row) && getTensorInfo(operand).hasRank() &&
                 getTensorInfo(operand).rank() == info.rank();
    if (!isSum && other.kind != TokenRow::Same)
      return fail(quote(operand) + " depends on the tokens in another way");
  }
  return give(row);
}

RowOutcome RowRule::applyRotary(sink::RotaryOp rotary) {
  TensorInfo info = getTensorInfo(rotary.getX());
  TokenRow row = get(rotary.getX());
  sink::Layout layout = rotary.getLayout();
  unsigned sequence = sink::getSequenceAxis(layout);
  if (!row.isRowsAlong(sequence) || !info.hasRank())
    return fail("tokens do not lie along its sequence");
  RowOutcome outcome = give(row);
  bool isFlat = layout == sink::Layout::bsd;
  for (OpOperand &operand : op->getOpOperands().drop_front()) {
    TokenRow other = get(operand.get());
    TensorInfo table = getTensorInfo(operand.get());
    if (!table.hasRank())
      return fail("the rank of " + quote(operand.get()) + " is not known");
    if (rotary.getPositions()) {
      // Caches are the same, and positions [batch, sequence] have rows or count.
      bool isPositions = operand.get() == rotary.getPositions();
      if (isPositions ? other.isRowsAlong(1) : other.kind == TokenRow::Same)
        continue;
      if (!isPositions || other.kind != TokenRow::Positions || table.rank() != 2 ||
          !table[1].provablyEquals(Dim(row.tokens)))
        return fail(quote(operand.get()) + " depends on the tokens in another way");
      outcome.whole.push_back({&operand, 1});
      continue;
    }
    // [sequence, n], [batch, sequence, n], or the rank of x with its heads apart.
    unsigned apart = info.rank() + (isFlat ? 1 : 0);
    unsigned axis = table.rank() == apart ? sequence : table.rank() - 2;
    if (table.rank() < 2 || table.rank() > apart)
      return fail("the axes of " + quote(operand.get()) + " are not known");
    bool fits = table[axis].provablyEquals(Dim(row.tokens));
    if (other.isRowsAlong(axis) || (other.kind == TokenRow::Same && table[axis].is(1)))
      continue;
    if (other.kind != TokenRow::Positions || (!fits && !table[axis].is(1)))
      return fail("the tokens of " + quote(operand.get()) + " are not proven");
    outcome.whole.push_back({&operand, fits ? std::optional<unsigned>(axis) : std::nullopt});
  }
  return outcome;
}

/// What an attention does to its keys and its mask is the rewrite's own business. Here it only
/// keeps the rows of its query.
RowOutcome RowRule::applyAttention(sink::AttentionOp attention) {
  sink::Layout from = attention.getQueryLayout(), to = attention.getResultLayout();
  if (from == sink::Layout::packed || to == sink::Layout::packed)
    return fail("its operator splits the tokens' projections itself");
  TokenRow row = get(attention.getQuery());
  if (!row.isRowsAlong(sink::getSequenceAxis(from)))
    return fail("tokens do not lie along the sequence of its query");
  for (Value operand : {attention.getSinkLogit(), attention.getSinkKey(), attention.getSinkValue()})
    if (operand && get(operand).kind != TokenRow::Same)
      return fail(quote(operand) + " depends on the tokens");
  // A gate is broadcast to the result.
  TensorInfo gate = getTensorInfo(attention.getGate());
  if (attention.getGate()) {
    TokenRow scores = get(attention.getGate());
    std::optional<int64_t> rank = sink::getRankOf(to);
    int64_t axis = gate.hasRank() ? gate.rank() - *rank + int64_t(sink::getSequenceAxis(to)) : -1;
    bool fits =
        gate.hasRank() && (scores.kind == TokenRow::Same ? axis < 0 || gate[axis].is(1)
                                                         : axis >= 0 && scores.isRowsAlong(axis));
    if (!fits)
      return fail("tokens do not lie along the sequence of its gate");
  }
  return give(row.along(sink::getSequenceAxis(to)));
}
