//===- DescribeOperators.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Says which operator of basin.ops computes what a sink op does, and on which values. Whatever the
// operator would compute otherwise than the op has none.
//
//===----------------------------------------------------------------------===//

#include "DescribeOperators.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin;
namespace json = llvm::json;
using sink::Layout;

/// Adds the names of values. Returns false if one is not a value of the main graph with a name.
static bool addOperands(ArrayRef<std::pair<StringRef, Value>> values, json::Object &out) {
  for (auto [name, value] : values) {
    if (!value)
      continue;
    StringRef own = getStreamValueName(value);
    if (own.empty())
      return false;
    out[name] = json::fixUTF8(own);
  }
  return true;
}

static bool isInMainGraph(Operation *op) { return isa<onnx::GraphOp>(op->getParentOp()); }

/// Returns the gate that is the only reader of a norm's result and that the operator computes, too.
static sink::GateOp findGate(sink::NormInterface norm) {
  Value result = norm.getResult();
  if (!result.hasOneUse())
    return {};
  auto gate = dyn_cast<sink::GateOp>(*result.user_begin());
  bool fits = gate && gate.getX() == result && !gate.getBiasDown() && !gate.getBiasUp() &&
              !sink::Form(gate).rounds();
  return fits ? gate : sink::GateOp();
}

std::optional<json::Object> basin::describeOperator(sink::NormInterface norm) {
  if (!isInMainGraph(norm) || norm.isCentring() || norm.getResidual() || norm.getResidualBias() ||
      norm.getSum() || !norm.getEpsilon().isFinite() || sink::Form(norm).rounds())
    return std::nullopt;
  json::Object operands, options{{"eps", norm.getEpsilon().convertToDouble()}};
  SmallVector<std::pair<StringRef, Value>> values{
      {"x", norm.getX()}, {"weight", norm.getWeight()}, {"pre_affine", norm.getPreAffine()}};
  sink::GateOp gate = findGate(norm);
  Value result = gate ? gate.getResult() : norm.getResult();
  if (gate) {
    values.push_back({"gate_down", gate.getWDown()});
    values.push_back({"gate_up", gate.getWUp()});
    options["activation"] = sink::stringifyActivation(gate.getActivation());
  }
  StringRef name = getStreamValueName(result);
  if (name.empty() || !addOperands(values, operands))
    return std::nullopt;
  return json::Object{{"name", gate ? "gated_rms_norm" : "rms_norm"},
                      {"operands", std::move(operands)},
                      {"options", std::move(options)},
                      {"result", json::fixUTF8(name)}};
}

static bool hasFourAxes(Layout layout) {
  return layout == Layout::bhsd || layout == Layout::bshd || layout == Layout::bhds;
}

/// Returns whether each query sees itself if later keys are hidden.
static bool seesItself(sink::AttentionOp op) {
  onnx::TensorInfo query = onnx::getTensorInfo(op.getQuery()),
                   key = onnx::getTensorInfo(op.getKey());
  unsigned queryAxis = sink::getSequenceAxis(op.getQueryLayout()),
           keyAxis = sink::getSequenceAxis(op.getKeyLayout());
  return query.hasRank() && key.hasRank() && query.rank() == 4 && key.rank() == 4 &&
         query[queryAxis].provablyEquals(key[keyAxis]);
}

/// Rows that hide every key are another case in each runtime, so masks are taken that add finite
/// numbers or hide nothing by themselves.
static bool hasPlainScores(sink::AttentionOp op) {
  bool hasOthers = op.getLastKey() || op.getPastKey() || op.getScoreFactor() || op.getMaskScale() ||
                   op.getFloor() || op.getBias() || op.getHasPresent() || op.getMaskFill() ||
                   (op.getRightWindow() && op.appliesWindow());
  bool isAdded = !op.getMask() || op.getMaskKind() == sink::MaskKind::additive;
  bool hidesByPlace = op.appliesCausal() || op.appliesWindow();
  bool isFinite = (!op.getScale() || op.getScale()->isFinite()) &&
                  (!op.getSoftcap() || op.getSoftcap()->isFinite());
  return !hasOthers && isAdded && isFinite && !op.getZeroHiddenRows() &&
         (!hidesByPlace || seesItself(op));
}

std::optional<json::Object> basin::describeOperator(sink::AttentionOp op) {
  bool isUsedInside = llvm::any_of(op.getMore(), [](Value inner) { return !inner.use_empty(); });
  Layout layouts[] = {op.getQueryLayout(), op.getKeyLayout(), op.getValueLayout(),
                      op.getResultLayout()};
  if (!isInMainGraph(op) || isUsedInside || !llvm::all_of(layouts, hasFourAxes) ||
      !hasPlainScores(op) || sink::Form(op).rounds())
    return std::nullopt;
  json::Object operands, options{{"causal", op.appliesCausal()}}, orders;
  static constexpr StringLiteral kNames[] = {"query", "key", "value", "result"};
  for (auto [name, layout] : llvm::zip(kNames, layouts))
    orders[name] = sink::stringifyLayout(layout);
  if (op.getScale())
    options["scale"] = op.getScale()->convertToDouble();
  if (op.getSoftcap())
    options["softcap"] = op.getSoftcap()->convertToDouble();
  if (op.getWindow() && op.appliesWindow())
    options["window"] = int64_t(*op.getWindow());
  StringRef result = getStreamValueName(op.getResult());
  if (result.empty() || !addOperands({{"query", op.getQuery()},
                                      {"key", op.getKey()},
                                      {"value", op.getValue()},
                                      {"mask", op.getMask()},
                                      {"sink_logit", op.getSinkLogit()},
                                      {"sink_key", op.getSinkKey()},
                                      {"sink_value", op.getSinkValue()},
                                      {"gate", op.getGate()}},
                                     operands))
    return std::nullopt;
  return json::Object{{"name", "attention"},
                      {"operands", std::move(operands)},
                      {"options", std::move(options)},
                      {"layouts", std::move(orders)},
                      {"result", json::fixUTF8(result)}};
}
