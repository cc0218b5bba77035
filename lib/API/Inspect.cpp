//===- Inspect.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/API/Inspect.h"

#include "DescribeOperators.h"

#include "basin/Conversion/ONNXToSink/MaskParts.h"
#include "basin/Conversion/ONNXToSink/OtherNorms.h"
#include "basin/Dialect/ONNX/Utils/Metadata.h"
#include "basin/Dialect/ONNX/Utils/ParseJSON.h"
#include "basin/Dialect/Sink/Analysis/AttentionOrigin.h"
#include "basin/Dialect/Sink/Analysis/Mixers.h"
#include "basin/Dialect/Sink/Analysis/Parameters.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Form.h"
#include "basin/StepHistory.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
namespace json = llvm::json;

static std::string nameOf(Value value) { return json::fixUTF8(getStreamValueName(value)); }

static json::Value orNull(std::optional<int64_t> value) {
  return value ? json::Value(*value) : json::Value(nullptr);
}

/// JSON has no numbers that are not finite, so those become "nan", "inf" or "-inf".
static json::Value number(const APFloat &value) {
  if (value.isFinite())
    return value.convertToDouble();
  return value.isNaN() ? "nan" : value.isNegative() ? "-inf" : "inf";
}

static std::optional<int64_t> lastDim(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
    return std::nullopt;
  return type.getShape().back();
}

/// Returns the name of the operator that the form is, or "decomposed" if it has several nodes, or
/// "canonical" without a form.
static std::string formOf(sink::RaisedInterface op) {
  Region &form = op.getFormRegion();
  if (form.empty())
    return "canonical";
  Operation *first = &form.front().front();
  // The product with a pre-affine vector precedes the operator.
  if (sink::Form::getSlot(first) == sink::Slot::pre_affine)
    first = first->getNextNode();
  auto node = dyn_cast<NodeInterface>(first);
  if (!node || !isa<sink::YieldOp>(first->getNextNode()))
    return "decomposed";
  std::string name = node.getOpType().str();
  return node.getOpDomain().empty() ? name : (node.getOpDomain() + "." + name).str();
}

static bool rounds(sink::RaisedInterface op) { return sink::Form(op).rounds(); }

static json::Object describeNorm(sink::NormInterface op) {
  return json::Object{
      {"output", nameOf(op.getResult())},
      {"kind", op.isCentring() ? "layer" : "rms"},
      {"dim", orNull(lastDim(op.getX()))},
      {"eps", number(op.getEpsilon())},
      {"pre_affine", static_cast<bool>(op.getPreAffine())},
      {"weight", op.getWeight() ? json::Value(nameOf(op.getWeight())) : json::Value(nullptr)},
      {"residual", static_cast<bool>(op.getResidual())},
      {"quantized", rounds(op)},
      {"form", formOf(op)}};
}

static json::Object describeOtherNorm(const OtherNorm &norm) {
  return json::Object{
      {"output", nameOf(norm.result)},
      {"kind", norm.kind},
      {"axes", norm.axes ? json::Value(json::Array(*norm.axes)) : json::Value(nullptr)},
      {"groups", orNull(norm.groups)},
      {"eps", norm.epsilon ? number(APFloat(*norm.epsilon)) : json::Value(nullptr)},
      {"form", norm.form}};
}

/// Returns "head" or "element", for which the gate has one score each, or null without a gate.
static json::Value describeAttentionGate(sink::AttentionOp op) {
  if (!op.getGate())
    return nullptr;
  return lastDim(op.getGate()) == 1 ? "head" : "element";
}

static json::Object describeGate(sink::GateOp op) {
  return json::Object{{"output", nameOf(op.getResult())},
                      {"activation", sink::stringifyActivation(op.getActivation())},
                      {"granularity", lastDim(op.getWUp()) == 1 ? "tensorwise" : "elementwise"},
                      {"rank", orNull(lastDim(op.getWDown()))},
                      {"bias", op.getBiasDown() || op.getBiasUp()},
                      {"quantized", rounds(op)},
                      {"form", formOf(op)}};
}

