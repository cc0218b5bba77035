//===- PrefixAttentions.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The keys and values of the first tokens are the same for all sequences that start with them, if
// no later token and no other input reaches them. TokenRows proves the first for all ops but
// attentions, whose causality recognition proves. Other inputs are followed here.
//
//===----------------------------------------------------------------------===//

#include "PrefixAttentions.h"
#include "PrefixOperands.h"

#include "Statistics.h"

#include "basin/Dialect/ONNX/IR/QuoteName.h"
#include "basin/Dialect/ONNX/Utils/Metadata.h"
#include "basin/Dialect/ONNX/Utils/ParseJSON.h"
#include "basin/Dialect/Sink/Analysis/AttentionOrigin.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;
namespace json = llvm::json;

std::string basin::sink::getPrefixKeyName(sink::AttentionOp op) {
  return (getStreamValueName(op.getResult()) + ".prefix_key").str();
}
std::string basin::sink::getPrefixValueName(sink::AttentionOp op) {
  return (getStreamValueName(op.getResult()) + ".prefix_value").str();
}

//===----------------------------------------------------------------------===//
// Ids
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<int64_t>> basin::sink::readPrefix(ModuleOp module,
                                                        ArrayRef<std::string> ids) {
  std::string text = llvm::join(ids, ",");
  StringRef given = text;
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  std::string path;
  if (given.consume_front("@")) {
    path = decodePath(given);
    auto file = llvm::MemoryBuffer::getFile(path);
    if (!file)
      return module.emitError("option 'ids': ")
             << quoteName(path) << ": " << file.getError().message();
    // Far more ids than any table of positions has.
    constexpr size_t kMostBytes = 1 << 24;
    if ((*file)->getBufferSize() > kMostBytes)
      return module.emitError("option 'ids': expected a file of at most ")
             << kMostBytes << " bytes, but " << quoteName(path) << " has "
             << (*file)->getBufferSize();
    buffer = std::move(*file);
    given = buffer->getBuffer();
  }
  SmallVector<int64_t> out;
  SmallVector<StringRef> words;
  llvm::SplitString(given, words, path.empty() ? "," : ", \t\r\n[]");
  for (StringRef word : words) {
    int64_t id;
    if (word.getAsInteger(10, id) || id < 0)
      return module.emitError("option 'ids': expected ids of tokens, integers of at least 0, "
                              "but got ")
             << quoteName(word);
    out.push_back(id);
  }
  if (out.empty())
    return module.emitError("option 'ids': expected the ids of the prefix's tokens, but got none");
  return out;
}

LogicalResult basin::sink::recordPrefix(ModuleOp module, ArrayRef<int64_t> ids) {
  json::Array list;
  if (std::optional<StringRef> text = getMetadata(module, kPrefixKey)) {
    llvm::Expected<json::Value> old = parseJSON(*text);
    json::Array *given = old ? old->getAsArray() : nullptr;
    if (!given || !llvm::all_of(*given, [](auto &id) { return id.getAsInteger().has_value(); })) {
      llvm::consumeError(old.takeError());
      return module.emitError("metadata '") << kPrefixKey << "': expected a list of ids";
    }
    list = std::move(*given);
  }
  for (int64_t id : ids)
    list.push_back(id);
  setMetadata(module, kPrefixKey, llvm::formatv("{0}", json::Value(std::move(list))).str());
  return success();
}

//===----------------------------------------------------------------------===//
// Facts
//===----------------------------------------------------------------------===//

namespace {

/// Finds values that depend on inputs other than tokens.
class OtherInputs {
public:
  OtherInputs(GraphOp graph, const PrefixInputs &inputs) {
    Block &body = graph.getBody().front();
    SmallVector<Value> tokens = inputs.list();
    for (BlockArgument argument : body.getArguments())
      if (!llvm::is_contained(tokens, argument))
        from[argument] = argument;
    for (Operation &op : body) {
      if (isa<ShapeOp, SizeOp>(op))
        continue;
      Value source;
      op.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (Value other = from.lookup(operand))
            source = other;
      });
      if (source)
        for (Value result : op.getResults())
          from[result] = source;
    }
  }

  /// Returns the input on which `value` depends, or null.
  Value find(Value value) const { return from.lookup(value); }

