//===- InstrumentSmoothing.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes outputs of the values that sink-smooth can scale, and describes the groups in the model's
// metadata.
//
//===----------------------------------------------------------------------===//

#include "GraphOutputs.h"
#include "NormRewrites.h"
#include "SmoothGroups.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Metadata.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
namespace json = llvm::json;

namespace basin::sink {
#define GEN_PASS_DEF_INSTRUMENTSMOOTHINGPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {

class InstrumentSmoothingPass
    : public basin::sink::impl::InstrumentSmoothingPassBase<InstrumentSmoothingPass> {
public:
  using InstrumentSmoothingPassBase::InstrumentSmoothingPassBase;
  void runOnOperation() override;
};

} // namespace

/// Makes an output of the group's value, in f32, and returns its name.
static std::string addOutput(const sink::SmoothGroup &group, sink::ParameterNames &names,
                             SmallVector<sink::GraphOutput> &outputs) {
  Value value = group.value;
  OpBuilder b(value.getParentBlock()->getTerminator());
  NodeBuilder n(b, value.getLoc());
  Value copy = n.node<IdentityOp>({value});
  copy = n.cast(copy, b.getF32Type());
  std::string name = names.make((group.names.front() + ".channels").str());
  setValueName(cast<OpResult>(copy), name);
  SmallVector<int64_t> shape(getTensorInfo(value).rank(), ShapedType::kDynamic);
  shape.back() = group.channels;
  outputs.push_back({name, copy, RankedTensorType::get(shape, b.getF32Type())});
  return json::fixUTF8(name);
}

/// Describes a group: its channels, those that must have equal factors, and its matrices.
static json::Object describeGroup(const sink::SmoothGroup &group) {
  json::Array names, products;
  for (StringRef name : group.names)
    names.push_back(json::fixUTF8(name));
  for (const sink::SmoothProduct &product : group.products) {
    Value matrix = product.matrix.getWeight(), result = product.input->getOwner()->getResult(0);
    products.push_back(json::Object{{"matrix", json::fixUTF8(getValueName(matrix))},
                                    {"rows", product.matrix.axis},
                                    {"result", json::fixUTF8(getStreamValueName(result))}});
  }
  json::Object entry{
      {"names", std::move(names)}, {"channels", group.channels}, {"products", std::move(products)}};
  SmallVector<int64_t> ties = group.getTies();
  if (!llvm::equal(ties, llvm::seq<int64_t>(0, group.channels)))
    entry["ties"] = json::Array(ties);
  entry["origin"] = group.whyNotFolded ? "none" : toString(group.origin.kind);
  return entry;
}

void InstrumentSmoothingPass::runOnOperation() {
  auto pattern = sink::parsePattern(getOperation(), "groups", groups, "all");
  if (failed(pattern))
    return signalPassFailure();
  SmallVector<sink::SmoothGroup, 0> found = sink::findSmoothGroups(getOperation(), *pattern);
  auto graphs = getOperation().getOps<GraphOp>();
  sink::ParameterNames names(getOperation());
  SmallVector<sink::GraphOutput> outputs;
  json::Array described, skipped;
  for (const sink::SmoothGroup &group : found) {
    WhyNot why = isExplicit ? group.whyNot : group.whyNotFolded;
    if (why || !llvm::hasSingleElement(graphs)) {
      skipped.push_back(json::Object{{"name", json::fixUTF8(group.names.front())},
                                     {"why", json::fixUTF8(why.value_or("several graphs"))}});
      if (why && explains)
        emitRemark(group.value.getLoc(), "'")
            << group.names.front() << "' is not smoothed: " << *why;
      continue;
    }
    json::Object entry = describeGroup(group);
    if (measures)
      entry["output"] = addOutput(group, names, outputs);
    described.push_back(std::move(entry));
  }
  if (!outputs.empty())
    sink::addOutputs(*graphs.begin(), outputs);
  json::Value run = json::Object{{"groups", std::move(described)}, {"skipped", std::move(skipped)}};
  setMetadata(getOperation(), "basin.smooth-run", llvm::formatv("{0}", run).str());
}
