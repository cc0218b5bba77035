//===- ConvertAttention.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Converts attention. The kernel takes every layout by strides. Masks and gates are broadcast by
// strides of 0. Their last axis cannot be broadcast that way, because the kernel has no stride
// for it.
//
// Heads of a tensor [batch * heads, sequence, d] become heads of one batch. Groups of query
// heads still get the right key heads, because batch * heads of query and key are in the same
// ratio as the heads.
//
//===----------------------------------------------------------------------===//

#include "Launches.h"

using namespace mlir;
using namespace basin;
using kernels::AttentionSpec;
using sink::Layout;

namespace {

/// A tensor with heads.
struct HeadTensor {
  StringRef name;
  Value value;
  Layout layout;
  onnx::TensorInfo info = onnx::getTensorInfo(value);
  /// The number of heads from the attributes, or 0 if they do not say.
  int64_t heads = 0;

  WhyNot check() const;
  /// Returns the number of elements of a head, or 0 if it is not known.
  int64_t headDim() const;
  bool hasHeads() const { return heads != 0 || layout != Layout::bsd; }
  onnx::Dim sequence() const { return info[sink::getSequenceAxis(layout)]; }
};

class AttentionLaunch {
public:
  AttentionLaunch(sink::AttentionOp op, const KernelModule &module)
      : op(op), module(module), launch(op.getContext()), ops({op}),
        query{"query", op.getQuery(), op.getQueryLayout()},
        key{"key", op.getKey(), op.getKeyLayout()},
        value{"value", op.getValue(), op.getValueLayout()},
        result{"result", op.getResult(), op.getResultLayout()} {}

  WhyNot run();

private:
  WhyNot readParts();
  WhyNot readHeads();
  WhyNot readTypes();
  WhyNot readSinks();
  WhyNot readMask();
  WhyNot readHiddenRows();
  WhyNot readGate();
  void bindStrides(const HeadTensor &tensor);
  void bindBroadcast(StringRef name, const onnx::TensorInfo &info, Layout layout);
  LaunchBuilder::Factors headsOf(const HeadTensor &tensor);
  SmallVector<LaunchBuilder::Factors> shapeOfResult();
  void bindSizes();
  bool isFlat() const { return query.layout == Layout::hsd; }

  sink::AttentionOp op;
  const KernelModule &module;
  LaunchBuilder launch;
  SmallVector<Operation *> ops;
  AttentionSpec spec;
  HeadTensor query, key, value, result;
  Value gate;
};

} // namespace

//===----------------------------------------------------------------------===//
// Query, key and value
//===----------------------------------------------------------------------===//

WhyNot HeadTensor::check() const {
  if (layout == Layout::packed)
    return ("expected a " + name +
            " of its own, but got one packed with others; lower its form first")
        .str();
  if (layout == Layout::sbhd || sink::getHeadDimAxis(layout) + 1 != *sink::getRankOf(layout))
    return ("expected a " + name +
            " whose first axis is the batch and whose last one a head's elements, but got layout " +
            sink::stringifyLayout(layout))
        .str();
  if (!info.hasRank() || info.rank() != *sink::getRankOf(layout))
    return ("expected a " + name + " of rank " + Twine(*sink::getRankOf(layout))).str();
  if (headDim() == 0)
    return ("expected a " + name + " with heads of known size").str();
  return std::nullopt;
}

int64_t HeadTensor::headDim() const {
  const onnx::Dim &last = info[info.rank() - 1];
  if (!last.isStatic() || !hasHeads())
    return 0;
  if (layout != Layout::bsd)
    return last.size;
  return last.size % heads == 0 ? last.size / heads : 0;
}