private:
  DenseMap<Value, Value> from;
};

} // namespace

/// Returns why the attention's operands do not allow more keys, if they do not.
static std::optional<std::string> findObstacle(sink::AttentionOp op) {
  if (op.getLastKey() || op.getMaskKind() == MaskKind::lengths)
    return "its operator counts the keys of each batch element";
  for (Layout layout : {op.getQueryLayout(), op.getKeyLayout(), op.getValueLayout()})
    if (layout == Layout::packed)
      return "its operator splits or rotates the tokens' projections itself";
  for (Value more : op.getMore())
    for (Operation *user : more.getUsers())
      if (!isa<ShapeOp>(user) || user->hasAttr("start") || user->hasAttr("end") ||
          !findSizesOf(op.getQuery(), more))
        return "its inner value '" + getStreamValueName(more).str() + "' is used outside";
  return std::nullopt;
}

/// Returns whether the attention's keys are those of tokens. Fails with a diagnostic if something
/// is not proven.
static FailureOr<bool> examine(sink::AttentionOp op, const TokenRows &rows,
                               const OtherInputs &others) {
  std::string what = "attention '" + getStreamValueName(op.getResult()).str() + "'";
  TokenRow key = rows.get(op.getKey()), value = rows.get(op.getValue());
  if (key.kind == TokenRow::Same && value.kind == TokenRow::Same)
    return false;
  // A cache is the reason for which keys have other rows, too, so it is named first.
  if (op.getHasPresent() || op.getPastKey() || hasCache(op))
    return op.emitError(what)
           << " has a cache; write the prefix to an initial past instead: OUT is "
              "a file that ends in .npz";
  for (Value operand : {op.getQuery(), op.getKey(), op.getValue()})
    if (rows.get(operand).kind == TokenRow::Other)
      return rows.refuse(operand, what);
  // Without rows, an operand is what all sequences have in common, or depends on one token.

  if (std::optional<std::string> why = findObstacle(op))
    return op.emitError(what) << " cannot take the prefix: " << *why;
  bool fits = rows.get(op.getQuery()).isRowsAlong(getSequenceAxis(op.getQueryLayout())) &&
              key.isRowsAlong(getSequenceAxis(op.getKeyLayout())) &&
              value.isRowsAlong(getSequenceAxis(op.getValueLayout()));
  if (!fits)
    return op.emitError(what) << " is not proven to have its queries, keys and values along tokens";
  if (!op.getCausal())
    return op.emitError(what)
           << " is not proven to be causal, so the prefix's keys may depend on later tokens";
  for (Value operand : {op.getQuery(), op.getKey(), op.getValue()})
    if (Value input = others.find(operand))
      return op.emitError(what) << " reads the input '" << getValueName(input)
                                << "', so the prefix's keys and values may differ between runs";
  return true;
}

FailureOr<SmallVector<sink::AttentionOp>>
basin::sink::findPrefixAttentions(GraphOp graph, const TokenRows &rows,
                                  const PrefixInputs &inputs) {
  Block &body = graph.getBody().front();
  OtherInputs others(graph, inputs);
  SmallVector<sink::AttentionOp> out;
  WalkResult walked = graph.walk([&](sink::AttentionOp op) {
    if (op->getBlock() != &body) {
      op.emitError("attention '") << getStreamValueName(op.getResult())
                                  << "' stands in a subgraph, which may run under conditions";
      return WalkResult::interrupt();
    }
    FailureOr<bool> takes = examine(op, rows, others);
    if (failed(takes))
      return WalkResult::interrupt();
    if (*takes)
      out.push_back(op);
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  for (Value output : body.getTerminator()->getOperands())
    if (rows.get(output).kind == TokenRow::Other || rows.get(output).kind == TokenRow::Positions)
      return rows.refuse(output, "output '" + getStreamValueName(output) + "'");
  for (Value output : body.getTerminator()->getOperands())
    if (rows.get(output).kind == TokenRow::Rows && rows.get(output).isJoined)
      return graph.emitError("output '")
             << getStreamValueName(output) << "' has batch and tokens as one axis, of which the "
             << "prefix's rows cannot be left out";
  if (out.empty())
    return graph.emitError("expected a causal attention among tokens, but there is none");
  return out;
}
