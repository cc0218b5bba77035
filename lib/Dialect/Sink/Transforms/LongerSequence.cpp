//===- LongerSequence.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A graph computes what it did for longer sequences if its inputs alone say how many tokens there
// are. Then only its outputs need care: which of their axes count tokens.
//
//===----------------------------------------------------------------------===//

#include "LongerSequence.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/Analysis/AttentionOrigin.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

static LogicalResult checkInput(GraphOp graph, Value input, StringAttr tokens) {
  std::string name = getValueName(input).lower();
  for (StringRef part : {"past", "cache"})
    if (StringRef(name).contains(part))
      return graph.emitError("input '") << getValueName(input) << "' seems to be a cache, "
                                        << "so tokens would be put in front of each of its runs";
  TensorInfo info = getTensorInfo(input);
  // GroupQueryAttention takes the number of keys as such an input.
  if (isa_and_nonnull<IntegerType>(info.element) && !info.element.isInteger(1) && info.hasRank() &&
      (info.rank() < 2 || info.dims->back().is(1)))
    return graph.emitError("input '")
           << getValueName(input) << "' has integers that may count tokens";
  bool mayCount = !info.hasRank() || llvm::any_of(*info.dims, [&](const Dim &dim) {
    return dim.isUnknown() || (dim.isSymbol() && dim.name == tokens);
  });
  if (!mayCount)
    return success();
  return graph.emitError("input '")
         << getValueName(input) << "' may have an element for each token, and what it has for more "
         << "tokens is not known: " << (info.hasRank() ? toString(*info.dims) : "no rank");
}

LogicalResult basin::sink::checkLongerSequence(GraphOp graph, const TokenRows &rows,
                                               const PrefixInputs &inputs) {
  SmallVector<Value> tokens = inputs.list();
  StringAttr length = getTensorInfo(inputs.ids).dims->back().name;
  for (BlockArgument argument : graph.getBody().front().getArguments())
    if (!llvm::is_contained(tokens, argument) && failed(checkInput(graph, argument, length)))
      return failure();
  auto isCached = [](sink::AttentionOp op) {
    return op.getHasPresent() || op.getPastKey() || hasCache(op);
  };
  for (Operation &op : graph.getBody().front()) {
    auto attention = dyn_cast<sink::AttentionOp>(op);
    if (attention && attention.getLastKey() &&
        rows.get(attention.getLastKey()).kind == TokenRow::Same)
      return op.emitError("attention '") << getStreamValueName(op.getResult(0)) << "' has a number "
                                         << "of keys that is not computed from the tokens";
    if (attention && isCached(attention))
      return op.emitError("attention '") << getStreamValueName(op.getResult(0)) << "' has a cache, "
                                         << "so tokens would be put in front of each of its runs";
    if (op.getNumRegions() == 0 || isa<RaisedInterface>(op))
      continue;
    WalkResult walked = op.walk([&](Operation *inner) {
      bool sees = llvm::any_of(inner->getOperands(),
                               [&](Value value) { return rows.get(value).kind != TokenRow::Same; });
      return sees ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return op.emitError("'") << getNodeName(&op) << "' has a subgraph that sees tokens, whose "
                               << "sizes for more of them are not known";
  }
  return success();
}

/// Returns the only axis that a type says to have the size `tokens`, if its other sizes are static
/// or in `fixed`.
static std::optional<unsigned> findAxis(Type type, StringAttr tokens,
                                        const DenseSet<StringAttr> &fixed) {
  TensorInfo info = getTensorInfo(type);
  std::optional<unsigned> found;
  for (auto [axis, dim] : llvm::enumerate(info.hasRank() ? *info.dims : Dims())) {
    bool isTokens = dim.isSymbol() && dim.name == tokens;
    if (!dim.isStatic() && !isTokens && !(dim.isSymbol() && fixed.contains(dim.name)))
      return std::nullopt;
    if (isTokens && found)
      return std::nullopt;
    if (isTokens)
      found = axis;
  }
  return found;
}

FailureOr<SmallVector<std::optional<unsigned>>>
basin::sink::findTokenAxes(GraphOp graph, const TokenRows &rows, const PrefixInputs &inputs) {
  DenseSet<StringAttr> fixed = findFixedSizes(graph, inputs);
  StringAttr tokens = getTensorInfo(inputs.ids).dims->back().name;
  SmallVector<std::optional<unsigned>> axes;
  for (auto [declared, output] : llvm::zip(
           graph.getInfo().getOutputs(), graph.getBody().front().getTerminator()->getOperands())) {
    TokenRow row = rows.get(output);
    if (row.kind == TokenRow::Rows && row.isJoined)
      return graph.emitError("output '")
             << getStreamValueName(output) << "' has batch and tokens as one axis, of which the "
             << "first tokens' rows cannot be left out";
    axes.push_back(row.kind == TokenRow::Rows ? std::optional(row.axis) : std::nullopt);
    if (row.kind != TokenRow::Other && row.kind != TokenRow::Positions)
      continue;
    TensorInfo info = getTensorInfo(output);
    bool isFixed = info.hasRank() && llvm::all_of(*info.dims, [&](const Dim &dim) {
                     return dim.isStatic() || (dim.isSymbol() && fixed.contains(dim.name));
                   });
    if (isFixed)
      continue;
    Type type = cast<ValueInfoAttr>(declared).getType();
    for (Type one : {output.getType(), type})
      if (!axes.back() && keepsTokenOrder(output, rows))
        axes.back() = findAxis(one, tokens, fixed);
    if (!axes.back())
      return graph.emitError("output '")
             << getStreamValueName(output) << "' is not proven to have a row for each token, or a "
             << "size that does not depend on their number: "
             << (info.hasRank() ? toString(*info.dims) : "no rank");
  }
  return axes;
}
