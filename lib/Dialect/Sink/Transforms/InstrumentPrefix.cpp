//===- InstrumentPrefix.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes outputs of the keys and values of the attentions that `sink-absorb-prefix` changes, and
// says in the metadata which inputs and outputs have tokens.
//
//===----------------------------------------------------------------------===//

#include "GraphOutputs.h"
#include "LongerSequence.h"
#include "PrefixAttentions.h"

#include "basin/Dialect/ONNX/Utils/Metadata.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
namespace json = llvm::json;

namespace basin::sink {
#define GEN_PASS_DEF_INSTRUMENTPREFIXPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {

class InstrumentPrefixPass
    : public basin::sink::impl::InstrumentPrefixPassBase<InstrumentPrefixPass> {
public:
  using InstrumentPrefixPassBase::InstrumentPrefixPassBase;
  void runOnOperation() override;

private:
  LogicalResult instrument(GraphOp graph);
};

} // namespace

/// Returns an output with the elements of `value`.
static sink::GraphOutput makeOutput(Value value, const std::string &name, Block &body) {
  OpBuilder b(body.getTerminator());
  Value copy = NodeBuilder(b, value.getLoc()).node<IdentityOp>({value});
  setValueName(cast<OpResult>(copy), name);
  return {name, copy, cast<RankedTensorType>(value.getType())};
}

/// Returns the graph's outputs with a row for each token, and the axis of the rows.
static json::Object nameAxes(GraphOp graph, ArrayRef<std::optional<unsigned>> axes) {
  json::Object out;
  for (auto [info, axis] : llvm::zip(graph.getInfo().getOutputs(), axes))
    if (axis)
      out[json::fixUTF8(cast<ValueInfoAttr>(info).getName().getValue())] = *axis;
  return out;
}

/// Adds the outputs that sink-absorb-prefix needs.
static FailureOr<SmallVector<sink::GraphOutput>> addKeys(GraphOp graph, const TokenRows &rows,
                                                         const sink::PrefixInputs &inputs) {
  auto attentions = sink::findPrefixAttentions(graph, rows, inputs);
  if (failed(attentions))
    return failure();
  SmallVector<sink::GraphOutput> outputs;
  Block &body = graph.getBody().front();
  for (sink::AttentionOp op : *attentions) {
    outputs.push_back(makeOutput(op.getKey(), sink::getPrefixKeyName(op), body));
    outputs.push_back(makeOutput(op.getValue(), sink::getPrefixValueName(op), body));
  }
  return outputs;
}

LogicalResult InstrumentPrefixPass::instrument(GraphOp graph) {
  FailureOr<SmallVector<int64_t>> prefix = sink::readPrefix(getOperation(), ids);
  if (failed(prefix))
    return failure();
  FailureOr<sink::PrefixInputs> inputs =
      sink::findPrefixInputs(graph, tokens, mask, positions, *prefix);
  if (failed(inputs) || (!keys && failed(sink::findTokenTypes(graph, types, *inputs))))
    return failure();
  sink::refineTypes(graph, *inputs);
  TokenRows rows(graph, inputs->list());
  FailureOr<SmallVector<sink::GraphOutput>> outputs = SmallVector<sink::GraphOutput>();
  if (keys)
    outputs = addKeys(graph, rows, *inputs);
  if (failed(outputs) || (!keys && failed(sink::checkLongerSequence(graph, rows, *inputs))))
    return failure();
  auto axes = sink::findTokenAxes(graph, rows, *inputs);
  if (failed(axes))
    return failure();
  json::Object tokenAxes = nameAxes(graph, *axes);
  json::Array names;
  for (const sink::GraphOutput &output : *outputs)
    names.push_back(output.name);
  sink::addOutputs(graph, *outputs);
  auto nameOrNull = [](Value value) {
    return value ? json::Value(getValueName(value)) : json::Value(nullptr);
  };
  json::Object described{{"ids", nameOrNull(inputs->ids)},
                         {"mask", nameOrNull(inputs->mask)},
                         {"positions", nameOrNull(inputs->positions)},
                         {"types", nameOrNull(inputs->types)},
                         {"prefix", json::Array(*prefix)},
                         {"token_axes", std::move(tokenAxes)},
                         {"outputs", std::move(names)}};
  setMetadata(getOperation(), "basin.prefix-run",
              llvm::formatv("{0}", json::Value(std::move(described))).str());
  return success();
}

void InstrumentPrefixPass::runOnOperation() {
  auto graphs = getOperation().getOps<GraphOp>();
  if (llvm::hasSingleElement(graphs) && failed(instrument(*graphs.begin())))
    signalPassFailure();
}
