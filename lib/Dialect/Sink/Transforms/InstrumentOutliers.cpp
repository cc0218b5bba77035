//===- InstrumentOutliers.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Adds reductions to the graph, and their results to its outputs. The model's own nodes stay as
// they are, and so do its outputs. A runtime's optimizer may still treat values differently that
// now have more readers.
//
// If the graph is in the branches of an If, it is measured there. Each branch yields its own
// statistics, and tensors without elements for the statistics of the other branch.
//
//===----------------------------------------------------------------------===//

#include "FormScores.h"
#include "GraphOutputs.h"
#include "StreamRange.h"
#include "TapOrder.h"
#include "TapStatistics.h"

#include "basin/Dialect/ONNX/Utils/Metadata.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
namespace json = llvm::json;

namespace basin::sink {
#define GEN_PASS_DEF_INSTRUMENTOUTLIERSPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

using sink::kTapKinds;
using sink::Tap;
using sink::TapStatistic;

static constexpr int64_t kMinOpset = 11;

namespace {

/// Statistics that are to become outputs of the graph.
using Outputs = SmallVector<sink::GraphOutput>;

class InstrumentOutliersPass
    : public basin::sink::impl::InstrumentOutliersPassBase<InstrumentOutliersPass> {
public:
  using InstrumentOutliersPassBase::InstrumentOutliersPassBase;
  void runOnOperation() override;

private:
  LogicalResult chooseKinds();
  void exposeScores();
  Outputs instrument(Block &block, StringRef branch);
  Outputs measure(Block &block, ArrayRef<Tap> taps, StringRef branch);
  Outputs branchesOf(NodeInterface op);
  json::Object describe(const Tap &tap, unsigned id, StringRef branch,
                        const sink::StatisticsBuilder &builder, int64_t learned,
                        const sink::Statistics &statistics);
  json::Object describeModel();

  /// The kinds of taps that are made, in the order of `kTapKinds`.
  SmallVector<Tap::Kind> kinds;
  llvm::MapVector<Block *, SmallVector<Tap>> taps;
  DenseMap<Operation *, sink::GivenScores> given;
  sink::Tokens tokens;
  sink::StatisticsOptions statisticsOptions;
  json::Array descriptions, unmeasured;
};

} // namespace

//===----------------------------------------------------------------------===//
// Kinds of taps
//===----------------------------------------------------------------------===//

LogicalResult InstrumentOutliersPass::chooseKinds() {
  SmallVector<StringRef> known = llvm::map_to_vector(kTapKinds, sink::toString);
  for (StringRef name : tapKinds)
    if (!llvm::is_contained(known, name))
      return getOperation().emitError("expected kinds of taps (")
             << llvm::join(known, ", ") << "), but got '" << name << "'";
  kinds.clear();
  for (Tap::Kind kind : kTapKinds)
    if (tapKinds.empty() || llvm::is_contained(tapKinds, sink::toString(kind)))
      kinds.push_back(kind);
  return success();
}

/// Makes results of the scores that attentions compute. This comes before taps are found, because
/// it replaces ops.
void InstrumentOutliersPass::exposeScores() {
  SmallVector<sink::AttentionOp> ops;
  if (llvm::is_contained(kinds, Tap::Attention))
    getOperation().walk([&](sink::AttentionOp op) { ops.push_back(op); });
  for (sink::AttentionOp op : ops) {
    sink::GivenScores scores;
    sink::exposeScores(op, scores);
    if (scores.masked)
      given[op] = scores;
  }
}

//===----------------------------------------------------------------------===//
// Statistics of a block
//===----------------------------------------------------------------------===//

static std::string nameOf(Value value) { return json::fixUTF8(getStreamValueName(value)); }

static json::Value orNull(const Dim &dim) {
  return dim.isStatic() ? json::Value(dim.size) : json::Value(nullptr);
}

static std::string nameOf(Type type) { return llvm::formatv("{0}", type); }

/// Describes the value that a norm takes, or the values that it adds.
static void describeInput(sink::NormInterface norm, json::Object &out) {
  SmallVector<Value, 3> parts = norm.getSummands();
  if (norm.getSum())
    parts = {norm.getSum()};
  json::Array names;
  for (Value value : parts)
    names.push_back(nameOf(value));
  out["inputs"] = std::move(names);
}

json::Object InstrumentOutliersPass::describe(const Tap &tap, unsigned id, StringRef branch,
                                              const sink::StatisticsBuilder &builder,
                                              int64_t learned, const sink::Statistics &statistics) {
  json::Object out{
      {"id", id},           {"kind", toString(tap.kind)},     {"name", nameOf(tap.value)},
      {"layer", tap.layer}, {"batched", builder.isBatched()}, {"tokens", builder.isOfTokens()}};
  json::Object outputs;
  for (const TapStatistic &one : statistics)
    outputs[one.name] = llvm::formatv("basin.{0}.{1}", id, one.name).str();
  out["outputs"] = std::move(outputs);
  if (!branch.empty())
    out["branch"] = branch;
  if (!tap.place.empty())
    out["place"] = tap.place;
  auto dimOf = [&](StringRef name, unsigned axis) {
    for (const TapStatistic &one : statistics)
      if (TensorInfo info = getTensorInfo(one.value); one.name == name && info.hasRank())
        return orNull(info[axis]);
    return json::Value(nullptr);
  };
  if (tap.stream)
    out["stream"] = *tap.stream;
  // The graph may have no value for the tensor, so the values that it is the sum of are named.
  if (tap.op && tap.kind != Tap::Attention && tap.kind != Tap::Projection)
    describeInput(cast<sink::NormInterface>(tap.op), out);
  switch (tap.kind) {
  case Tap::Residual:
    out["dim"] = dimOf("max_abs", 1);
    out["type"] = nameOf(getTensorInfo(tap.op ? tap.op->getOperand(0) : tap.value).element);
    break;
  case Tap::Projection: {
    out["dim"] = dimOf("max_abs", 1);
    out["roles"] = json::Array(tap.roles);
    json::Array weights;
    for (const sink::TapProduct &product : tap.products)
      weights.push_back(nameOf(product.weight));
    out["weights"] = std::move(weights);
    break;
  }
  case Tap::Norm: {
    auto norm = cast<sink::NormInterface>(tap.op);
    out["norm"] = norm.isCentring() ? "layer_norm" : "rms_norm";
    out["epsilon"] = norm.getEpsilon().convertToDouble();
    out["pre_affine"] = static_cast<bool>(norm.getPreAffine());
    TensorInfo info = getTensorInfo(tap.op->getOperand(0));
    out["dim"] = orNull(info[info.rank() - 1]);
    out["squares"] = nameOf(sink::getSquareType(tap.op, info.element));
    break;
  }
  case Tap::Attention:
    out["heads"] = dimOf("mass", 1);
    out["kv_heads"] = dimOf("value_norm", 1);
    out["causal"] = cast<sink::AttentionOp>(tap.op).getCausal();
    out["sinks"] = learned;
    break;
  }
  return out;
}

Outputs InstrumentOutliersPass::measure(Block &block, ArrayRef<Tap> taps, StringRef branch) {
  OpBuilder b(block.getTerminator());
  sink::TapOrder order(block);
  Outputs out;
  for (const Tap &tap : taps) {
    sink::TapOrder::Place place(order, tap, b);
    unsigned id = descriptions.size();
    std::string prefix = llvm::formatv("basin.{0}", id);
    NodeBuilder n(b, tap.op ? tap.op->getLoc() : tap.value.getLoc(), prefix);
    sink::StatisticsBuilder builder(n, tokens, statisticsOptions);
    int64_t learned = 0;
    sink::Statistics statistics;
    WhyNot why;
    switch (tap.kind) {
    case Tap::Residual:
      why = builder.residual(tap, statistics);
      break;
    case Tap::Projection:
      why = builder.projection(tap, statistics);
      break;
    case Tap::Norm:
      why = builder.norm(tap, statistics);
      break;
    case Tap::Attention:
      why = builder.attention(tap, given.lookup(tap.op), statistics, learned);
      break;
    }
    if (why) {
      emitRemark(tap.value.getLoc(), toString(tap.kind))
          << " '" << nameOf(tap.value) << "': not measured: " << *why;
      unmeasured.push_back(
          json::Object{{"kind", toString(tap.kind)}, {"name", nameOf(tap.value)}, {"why", *why}});
      continue;
    }
    ++numTaps;
    descriptions.push_back(describe(tap, id, branch, builder, learned, statistics));
    for (const TapStatistic &one : statistics) {
      SmallVector<int64_t> shape(one.rank, ShapedType::kDynamic);
      out.push_back({llvm::formatv("{0}.{1}", prefix, one.name), one.value,
                     RankedTensorType::get(shape, one.element)});
    }
  }
  return out;
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

static Value makeEmpty(OpBuilder &b, Location loc, RankedTensorType type) {
  SmallVector<int64_t> none(type.getRank(), 0);
  auto empty = RankedTensorType::get(none, type.getElementType());
  auto data = DenseElementsAttr::get(empty, ArrayRef<Attribute>());
  return NodeBuilder(b, loc).node<ConstantOp>({}, b.getNamedAttr("value", data));
}

/// Returns whether an op is an If. If its branches are not in the usual order, it is no typed op.
static bool isIf(Operation *op) {
  auto node = dyn_cast<NodeInterface>(op);
  return node && node.getOpType() == "If" && node.getOpDomain().empty();
}

/// Instruments the branches of an If. Each yields its own statistics, and empty tensors for the
/// other's.
Outputs InstrumentOutliersPass::branchesOf(NodeInterface op) {
  SmallVector<Outputs> own;
  Outputs all;
  SmallVector<StringAttr> names = op.getRegionAttrNames();
  for (auto [region, name] : llvm::zip_equal(op->getRegions(), names)) {
    own.push_back(instrument(region.front(), name));
    llvm::append_range(all, own.back());
  }
  if (all.empty())
    return all;
  SmallVector<Attribute> infos(op->getAttrOfType<ArrayAttr>(kSubgraphsAttr).getValue());
  size_t begin = 0;
  for (auto [i, region] : llvm::enumerate(op->getRegions())) {
    OpBuilder b(region.front().getTerminator());
    SmallVector<Value> values;
    for (auto [k, output] : llvm::enumerate(all)) {
      bool isOwn = k >= begin && k < begin + own[i].size();
      values.push_back(isOwn ? output.value : makeEmpty(b, op->getLoc(), output.type));
    }
    begin += own[i].size();
    sink::appendToReturn(region.front(), values);
    infos[i] = sink::withOutputs(cast<GraphInfoAttr>(infos[i]), all, "." + names[i].str());
  }
  OpBuilder b(op);
  SmallVector<Type> types(op->getResultTypes());
  for (const sink::GraphOutput &output : all)
    types.push_back(output.type);
  OperationState state(op->getLoc(), op->getName(), op->getOperands(), types, op->getAttrs());
  for (unsigned i = 0; i < op->getNumRegions(); ++i)
    state.addRegion();
  Operation *replacement = b.create(state);
  for (auto [to, from] : llvm::zip_equal(replacement->getRegions(), op->getRegions()))
    to.takeBody(from);
  replacement->setAttr(kSubgraphsAttr, b.getArrayAttr(infos));
  unsigned numOld = op->getNumResults();
  op->replaceAllUsesWith(replacement->getResults().take_front(numOld));
  op->erase();
  for (auto [output, result] : llvm::zip_equal(all, replacement->getResults().drop_front(numOld))) {
    setValueName(result, output.name);
    output.value = result;
  }
  return all;
}

Outputs InstrumentOutliersPass::instrument(Block &block, StringRef branch) {
  Outputs out;
  if (auto *it = taps.find(&block); it != taps.end())
    out = measure(block, it->second, branch);
  for (auto op : llvm::to_vector(block.getOps<NodeInterface>()))
    if (isIf(op))
      llvm::append_range(out, branchesOf(op));
  return out;
}

//===----------------------------------------------------------------------===//
// Metadata
//===----------------------------------------------------------------------===//

json::Object InstrumentOutliersPass::describeModel() {
  auto nameOrNull = [](Value value) {
    return value ? json::Value(nameOf(value)) : json::Value(nullptr);
  };
  const sink::HistogramBins &bins = statisticsOptions.bins;
  json::Array kindNames;
  for (Tap::Kind kind : kinds)
    kindNames.push_back(sink::toString(kind));
  return json::Object{
      {"version", 1},
      {"kinds", std::move(kindNames)},
      {"token_ids", nameOrNull(tokens.ids)},
      {"token_mask", nameOrNull(tokens.mask ? tokens.maskInput : Value())},
      {"sink_length", statisticsOptions.sinkLength},
      {"map", statisticsOptions.map},
      {"outlier", statisticsOptions.outlier},
      {"histogram",
       json::Object{{"first", bins.first}, {"octave", bins.octave}, {"bins", bins.count}}},
      {"taps", std::exchange(descriptions, {})},
      {"unmeasured", std::exchange(unmeasured, {})}};
}

void InstrumentOutliersPass::runOnOperation() {
  auto graphs = getOperation().getOps<GraphOp>();
  if (!llvm::hasSingleElement(graphs))
    return;
  // The state is reset, because a pass manager may run the pass on several modules.
  tokens = {};
  statisticsOptions = {};
  given.clear();
  descriptions.clear();
  unmeasured.clear();
  GraphOp graph = *graphs.begin();
  Operation *inside = &graph.getBody().front().front();
  if (int64_t opset = getOpsetVersion(inside); opset < kMinOpset) {
    graph.emitError("expected opset ")
        << kMinOpset << " or later to be instrumented, but got " << opset;
    return signalPassFailure();
  } else if (opset < 16) {
    statisticsOptions.bins.octave = 1;
    statisticsOptions.bins.count = 45;
  }
  statisticsOptions.sinkLength = sinkLength;
  statisticsOptions.map = mapSize;
  if (failed(chooseKinds()))
    return signalPassFailure();
  exposeScores();
  taps = sink::findTaps(getOperation());
  if (failed(sink::findTokens(graph, tokenIds, tokenMask, tokens)))
    return signalPassFailure();
  for (auto &[block, list] : taps)
    llvm::erase_if(list, [&](const Tap &tap) { return !llvm::is_contained(kinds, tap.kind); });
  taps.remove_if([](const auto &entry) { return entry.second.empty(); });
  for (auto &[block, list] : taps)
    if (Operation *parent = block->getParentOp(); !isa<GraphOp>(parent) && !isIf(parent))
      parent->emitRemark("its body is not measured: statistics of single iterations are not those "
                         "of the model");
  Outputs outputs = instrument(graph.getBody().front(), "");
  sink::addOutputs(graph, outputs);
  setMetadata(getOperation(), "basin.statistics",
              llvm::formatv("{0}", json::Value(describeModel())).str());
}