static json::Object describeDyT(sink::DyTOp op) {
  return json::Object{{"output", nameOf(op.getResult())},
                      {"dim", orNull(lastDim(op.getX()))},
                      {"alpha", nameOf(op.getAlpha())},
                      {"weight", nameOf(op.getGamma())},
                      {"bias", static_cast<bool>(op.getBeta())},
                      {"function", sink::stringifySquash(op.getSquash())},
                      {"shift", static_cast<bool>(op.getShift())},
                      {"quantized", rounds(op)},
                      {"form", formOf(op)}};
}

static json::Object describeAttention(sink::AttentionOp op) {
  auto numberOrNull = [](std::optional<APFloat> value) {
    return value ? number(*value) : json::Value(nullptr);
  };
  StringRef mask = "none", hiddenRows = op.getHiddenRows();
  json::Array maskParts;
  for (StringRef part : describeMask(op))
    maskParts.push_back(part);
  if (op.getMaskKind())
    mask = sink::stringifyMaskKind(*op.getMaskKind());
  return json::Object{
      {"output", nameOf(op.getResult())},
      {"heads", orNull(op.getNumHeads())},
      {"kv_heads", orNull(getKeyHeads(op))},
      {"head_dim", orNull(op.getHeadDim())},
      {"causal", op.getCausal()},
      {"mask", mask},
      {"mask_parts", std::move(maskParts)},
      {"hidden_rows", hiddenRows.empty() ? json::Value(nullptr) : json::Value(hiddenRows)},
      {"own_lengths", static_cast<bool>(op.getLastKey())},
      {"scale", numberOrNull(op.getScale())},
      {"softcap", numberOrNull(op.getSoftcap())},
      {"window", orNull(op.getWindow())},
      {"right_window", orNull(op.getRightWindow())},
      {"rotary", isRotated(op)},
      {"kv_cache", hasCache(op)},
      {"sink_logit", static_cast<bool>(op.getSinkLogit())},
      {"sink_kv", static_cast<bool>(op.getSinkKey())},
      {"gate", describeAttentionGate(op)},
      {"quantized", rounds(op)},
      {"form", formOf(op)}};
}

static json::Object describeRotary(sink::RotaryOp op) {
  std::optional<int64_t> width = lastDim(op.getX());
  std::optional<int64_t> dim = op.getRotaryDim();
  return json::Object{{"output", nameOf(op.getResult())},
                      {"dim", orNull(dim ? dim : width)},
                      {"interleaved", op.getInterleaved()},
                      {"inverse", op.getInverse()},
                      {"tables", op.getPositions() ? "cache" : "values"},
                      {"quantized", rounds(op)},
                      {"form", formOf(op)}};
}

static json::Object describeMixer(const Mixer &mixer) {
  return json::Object{{"output", nameOf(mixer.output)},
                      {"kind", mixer.kind},
                      {"form", mixer.form},
                      {"causal", mixer.causal ? json::Value(*mixer.causal) : json::Value(nullptr)},
                      {"kernel", json::Array(mixer.kernel)},
                      {"gated", mixer.gated}};
}

/// Returns the ids that were absorbed, which stand in front of each sequence.
static json::Value describePrefix(ModuleOp module) {
  std::optional<StringRef> text = getMetadata(module, "basin.prefix");
  llvm::Expected<json::Value> list = parseJSON(text.value_or("[]"));
  if (list && list->getAsArray())
    return std::move(*list);
  llvm::consumeError(list.takeError());
  return json::Array();
}

static json::Object describeStream(const ResidualStream &stream) {
  json::Array writers, readers;
  for (const StreamWriter &writer : stream.writers)
    writers.push_back(json::Object{
        {"value", nameOf(writer.value)},
        {"kind", toString(writer.kind)},
        {"weight", writer.weight ? json::Value(nameOf(writer.weight)) : json::Value(nullptr)}});
  for (const StreamReader &reader : stream.readers) {
    Operation *op = reader.use->getOwner();
    readers.push_back(json::Object{
        {"value", op->getNumResults() > 0 ? nameOf(op->getResult(0)) : nameOf(reader.use->get())},
        {"kind", toString(reader.kind)}});
  }
  return json::Object{{"dim", orNull(stream.dim)},
                      {"adds", static_cast<int64_t>(stream.numAdds)},
                      {"writers", std::move(writers)},
                      {"readers", std::move(readers)}};
}