WhyNot AttentionLaunch::readHeads() {
  query.heads = result.heads = op.getNumHeads().value_or(0);
  key.heads = value.heads = op.getKvNumHeads().value_or(query.heads);
  for (const HeadTensor &tensor : {query, key, value, result})
    if (WhyNot why = tensor.check())
      return why;
  for (const HeadTensor &tensor : {key, value, result})
    if ((tensor.layout == Layout::hsd) != isFlat())
      return "expected separate axes for batch and heads in all of its tensors or in none";
  // The kernel takes the batch from the values: theirs must not be broadcast to the result's. Sizes
  // that nothing names are taken to agree.
  const onnx::Dim &batch = result.info[0];
  bool agrees =
      value.info[0].provablyEquals(batch) || (value.info[0].isUnknown() && batch.isUnknown());
  if (!isFlat() && !agrees)
    return "expected values with a batch of " + onnx::toString(batch) + ", but got " +
           onnx::toString(value.info[0]);
  spec.headDim = query.headDim();
  spec.valueDim = value.headDim();
  if (key.headDim() != spec.headDim)
    return "expected keys of " + std::to_string(spec.headDim) + " elements a head, but got " +
           std::to_string(key.headDim());
  return std::nullopt;
}

WhyNot AttentionLaunch::readTypes() {
  spec.type = query.info.element;
  for (const HeadTensor &tensor : {query, key, value, result})
    if (tensor.info.element != spec.type)
      return ("expected a " + tensor.name + " of the query's type " + toString(spec.type) +
              ", but got " + toString(tensor.info.element))
          .str();
  return std::nullopt;
}

/// Adds the strides of batch, head and row of one of the four tensors with heads.
void AttentionLaunch::bindStrides(const HeadTensor &tensor) {
  StringRef name = tensor.name;
  std::optional<unsigned> headAxis = sink::getHeadAxis(tensor.layout);
  Attribute ofHead = headAxis   ? launch.stride(name, *headAxis)
                     : isFlat() ? launch.stride(name, 0)
                                : launch.number(tensor.headDim());
  launch.scalar((name + "_batch_stride").str(),
                isFlat() ? launch.number(0) : launch.stride(name, 0));
  launch.scalar((name + "_head_stride").str(), ofHead);
  launch.scalar((name + "_row_stride").str(),
                launch.stride(name, sink::getSequenceAxis(tensor.layout)));
}

/// Adds the same strides of a tensor that is broadcast to [batch, heads, sequence, ..] in
/// `layout`.
void AttentionLaunch::bindBroadcast(StringRef name, const onnx::TensorInfo &info, Layout layout) {
  int64_t missing = *sink::getRankOf(layout) - info.rank();
  auto strideOf = [&](int64_t axis) {
    return axis < missing ? launch.number(0) : launch.stride(name, axis - missing);
  };
  std::optional<unsigned> headAxis = sink::getHeadAxis(layout);
  Attribute ofHead = headAxis                ? strideOf(*headAxis)
                     : layout == Layout::hsd ? strideOf(0)
                                             : launch.number(result.headDim());
  launch.scalar((name + "_batch_stride").str(),
                layout == Layout::hsd ? launch.number(0) : strideOf(0));
  launch.scalar((name + "_head_stride").str(), ofHead);
  launch.scalar((name + "_row_stride").str(), strideOf(sink::getSequenceAxis(layout)));
}

LaunchBuilder::Factors AttentionLaunch::headsOf(const HeadTensor &tensor) {
  if (std::optional<unsigned> axis = sink::getHeadAxis(tensor.layout))
    return {launch.size(tensor.name, *axis)};
  return {isFlat() ? launch.size(tensor.name, 0) : launch.number(tensor.heads)};
}

SmallVector<LaunchBuilder::Factors> AttentionLaunch::shapeOfResult() {
  LaunchBuilder::Factors batch = {launch.size("value", 0)}, heads = headsOf(query),
                         columns = {launch.number(spec.getValueDim())},
                         rows = {launch.size("query", sink::getSequenceAxis(query.layout))};
  switch (result.layout) {
  case Layout::bhsd:
    return {batch, heads, rows, columns};
  case Layout::bshd:
    return {batch, rows, heads, columns};
  case Layout::bsd:
    heads.append(columns);
    return {batch, rows, heads};
  case Layout::hsd:
    return {heads, rows, columns};
  case Layout::bhds:
  case Layout::hds:
  case Layout::sbhd:
  case Layout::packed:
    break;
  }
  llvm_unreachable("a layout that check() refuses");
}

