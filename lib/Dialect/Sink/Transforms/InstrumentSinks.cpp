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

/// Scores f32 [B, H, T], and head outputs f32 [B, G, H / G * T, d]: the whole, and what is not of
/// the rows. `shape` is [B, H, T].
struct Measured {
  Value sinkScore, restScore, all, rest, shape;
};

/// A value to return, and the end of its name.
using NamedPart = std::pair<StringRef, Value>;

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
  return Measured{logSumExp(n, n.slice(scores->masked, 3, 0, at.count)),
                  logSumExp(n, n.slice(scores->masked, 3, at.count, kEnd)), all, rest,
                  n.dims(p, 0, 3)};
}

/// What the fit of logits needs, each f32 [B, H, T].
static SmallVector<NamedPart> makeLogitParts(const Measured &measured, NodeBuilder &n) {
  const auto &[sinkScore, restScore, all, rest, shape] = measured;
  return {{"sink_score", sinkScore},
          {"rest_score", restScore},
          {"rest_rest", dot(n, rest, rest, shape)},
          {"rest_all", dot(n, rest, all, shape)},
          {"all_all", dot(n, all, all, shape)}};
}

/// What the fit of values needs besides: the sum [B, H, d] over the queries of what is of the rows,
/// and products with the value, f32 [B, H, T].
static SmallVector<NamedPart> makeValueParts(const Measured &measured, Value value,
                                             const sink::SinkPlace &place, NodeBuilder &n) {
  const auto &[sinkScore, restScore, all, rest, shape] = measured;
  Value wide = n.reshape(sink::widen(n, value), {place.kvHeads, 1, *place.valueDim});
  Value sizes = n.concat({shape, n.constant({*place.valueDim})}, 0);
  Value ofRows = n.reshape(n.node<SubOp>({all, rest}), sizes);
  return {{"rows_sum", n.squeeze(n.reduceSum(ofRows, {2}), {2})},
          {"rest_value", dot(n, rest, wide, shape)},
          {"all_value", dot(n, all, wide, shape)}};
}

/// Returns the values as outputs, and their names.
static json::Array addOutputs(ArrayRef<NamedPart> parts, const std::string &stem, NodeBuilder &n,
                              SmallVector<sink::GraphOutput> &outputs) {
  json::Array names;
  OpBuilder &b = n.getBuilder();
  auto type = RankedTensorType::get(
      {ShapedType::kDynamic, ShapedType::kDynamic, ShapedType::kDynamic}, b.getF32Type());
  for (auto [part, value] : parts) {
    std::string name = stem + "." + part.str();
    Value copy = n.node<IdentityOp>({value});
    setValueName(cast<OpResult>(copy), name);
    outputs.push_back({name, copy, type});
    names.push_back(json::fixUTF8(name));
  }
  return names;
}

static std::string getParameterName(Value value) {
  return json::fixUTF8(value.getDefiningOp<sink::ParameterOp>().getName());
}

/// Instruments one attention. Returns its entry of the metadata.
static FailureOr<json::Object> instrument(sink::SinkRowsPlace &at, bool measures,
                                          sink::ParameterNames &names,
                                          SmallVector<sink::GraphOutput> &outputs) {
  std::string stem = getStreamValueName(at.place.op.getResult()).str();
  // The values are measured with the operands as they are.
  std::optional<Measured> measured;
  if (measures) {
    FailureOr<Measured> found = measure(at);
    if (failed(found))
      return failure();
    measured = *found;
  }
  auto rows = sink::ownRows(at, [](int64_t) { return false; }, names);
  if (failed(rows))
    return failure();
  bool takesValue = sink::canTakeValue(at);
  Value first;
  if (sink::canRemoveRows(at))
    first = sink::setFirstRow(at, names);
  sink::setSinkLogit(at.place, {sink::getLowestLogit(at.place)}, names);
  json::Object entry{{"attention", json::fixUTF8(stem)},
                     {"heads", at.place.heads},
                     {"groups", at.place.kvHeads},
                     {"count", at.count},
                     {"key", getParameterName(rows->first)},
                     {"key_axis", at.key.headAxis},
                     {"value", getParameterName(rows->second)},
                     {"value_axis", at.value.headAxis},
                     {"value_dim_axis", at.value.dimAxis},
                     {"logit", getParameterName(at.place.op.getSinkLogit())}};
  OpBuilder b(at.place.op->getBlock()->getTerminator());
  NodeBuilder n(b, at.place.op.getLoc());
  if (measured)
    entry["outputs"] = addOutputs(makeLogitParts(*measured, n), stem, n, outputs);
  if (first)
    entry["first_row"] = getParameterName(first);
  if (takesValue) {
    Value value = sink::setSinkValue(at, {0.0}, names);
    entry["sink_value"] = getParameterName(value);
    if (measured)
      entry["value_outputs"] =
          addOutputs(makeValueParts(*measured, value, at.place, n), stem, n, outputs);
  }
  return entry;
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
    FailureOr<json::Object> entry = instrument(at, measures, names, outputs);
    if (failed(entry))
      return signalPassFailure();
    described.push_back(std::move(*entry));
  }
  if (llvm::hasSingleElement(graphs))
    sink::addOutputs(*graphs.begin(), outputs);
  setMetadata(getOperation(), "basin.sinks-run",
              llvm::formatv("{0}", json::Value(std::move(described))).str());
}
