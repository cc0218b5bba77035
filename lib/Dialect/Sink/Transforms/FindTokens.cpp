//===- FindTokens.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the graph inputs that hold token ids and their mask, and makes the mask of the tokens.
//
//===----------------------------------------------------------------------===//

#include "TapStatistics.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

int64_t basin::sink::countTableRows(Value ids) {
  int64_t rows = 0;
  SmallVector<Value> work{ids};
  for (size_t i = 0; i < work.size() && i < 64; ++i)
    for (OpOperand &use : work[i].getUses()) {
      if (isa<CastOp, IdentityOp>(use.getOwner()))
        work.push_back(use.getOwner()->getResult(0));
      auto gather = dyn_cast<GatherOp>(use.getOwner());
      TensorInfo table = gather ? getTensorInfo(gather.getData()) : TensorInfo();
      if (gather && use.getOperandNumber() == 1 && gather.getAxis().value_or(0) == 0 &&
          table.hasRank() && table.rank() == 2 && table[0].isStatic())
        rows = std::max(rows, table[0].size);
    }
  return rows;
}

static bool isMatrixOf(Value value, bool integers) {
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank() || info.rank() != 2 || !info.element)
    return false;
  return !integers || (isa<IntegerType>(info.element) && !info.element.isInteger(1));
}

Value basin::sink::findInput(GraphOp graph, StringRef name) {
  for (BlockArgument argument : graph.getBody().front().getArguments())
    if (getValueName(argument) == name)
      return argument;
  return {};
}

/// Returns whether a graph input, other than the tokens, has a length of its own. Its second axis
/// tells, unless its name says that it belongs to the tokens or to their past.
static bool isOtherSequence(Value input, const Tokens &tokens) {
  TensorInfo info = getTensorInfo(input);
  if (!info.hasRank() || info.rank() < 2 || tokens.dims.size() != 2)
    return false;
  std::string name = getValueName(input).lower();
  for (StringRef part : {"mask", "past", "cache", "position", "token_type", "segment"})
    if (StringRef(name).contains(part))
      return false;
  return !info[1].provablyEquals(tokens.dims[1]);
}

LogicalResult basin::sink::findTokens(GraphOp graph, StringRef idsName, StringRef maskName,
                                      Tokens &tokens) {
  Block &body = graph.getBody().front();
  for (auto &[option, value] :
       {std::pair<StringRef, Value *>(idsName, &tokens.ids), {maskName, &tokens.maskInput}}) {
    if (option.empty())
      continue;
    *value = findInput(graph, option);
    if (!*value || !isMatrixOf(*value, value == &tokens.ids))
      return graph.emitError("expected a graph input '")
             << option << "' of rank 2" << (value == &tokens.ids ? " and integers" : "")
             << ", but there is none";
  }
  int64_t rows = 0;
  if (!tokens.ids)
    tokens.ids = findInput(graph, "input_ids");
  if (!tokens.ids || !isMatrixOf(tokens.ids, true)) {
    tokens.ids = Value();
    for (BlockArgument argument : body.getArguments())
      if (isMatrixOf(argument, true) && countTableRows(argument) > rows) {
        tokens.ids = argument;
        rows = countTableRows(argument);
      }
  }
  if (!tokens.maskInput)
    tokens.maskInput = findInput(graph, "attention_mask");
  if (!tokens.maskInput || !isMatrixOf(tokens.maskInput, false))
    tokens.maskInput = Value();
  Value first = tokens.ids ? tokens.ids : findInput(graph, "inputs_embeds");
  if (TensorInfo info = getTensorInfo(first); info.hasRank() && info.rank() >= 2)
    tokens.dims = {info[0], info[1]};
  tokens.alone = llvm::none_of(body.getArguments(), [&](BlockArgument argument) {
    return argument != first && argument != tokens.maskInput && isOtherSequence(argument, tokens);
  });
  if (!tokens.maskInput || tokens.dims.empty())
    return success();
  // The mask's last columns are those of the new tokens.
  OpBuilder b = OpBuilder::atBlockBegin(&body);
  NodeBuilder n(b, graph.getLoc(), "basin.tokens");
  tokens.mask = n.cast(tokens.maskInput, b.getI1Type());
  if (!getTensorInfo(tokens.maskInput)[1].provablyEquals(tokens.dims[1])) {
    Value begin = n.node<SubOp>({n.dims(tokens.maskInput, 1, 2), n.dims(first, 1, 2)});
    Value end = n.constant({std::numeric_limits<int64_t>::max()});
    tokens.mask = n.slice(tokens.mask, 1, begin, end);
  }
  return success();
}
