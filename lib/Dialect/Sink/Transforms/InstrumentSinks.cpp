//===- InstrumentSinks.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Measures what a logit in place of an attention's constant rows is fitted to, and makes the rows
// and a logit parameters that a run can be given, so that one model tries all conversions.
//
//===----------------------------------------------------------------------===//

#include "GraphOutputs.h"
#include "NormRewrites.h"
#include "SinkCompression.h"
#include "TapStatistics.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Metadata.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/AttentionScores.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
namespace json = llvm::json;

namespace basin::sink {
#define GEN_PASS_DEF_INSTRUMENTSINKSPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {

class InstrumentSinksPass : public basin::sink::impl::InstrumentSinksPassBase<InstrumentSinksPass> {
public:
  using InstrumentSinksPassBase::InstrumentSinksPassBase;
  void runOnOperation() override;
};

/// The values that the fit of one attention's logits needs, each f32 [B, H, T].
struct Measured {
  Value sink, rest, restSquared, product, squared;
};

} // namespace

/// Returns the logarithm of the sum of exponentials over the last axis, which is removed. Where all
/// are -inf, it is -inf.
static Value logSumExp(NodeBuilder &n, Value x) {
  Type f32 = n.getBuilder().getF32Type();
  constexpr double kLowest = -1e37;
  Value top = n.node<MaxOp>({n.reduceMax(x, {3}), n.scalar(kLowest, f32)});
  Value sum = n.reduceSum(n.node<ExpOp>({n.node<SubOp>({x, top})}), {3});
  return n.squeeze(n.node<AddOp>({n.node<LogOp>({sum}), top}), {3});
}

/// Returns probabilities [B, H, T, S] times values [B, G, S, d], as [B, G, H / G * T, d].
static Value multiply(NodeBuilder &n, Value p, Value value, int64_t groups) {
  Value shape =
      n.concat({n.dims(p, 0, 1), n.constant({groups}), n.constant({-1}), n.dims(p, 3, 4)}, 0);
  return n.node<MatMulOp>({n.reshape(p, shape), value});
}

/// Returns the sums of products over the head dim, as [B, H, T].
static Value dot(NodeBuilder &n, Value a, Value b, Value shape) {
  return n.reshape(n.reduceSum(n.node<MulOp>({a, b}), {3}), shape);
}

static FailureOr<Measured> measure(const sink::SinkRowsPlace &at) {
  sink::AttentionOp op = at.place.op;
  OpBuilder b(op->getBlock()->getTerminator());
  NodeBuilder n(b, op.getLoc());
  sink::AttentionParts parts;
  if (WhyNot why = sink::unpackAttention(op, n, /*usePresent=*/false, parts))
    return op.emitError("attention '") << getStreamValueName(op.getResult()) << "': " << *why;
  for (Value *value : {&parts.query, &parts.key, &parts.value, &parts.mask})
    if (*value && isa_and_nonnull<FloatType>(getTensorInfo(*value).element))
      *value = sink::widen(n, *value);
  FailureOr<sink::AttentionScores> scores =
      sink::buildAttentionScores(op, parts, n, b.getF32Type());
  if (failed(scores))
    return failure();
  constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
  Value p = scores->probabilities, value = scores->value;
  int64_t groups = at.place.kvHeads;
  Value all = multiply(n, p, value, groups);
  Value rest =
      multiply(n, n.slice(p, 3, at.count, kEnd), n.slice(value, 2, at.count, kEnd), groups);
  Value shape = n.dims(p, 0, 3);
  return Measured{logSumExp(n, n.slice(scores->masked, 3, 0, at.count)),
                  logSumExp(n, n.slice(scores->masked, 3, at.count, kEnd)),
                  dot(n, rest, rest, shape), dot(n, rest, all, shape), dot(n, all, all, shape)};
}

/// Returns the values as outputs, and their names.
static json::Array addOutputs(const Measured &measured, const std::string &stem, Block &body,
                              SmallVector<sink::GraphOutput> &outputs) {
  json::Array names;
  OpBuilder b(body.getTerminator());
  auto type = RankedTensorType::get(
      {ShapedType::kDynamic, ShapedType::kDynamic, ShapedType::kDynamic}, b.getF32Type());
  for (auto [part, value] :
       {std::pair("sink_score", measured.sink), std::pair("rest_score", measured.rest),
        std::pair("rest_rest", measured.restSquared), std::pair("rest_all", measured.product),
        std::pair("all_all", measured.squared)}) {
    std::string name = stem + "." + part;
    Value copy = NodeBuilder(b, value.getLoc()).node<IdentityOp>({value});
    setValueName(cast<OpResult>(copy), name);
    outputs.push_back({name, copy, type});
    names.push_back(json::fixUTF8(name));
  }
  return names;
}

void InstrumentSinksPass::runOnOperation() {
  auto graphs = getOperation().getOps<GraphOp>();
  auto found = sink::findSinkRows(getOperation(), attentions);
  if (failed(found))
    return signalPassFailure();
  sink::ParameterNames names(getOperation());
  SmallVector<sink::GraphOutput> outputs;
  json::Array described;
  for (sink::SinkRowsPlace &at : *found) {
    std::string stem = getStreamValueName(at.place.op.getResult()).str();
    FailureOr<Measured> measured = measure(at);
    if (failed(measured))
      return signalPassFailure();
    json::Array parts = addOutputs(*measured, stem, *at.place.op->getBlock(), outputs);
    auto rows = sink::ownRows(at, [](int64_t) { return false; }, names);
    if (failed(rows))
      return signalPassFailure();
    sink::setSinkLogit(at.place, {sink::getLowestLogit(at.place)}, names);
    auto logit = at.place.op.getSinkLogit().getDefiningOp<sink::ParameterOp>();
    auto nameOf = [](Value value) {
      return json::fixUTF8(value.getDefiningOp<sink::ParameterOp>().getName());
    };
    described.push_back(json::Object{{"attention", json::fixUTF8(stem)},
                                     {"heads", at.place.heads},
                                     {"groups", at.place.kvHeads},
                                     {"count", at.count},
                                     {"key", nameOf(rows->first)},
                                     {"key_axis", at.key.headAxis},
                                     {"value", nameOf(rows->second)},
                                     {"value_axis", at.value.headAxis},
                                     {"logit", json::fixUTF8(logit.getName())},
                                     {"outputs", std::move(parts)}});
  }
  if (llvm::hasSingleElement(graphs))
    sink::addOutputs(*graphs.begin(), outputs);
  setMetadata(getOperation(), "basin.sinks-run",
              llvm::formatv("{0}", json::Value(std::move(described))).str());
}
