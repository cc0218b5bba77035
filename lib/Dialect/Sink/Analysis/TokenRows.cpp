//===- TokenRows.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One pass over the graph's ops, in order. The rules of single ops are in TokenRowRules.cpp.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Sink/Analysis/TokenRows.h"

#include "TokenRowRules.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Support/WhyNot.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

TokenRows::TokenRows(GraphOp graph, ValueRange tokens) {
  Block &body = graph.getBody().front();
  DenseSet<StringAttr> lengths;
  for (Value input : tokens) {
    TensorInfo info = getTensorInfo(input);
    StringAttr length = info[info.rank() - 1].name;
    rows[input] = {TokenRow::Rows, unsigned(info.rank() - 1), length};
    lengths.insert(length);
  }
  for (BlockArgument argument : body.getArguments())
    if (TensorInfo info = getTensorInfo(argument); info.hasRank())
      for (const Dim &dim : *info.dims)
        if (dim.isSymbol() && !lengths.contains(dim.name))
          fixedSizes.insert(dim.name);
  for (Operation &op : body)
    visit(&op);
}

ArrayRef<TokenRowOperand> TokenRows::getWholeOperands(Operation *op) const {
  auto found = whole.find(op);
  return found == whole.end() ? ArrayRef<TokenRowOperand>() : found->second;
}

/// Returns whether an integer value holds only constants and sizes in `fixed`.
static bool isFixedSize(Value value, const DenseSet<StringAttr> &fixed) {
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank() || info.rank() > 1 || !isa_and_nonnull<IntegerType>(info.element))
    return false;
  std::optional<ShapeValue> entries = evaluateShapeValue(value);
  return entries && llvm::all_of(*entries, [&](const ShapeEntry &entry) {
           return entry.constant || (entry.symbol && fixed.contains(entry.symbol));
         });
}

/// The reason of an op that only sees what counts tokens. Why that is no row is found above it.
static constexpr StringLiteral kNotFollowed = "what counts tokens is not followed through it";

/// Returns why rows cannot lie along their axis. A file may declare a type that contradicts the
/// operands. Nothing is claimed about such a value, since all rules read the axes of types.
static WhyNot checkAxis(Operation *op, const TokenRow &row) {
  for (Value result : op->getResults())
    if (TensorInfo info = getTensorInfo(result);
        row.kind == TokenRow::Rows && info.hasRank() && row.axis >= info.rank())
      return llvm::formatv("its tokens lie along axis {0}, but its type has only {1}", row.axis,
                           info.rank())
          .str();
  return std::nullopt;
}

void TokenRows::visit(Operation *op) {
  bool hasRows = false, hasPositions = false, hasOther = false;
  auto note = [&](Value value) {
    TokenRow::Kind kind = get(value).kind;
    // What depends on the last token has a rule of its own, as rows have.
    bool isRow = kind == TokenRow::Rows || kind == TokenRow::Last;
    hasRows |= isRow;
    hasPositions |= kind == TokenRow::Positions;
    hasOther |= kind != TokenRow::Same && !isRow;
  };
  for (Value operand : op->getOperands())
    note(operand);
  bool hasInnerRows = false;
  // A raised op means what its operands say. What else its form takes from outside are sizes.
  if (op->getNumRegions() != 0 && !isa<sink::RaisedInterface>(op))
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (operand.getParentBlock() == op->getBlock()) {
          hasInnerRows |= get(operand).kind == TokenRow::Rows;
          hasOther |= get(operand).kind != TokenRow::Same;
        }
    });
  hasRows |= hasInnerRows;
  if (!hasRows && !hasOther)
    return;
  auto lookup = [&](Value value) { return get(value); };
  RowOutcome outcome;
  bool isSize = isa<ShapeOp, SizeOp>(op);
  if (hasInnerRows)
    outcome.why = "its body reads tokens from outside";
  else if (hasRows && !isSize)
    outcome = RowRule(op, lookup).apply();
  if (WhyNot why = outcome.row ? checkAxis(op, *outcome.row) : std::nullopt) {
    reasons[op] = *why;
    for (Value result : op->getResults())
      rows[result] = {TokenRow::Other};
    return;
  }
  if (!outcome.row) {
    std::optional<TokenRow> positions;
    if (op->getNumRegions() == 0)
      positions = PositionRule(op, lookup, fixedSizes).apply();
    if (!isSize && hasRows)
      reasons[op] = outcome.why;
    else if (!isSize && hasPositions && !positions)
      reasons[op] = kNotFollowed;
    for (Value result : op->getResults())
      rows[result] = isFixedSize(result, fixedSizes)
                         ? TokenRow{TokenRow::Same}
                         : positions.value_or(TokenRow{TokenRow::Other});
    return;
  }
  for (Value result : op->getResults())
    rows[result] = *outcome.row;
  if (!outcome.whole.empty())
    whole[op] = std::move(outcome.whole);
}

/// Returns the op above `value` that has a reason and above which no other has one. Null if there
/// is none.
Operation *TokenRows::findCause(Value value) const {
  SmallVector<Value> open{value};
  DenseSet<Value> seen;
  Operation *cause = nullptr;
  while (!open.empty()) {
    Value next = open.pop_back_val();
    Operation *op = next.getDefiningOp();
    if (!op || !seen.insert(next).second)
      continue;
    if (reasons.contains(op)) {
      // What follows from here is the cause of this.
      cause = op;
      open.clear();
    }
    bool isNotFollowed = cause && reasons.lookup(cause) == kNotFollowed;
    for (Value operand : op->getOperands())
      if (TokenRow::Kind kind = get(operand).kind;
          kind == TokenRow::Other || (kind == TokenRow::Positions && isNotFollowed))
        open.push_back(operand);
  }
  return cause;
}

LogicalResult TokenRows::refuse(Value value, const Twine &what) const {
  if (Operation *op = findCause(value))
    return op->emitError("'") << getStreamValueName(op->getResult(0))
                              << "' is not proven to be computed token by token: "
                              << reasons.lookup(op) << "; so " << what
                              << " may depend on the prefix in other ways than by causal attention";
  Operation *op = value.getDefiningOp();
  Location loc = op ? op->getLoc() : value.getLoc();
  return emitError(loc) << what << " depends on the number of tokens, and not on the tokens alone";
}