void AttentionLaunch::bindSizes() {
  launch.scalar("heads", headsOf(query));
  launch.scalar("kv_heads", headsOf(key));
  // The batch is that of the values: a query with a batch of one is broadcast to it.
  launch.scalar("batch", isFlat() ? launch.number(1) : launch.size("value", 0));
  launch.scalar("queries", launch.size("query", sink::getSequenceAxis(query.layout)));
  launch.scalar("keys", launch.size("key", sink::getSequenceAxis(key.layout)));
  if (spec.sinkKeyValue)
    launch.scalar("sink_rows", launch.size("sink_key", 1));
  if (spec.window)
    launch.scalar("window", launch.number(*op.getWindow()));
}

//===----------------------------------------------------------------------===//
// Sinks, mask, gate
//===----------------------------------------------------------------------===//

WhyNot AttentionLaunch::readSinks() {
  if (Value logit = op.getSinkLogit()) {
    spec.sinkType = elementOf(logit);
    if (!spec.sinkType)
      return "expected sink logits of known type";
    if (isFlat())
      return "expected a separate axis of heads with sink logits, but got layout hsd";
  }
  for (Value rows : {op.getSinkKey(), op.getSinkValue()}) {
    if (!rows)
      continue;
    if (elementOf(rows) != spec.type)
      return "expected sink rows of " + toString(spec.type) + ", but got " +
             toString(elementOf(rows));
    if (isFlat())
      return "expected a separate axis of heads with sink rows, but got layout hsd";
  }
  spec.sinkLogit = static_cast<bool>(op.getSinkLogit());
  spec.sinkKeyValue = static_cast<bool>(op.getSinkKey());
  return std::nullopt;
}

WhyNot AttentionLaunch::readMask() {
  Value mask = op.getMask();
  if (!mask)
    return std::nullopt;
  onnx::TensorInfo info = onnx::getTensorInfo(mask);
  int64_t rank = isFlat() ? 3 : 4;
  if (!info.hasRank() || info.rank() < 1 || info.rank() > rank)
    return "expected a mask of rank 1 to " + std::to_string(rank);
  onnx::Dim keys = key.sequence();
  if (!info[info.rank() - 1].provablyEquals(keys))
    return "expected a mask with a column for each of " + onnx::toString(keys) + " keys, but got " +
           onnx::toString(info[info.rank() - 1]);
  switch (*op.getMaskKind()) {
  case sink::MaskKind::additive:
    spec.mask = AttentionSpec::Bias;
    spec.maskType = info.element;
    return std::nullopt;
  case sink::MaskKind::keep:
    if (!info.element || !info.element.isInteger(1))
      return "expected a mask of i1, but got " + toString(info.element);
    spec.mask = AttentionSpec::Keep;
    return std::nullopt;
  case sink::MaskKind::drop:
    return "expected a mask that is true where keys are visible";
  case sink::MaskKind::lengths:
    return "expected a mask of scores, but got lengths";
  }
  llvm_unreachable("a mask of no kind");
}

/// Finds out whether the kernel may be causal, which saves it whole tiles, and what a row gives
/// that sees nothing. If the op is causal because its mask hides later keys, the kernel may skip
/// them only if no sum is over hidden keys: they are -inf, or a sink is seen by every row.
WhyNot AttentionLaunch::readHiddenRows() {
  bool hasSink = op.getSinkLogit() || op.getSinkKey();
  bool isBoolean = spec.mask == AttentionSpec::Keep;
  spec.maskFill = op.getMaskFill() ? op.getMaskFill()->convertToDouble() : 0;
  bool hidesAll = hasSink || (isBoolean && spec.maskFill == 0);
  spec.causal = op.appliesCausal() || (op.getCausal() && hidesAll);
  if (spec.maskFill != 0 && (op.appliesCausal() || op.appliesWindow()))
    return "expected no mask_fill together with causal or window";
  if (spec.maskFill != 0 && spec.causal)
    spec.maskFill = 0;
  const onnx::Dim queries = query.sequence(), keys = key.sequence();
  bool seesItself = keys.provablyEquals(queries) ||
                    (keys.isStatic() && queries.isStatic() && keys.size >= queries.size);
  bool mayHide = op.getMask() || ((spec.causal || op.appliesWindow()) && !seesItself);
  spec.nanHiddenRows = mayHide && !hasSink && spec.maskFill == 0 && !op.getZeroHiddenRows();
  return std::nullopt;
}

