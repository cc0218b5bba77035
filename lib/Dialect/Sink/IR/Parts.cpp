//===- Parts.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes ops from their parts, and parts from ops.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Sink/IR/Parts.h"

using namespace mlir;
using namespace basin;
using namespace basin::sink;

NormInterface basin::sink::createNorm(OpBuilder &b, Location loc, const NormParts &parts,
                                      Type result, Type sum) {
  FloatAttr epsilon = b.getF64FloatAttr(parts.epsilon);
  if (parts.centres)
    return LayerNormOp::create(b, loc, result, sum, parts.x, parts.residual, parts.preAffine,
                               parts.weight, parts.bias, parts.residualBias, epsilon);
  assert(!parts.bias && "an RMSNorm has no bias");
  return RMSNormOp::create(b, loc, result, sum, parts.x, parts.residual, parts.preAffine,
                           parts.weight, parts.residualBias, epsilon);
}

static std::optional<double> toDouble(std::optional<APFloat> value) {
  return value ? std::optional(value->convertToDouble()) : std::nullopt;
}

AttentionParts::AttentionParts(sink::AttentionOp op)
    : query(op.getQuery()), key(op.getKey()), value(op.getValue()), mask(op.getMask()),
      pastKey(op.getPastKey()), pastValue(op.getPastValue()), sinkLogit(op.getSinkLogit()),
      sinkKey(op.getSinkKey()), sinkValue(op.getSinkValue()), gate(op.getGate()),
      lastKey(op.getLastKey()), bias(op.getBias()), scoreFactor(op.getScoreFactor()),
      scale(toDouble(op.getScale())), softcap(toDouble(op.getSoftcap())),
      biasScale(toDouble(op.getBiasScale())), maskScale(toDouble(op.getMaskScale())),
      maskFill(toDouble(op.getMaskFill())), floor(toDouble(op.getFloor())), window(op.getWindow()),
      rightWindow(op.getRightWindow()), heads(op.getNumHeads()), kvHeads(op.getKvNumHeads()),
      headDim(op.getHeadDim()), maskKind(op.getMaskKind()), causal(op.getCausal()),
      causalInMask(op.getCausalInMask()), windowInMask(op.getWindowInMask()),
      biasAfterMask(op.getBiasAfterMask()), zeroHiddenRows(op.getZeroHiddenRows()),
      hasPresent(op.getHasPresent()), queryLayout(op.getQueryLayout()),
      keyLayout(op.getKeyLayout()), valueLayout(op.getValueLayout()),
      resultLayout(op.getResultLayout()) {}

void sink::AttentionOp::build(OpBuilder &b, OperationState &state, TypeRange results,
                              const AttentionParts &parts) {
  Properties &p = state.getOrAddProperties<Properties>();
  auto integer = [&](std::optional<int64_t> value) {
    return value ? b.getI64IntegerAttr(*value) : IntegerAttr();
  };
  auto number = [&](std::optional<double> value) {
    return value ? b.getF64FloatAttr(*value) : FloatAttr();
  };
  auto flag = [&](bool isSet) { return isSet ? b.getUnitAttr() : UnitAttr(); };
  auto layout = [&](Layout value) { return LayoutAttr::get(b.getContext(), value); };
  const Value operands[] = {parts.query,      parts.key,       parts.value,     parts.mask,
                            parts.bias,       parts.pastKey,   parts.pastValue, parts.sinkLogit,
                            parts.sinkKey,    parts.sinkValue, parts.gate,      parts.lastKey,
                            parts.scoreFactor};
  static_assert(std::size(operands) == std::tuple_size_v<decltype(p.operandSegmentSizes)>);
  for (auto [size, operand] : llvm::zip_equal(p.operandSegmentSizes, operands)) {
    size = operand ? 1 : 0;
    if (operand)
      state.addOperands(operand);
  }
  p.scale = number(parts.scale);
  p.causal = flag(parts.causal);
  p.window = integer(parts.window);
  p.right_window = integer(parts.rightWindow);
  p.softcap = number(parts.softcap);
  p.bias_scale = number(parts.biasScale);
  p.mask_scale = number(parts.maskScale);
  p.bias_after_mask = flag(parts.biasAfterMask);
  p.num_heads = integer(parts.heads);
  p.kv_num_heads = integer(parts.kvHeads);
  p.head_dim = integer(parts.headDim);
  if (parts.maskKind)
    p.mask_kind = MaskKindAttr::get(b.getContext(), *parts.maskKind);
  p.causal_in_mask = flag(parts.causalInMask);
  p.window_in_mask = flag(parts.windowInMask);
  p.mask_fill = number(parts.maskFill);
  p.floor = number(parts.floor);
  p.zero_hidden_rows = flag(parts.zeroHiddenRows);
  p.has_present = flag(parts.hasPresent);
  p.query_layout = layout(parts.queryLayout);
  p.key_layout = layout(parts.keyLayout);
  p.value_layout = layout(parts.valueLayout);
  p.result_layout = layout(parts.resultLayout);
  state.addRegion();
  state.addTypes(results);
}
