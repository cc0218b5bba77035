//===- ValueRanges.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two passes on the exporter's own nodes, before anything is raised: one measures what each node
// computes, and one rounds it to f16, as a conversion of the whole model to f16 would.
//
//===----------------------------------------------------------------------===//

#include "GraphOutputs.h"
#include "NormRewrites.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
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
#define GEN_PASS_DEF_INSTRUMENTRANGESPASS
#define GEN_PASS_DEF_ROUNDTOF16PASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

static bool isWide(Value value) {
  Type element = getTensorInfo(value).element;
  return element && (element.isF32() || element.isF64());
}

/// Returns the values in f32 or f64 of a block, in program order: inputs of the graph, constants
/// and results of nodes.
static SmallVector<Value> findValues(Block &block) {
  SmallVector<Value> out;
  for (Value argument : block.getArguments())
    if (isWide(argument))
      out.push_back(argument);
  for (Operation &op : block)
    for (Value result : op.getResults())
      if (isWide(result))
        out.push_back(result);
  return out;
}

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

namespace {
class InstrumentRangesPass
    : public basin::sink::impl::InstrumentRangesPassBase<InstrumentRangesPass> {
public:
  using InstrumentRangesPassBase::InstrumentRangesPassBase;
  void runOnOperation() override;
};
} // namespace

void InstrumentRangesPass::runOnOperation() {
  auto graphs = getOperation().getOps<GraphOp>();
  if (!llvm::hasSingleElement(graphs)) {
    getOperation().emitError("expected one main graph");
    return signalPassFailure();
  }
  GraphOp graph = *graphs.begin();
  Block &body = graph.getBody().front();
  sink::ParameterNames names(getOperation());
  SmallVector<sink::GraphOutput> outputs;
  json::Array entries;
  for (Value value : findValues(body)) {
    if (isa_and_nonnull<InitializerOp, ConstantOp>(value.getDefiningOp()))
      continue;
    OpBuilder b(body.getTerminator());
    NodeBuilder n(b, value.getLoc());
    Type f32 = b.getF32Type();
    Value flat = n.reshape(n.cast(n.node<AbsOp>({value}), f32), {-1});
    // Zero, so that no maximum is over no elements.
    Value padded = n.concat({flat, n.reshape(n.scalar(0.0, f32), {1})}, 0);
    Value largest = n.reduceMax(padded, {0});
    std::string output = names.make(("basin.range." + Twine(outputs.size())).str());
    setValueName(cast<OpResult>(largest), output);
    outputs.push_back({output, largest, RankedTensorType::get({1}, f32)});
    Operation *def = value.getDefiningOp();
    auto node = dyn_cast_or_null<NodeInterface>(def);
    entries.push_back(json::Object{
        {"name", json::fixUTF8(getValueName(value))},
        {"output", output},
        {"op", node ? json::Value(json::fixUTF8(node.getOpType())) : json::Value(nullptr)}});
    ++numMeasured;
  }
  sink::addOutputs(graph, outputs);
  setMetadata(getOperation(), "basin.ranges-run",
              llvm::formatv("{0}", json::Value(std::move(entries))).str());
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

namespace {
class RoundToF16Pass : public basin::sink::impl::RoundToF16PassBase<RoundToF16Pass> {
public:
  using RoundToF16PassBase::RoundToF16PassBase;
  void runOnOperation() override;

private:
  void round(Value value);
};
} // namespace

/// Replaces the uses of the value by what f16 keeps of it.
void RoundToF16Pass::round(Value value) {
  constexpr double kLargest = 65504.0;
  bool isStored = isa_and_nonnull<InitializerOp, ConstantOp>(value.getDefiningOp());
  SmallVector<OpOperand *> uses;
  for (OpOperand &use : value.getUses())
    uses.push_back(&use);
  if (uses.empty())
    return;
  OpBuilder b(value.getContext());
  b.setInsertionPointAfterValue(value);
  NodeBuilder n(b, value.getLoc());
  Type element = getTensorInfo(value).element;
  Value kept = value;
  // Converters clamp what they store, such as the lowest number of f32 in a mask.
  if (isStored)
    kept = n.node<ClipOp>({value, n.scalar(-kLargest, element), n.scalar(kLargest, element)});
  kept = n.cast(n.cast(kept, b.getF16Type()), element);
  kept.setType(value.getType());
  for (OpOperand *use : uses)
    use->set(kept);
  ++numRounded;
}

void RoundToF16Pass::runOnOperation() {
  constexpr int64_t kFirst = 13;
  if (getOpsetVersion(getOperation()) < kFirst) {
    getOperation().emitError("expected opset 13 or later to round values, but got ")
        << getOpsetVersion(getOperation());
    return signalPassFailure();
  }
  SmallVector<Value> values;
  getOperation().walk([&](Block *block) {
    if (!isa<ModuleOp>(block->getParentOp()))
      llvm::append_range(values, findValues(*block));
  });
  for (Value value : values)
    round(value);
}