/// Reads the gate. If it is a sigmoid that nothing else reads, the kernel computes the sigmoid.
WhyNot AttentionLaunch::readGate() {
  gate = op.getGate();
  if (!gate)
    return std::nullopt;
  spec.gate = AttentionSpec::Plain;
  if (auto sigmoid = gate.getDefiningOp<onnx::SigmoidOp>(); sigmoid && gate.hasOneUse()) {
    gate = sigmoid.getX();
    spec.gate = AttentionSpec::Sigmoid;
    ops.push_back(sigmoid);
  }
  onnx::TensorInfo info = onnx::getTensorInfo(gate);
  if (info.element != spec.type)
    return "expected a gate of " + toString(spec.type) + ", but got " + toString(info.element);
  if (!info.hasRank() || info.rank() < 1 || info.rank() > result.info.rank())
    return "expected a gate of rank 1 to " + std::to_string(result.info.rank());
  const onnx::Dim &last = info[info.rank() - 1], &own = result.info[result.info.rank() - 1];
  spec.gatePerHead = last.is(1) && sink::getHeadAxis(result.layout) && info.rank() > 1;
  if (spec.gatePerHead || (last.isStatic() && last.provablyEquals(own)))
    return std::nullopt;
  return "expected a gate with a score for each of " + onnx::toString(own) +
         " elements or one for each head, but got " + onnx::toString(last);
}

//===----------------------------------------------------------------------===//
// The launch
//===----------------------------------------------------------------------===//

WhyNot AttentionLaunch::readParts() {
  if (op.getLastKey())
    return "expected one number of keys for the whole batch, but got last_key";
  if (op.getPastKey())
    return "expected keys and values that include those of the past, but got past_key";
  if (op.getScoreFactor())
    return "expected one scale for all scores, but got score_factor";
  if (op.getMaskScale())
    return "expected a mask that is added as it is, but got mask_scale";
  if (op.getFloor())
    return "expected no least score (floor)";
  if (op.getBias())
    return "expected no bias, but a mask alone";
  if (op.getRightWindow() && op.appliesWindow())
    return "expected no window to the right of the query";
  if (op.getHasPresent())
    return "expected one result, but got present keys and values, too";
  if (llvm::any_of(op.getMore(), [](Value inner) { return !inner.use_empty(); }))
    return "expected no use of inner values of its form";
  for (auto read :
       {&AttentionLaunch::readHeads, &AttentionLaunch::readTypes, &AttentionLaunch::readSinks,
        &AttentionLaunch::readMask, &AttentionLaunch::readGate})
    if (WhyNot why = (this->*read)())
      return why;
  if (WhyNot why = readHiddenRows())
    return why;
  spec.window = op.getWindow() && op.appliesWindow();
  spec.softcap = op.getSoftcap() ? op.getSoftcap()->convertToDouble() : 0;
  spec.scale = op.getScale() ? op.getScale()->convertToDouble() : 0;
  if (op.getScale() && spec.scale == 0)
    return "expected a scale that is not 0";
  return std::nullopt;
}

WhyNot AttentionLaunch::run() {
  if (WhyNot why = readParts())
    return why;
  for (const HeadTensor &tensor : {query, key, value})
    launch.input(tensor.name, tensor.value);
  if (launch.input("mask", op.getMask()))
    bindBroadcast("mask", onnx::getTensorInfo(op.getMask()), isFlat() ? Layout::hsd : Layout::bhsd);
  launch.input("sink_logit", op.getSinkLogit());
  launch.input("sink_key", op.getSinkKey());
  launch.input("sink_value", op.getSinkValue());
  if (launch.input("gate", gate))
    bindBroadcast("gate", onnx::getTensorInfo(gate), result.layout);
  launch.output("result", op.getResult(), shapeOfResult());
  for (const HeadTensor &tensor : {query, key, value, result})
    bindStrides(tensor);
  bindSizes();
  return launch.replace(ops, spec, module);
}

WhyNot basin::convertToLaunch(sink::AttentionOp op, const KernelModule &module) {
  return AttentionLaunch(op, module).run();
}