json::Object basin::inspectModule(ModuleOp module) {
  json::Array attention, norms, otherNorms, dyts, rotary, gates, mixers, streams, caches, operators,
      unrecognized;
  auto addOperator = [&](std::optional<json::Object> found) {
    if (found)
      operators.push_back(std::move(*found));
  };
  // What is named here needs no reason why it is no sink op.
  llvm::SmallPtrSet<Operation *, 8> named;
  for (const OtherNorm &norm : findOtherNorms(module)) {
    named.insert(norm.anchor);
    otherNorms.push_back(describeOtherNorm(norm));
  }
  module.walk([&](Operation *op) {
    if (auto norm = dyn_cast<sink::NormInterface>(op)) {
      norms.push_back(describeNorm(norm));
      addOperator(describeOperator(norm));
    } else if (auto a = dyn_cast<sink::AttentionOp>(op)) {
      attention.push_back(describeAttention(a));
      addOperator(describeOperator(a));
    } else if (auto r = dyn_cast<sink::RotaryOp>(op)) {
      rotary.push_back(describeRotary(r));
    } else if (auto inner = dyn_cast<MSGroupQueryAttentionOp>(op);
               inner && inner.getDoRotary().value_or(0) != 0) {
      // One entry is for the queries, and one for the keys.
      for (StringRef what : {"query", "key"})
        rotary.push_back(
            json::Object{{"output", json::fixUTF8(getNodeName(op))},
                         {"dim", nullptr},
                         {"interleaved", inner.getRotaryInterleaved().value_or(0) != 0},
                         {"inverse", false},
                         {"tables", "cache"},
                         {"quantized", false},
                         {"form", ("com.microsoft.GroupQueryAttention " + what).str()}});
    } else if (auto gate = dyn_cast<sink::GateOp>(op)) {
      gates.push_back(describeGate(gate));
    } else if (auto dyt = dyn_cast<sink::DyTOp>(op)) {
      dyts.push_back(describeDyT(dyt));
    }
    auto why = op->getAttrOfType<StringAttr>(sink::kMissAttr);
    if (why && !named.contains(op))
      unrecognized.push_back(json::Object{{"anchor", json::fixUTF8(getNodeName(op))},
                                          {"op", op->getName().stripDialect()},
                                          {"reason", json::fixUTF8(why.getValue())}});
  });
  for (const Cache &cache : findCaches(module))
    caches.push_back(json::Object{{"past", nameOf(cache.past)},
                                  {"present", json::fixUTF8(cache.present)},
                                  {"axis", int64_t(cache.axis)}});
  json::Array parameters;
  for (const Parameter &one : findParameters(module))
    parameters.push_back(json::Object{{"name", nameOf(one.value)}, {"role", one.role}});
  for (const Mixer &mixer : findMixers(module))
    mixers.push_back(describeMixer(mixer));
  for (const ResidualStream &stream : findResidualStreams(module))
    streams.push_back(describeStream(stream));
  return json::Object{{"attention", std::move(attention)},
                      {"norms", std::move(norms)},
                      {"other_norms", std::move(otherNorms)},
                      {"dyts", std::move(dyts)},
                      {"rotary", std::move(rotary)},
                      {"gates", std::move(gates)},
                      {"mixers", std::move(mixers)},
                      {"residual_streams", std::move(streams)},
                      {"caches", std::move(caches)},
                      {"parameters", std::move(parameters)},
                      {"operators", std::move(operators)},
                      {"prefix", describePrefix(module)},
                      {"unrecognized", std::move(unrecognized)},
                      {"steps", getRecordedSteps(module)}};
}
