//===- InstrumentPrefix.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes outputs of the keys and values of the attentions that `sink-absorb-prefix` changes, and
// says in the metadata which inputs have tokens.
//
//===----------------------------------------------------------------------===//

#include "GraphOutputs.h"
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
};

} // namespace

/// Returns an output with the elements of `value`.
static sink::GraphOutput makeOutput(Value value, const std::string &name, Block &body) {
  OpBuilder b(body.getTerminator());
  Value copy = NodeBuilder(b, value.getLoc()).node<IdentityOp>({value});
  setValueName(cast<OpResult>(copy), name);
  return {name, copy, cast<RankedTensorType>(value.getType())};
}

void InstrumentPrefixPass::runOnOperation() {
  auto graphs = getOperation().getOps<GraphOp>();
  if (!llvm::hasSingleElement(graphs))
    return;
  GraphOp graph = *graphs.begin();
  FailureOr<SmallVector<int64_t>> prefix = sink::readPrefix(getOperation(), ids);
  if (failed(prefix))
    return signalPassFailure();
  FailureOr<sink::PrefixInputs> inputs =
      sink::findPrefixInputs(graph, tokens, mask, positions, *prefix);
  if (failed(inputs))
    return signalPassFailure();
  sink::refineTypes(graph, *inputs);
  TokenRows rows(graph, inputs->list());
  auto attentions = sink::findPrefixAttentions(graph, rows, *inputs);
  if (failed(attentions))
    return signalPassFailure();
  SmallVector<sink::GraphOutput> outputs;
  json::Array names;
  json::Object tokenAxes;
  for (auto [info, value] : llvm::zip(graph.getInfo().getOutputs(),
                                      graph.getBody().front().getTerminator()->getOperands()))
    if (TokenRow row = rows.get(value); row.kind == TokenRow::Rows)
      tokenAxes[json::fixUTF8(cast<ValueInfoAttr>(info).getName().getValue())] = row.axis;
  for (sink::AttentionOp op : *attentions) {
    Block &body = graph.getBody().front();
    outputs.push_back(makeOutput(op.getKey(), sink::getPrefixKeyName(op), body));
    outputs.push_back(makeOutput(op.getValue(), sink::getPrefixValueName(op), body));
  }
  for (const sink::GraphOutput &output : outputs)
    names.push_back(output.name);
  sink::addOutputs(graph, outputs);
  auto nameOrNull = [](Value value) {
    return value ? json::Value(getValueName(value)) : json::Value(nullptr);
  };
  json::Object described{{"ids", nameOrNull(inputs->ids)},
                         {"mask", nameOrNull(inputs->mask)},
                         {"positions", nameOrNull(inputs->positions)},
                         {"prefix", json::Array(*prefix)},
                         {"token_axes", std::move(tokenAxes)},
                         {"outputs", std::move(names)}};
  setMetadata(getOperation(), "basin.prefix-run",
              llvm::formatv("{0}", json::Value(std::move(described))).str());
}
