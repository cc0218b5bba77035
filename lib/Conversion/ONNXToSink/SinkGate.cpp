//===- SinkGate.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SinkGate.h"
#include "Matchers.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;

/// Returns whether `row` has one element for each row of `scores`: the same axes, the last one of
/// size 1.
static bool hasOneForEachRow(Value row, Value scores) {
  TensorInfo r = getTensorInfo(row), s = getTensorInfo(scores);
  if (!r.hasRank() || !s.hasRank() || r.rank() != 4 || s.rank() != 4 || !r[3].is(1))
    return false;
  // An axis of equal size was not reduced, or has one element, so that nothing was.
  for (unsigned i = 0; i < 3; ++i)
    if (!r[i].provablyEquals(s[i]))
      return false;
  return true;
}

/// Returns whether `value` is the logarithm of the sum of the exponentials of each row.
static bool isLogSumExp(Value value, Value scores, Ops &ops) {
  Value row = skipCasts(value, &ops);
  auto node = row.getDefiningOp<NodeOp>();
  if (!node || node.getOpType() != "ReduceLogSumExp" || !node.getOpDomain().empty() ||
      node->getNumOperands() < 1 || skipCasts(node->getOperand(0)) != skipCasts(scores) ||
      !hasOneForEachRow(row, node->getOperand(0)))
    return false;
  skipCasts(node->getOperand(0), &ops);
  ops.insert(node);
  return true;
}

/// Returns what is subtracted from the logarithm in the sigmoid that `mul` multiplies `value` by,
/// or null.
static Value matchSigmoid(MulOp mul, Value value, Value scores, Ops &ops) {
  Value gate = otherOperand(mul, value);
  if (!gate || gate == value)
    return {};
  auto sigmoid = skipCasts(gate, &ops).getDefiningOp<SigmoidOp>();
  if (!sigmoid)
    return {};
  auto sub = skipCasts(sigmoid->getOperand(0), &ops).getDefiningOp<SubOp>();
  if (!sub || !isLogSumExp(sub.getA(), scores, ops) || !hasOneForEachRow(sub.getResult(), scores))
    return {};
  for (Operation *op : {sigmoid.getOperation(), sub.getOperation(), mul.getOperation()})
    ops.insert(op);
  return sub.getB();
}

bool basin::onnx::isSinkGate(MulOp mul, Value value, Value scores) {
  Ops ops;
  return bool(matchSigmoid(mul, value, scores, ops));
}

std::optional<SinkGate> basin::onnx::matchSinkGate(MulOp mul, Value value, Value scores) {
  SinkGate gate;
  Value sink = matchSigmoid(mul, value, scores, gate.ops);
  if (!sink)
    return std::nullopt;
  gate.heads = getDim(scores, 1);
  gate.number = evaluateScalar(sink);
  if (gate.number && std::isfinite(*gate.number))
    return gate;
  gate.number.reset();
  if (gate.heads)
    gate.logit = findLogits(sink, *gate.heads, gate.ops);
  return gate.logit ? std::optional(std::move(gate)) : std::nullopt;
}

bool basin::onnx::isFiniteMask(Value mask) {
  llvm::SetVector<Value> open;
  open.insert(mask);
  constexpr size_t kMaxValues = 64, kMaxElements = 1 << 20;
  for (size_t i = 0; i < open.size(); ++i) {
    Value value = open[i];
    if (auto elements = getConstantFloats(value, kMaxElements)) {
      if (!llvm::all_of(*elements, [](double element) { return std::isfinite(element); }))
        return false;
      continue;
    }
    Operation *op = value.getDefiningOp();
    if (!op || open.size() > kMaxValues)
      return false;
    if (auto fill = dyn_cast<ConstantOfShapeOp>(op)) {
      auto dense = dyn_cast_or_null<DenseFPElementsAttr>(fill.getValue().value_or(Attribute()));
      if (fill.getValue() &&
          (!dense || !dense.isSplat() || !dense.getSplatValue<APFloat>().isFinite()))
        return false;
      continue;
    }
    if (isa<WhereOp>(op)) {
      open.insert(op->getOperand(1));
      open.insert(op->getOperand(2));
      continue;
    }
    if (auto concat = dyn_cast<ConcatOp>(op)) {
      open.insert(concat->operand_begin(), concat->operand_end());
      continue;
    }
    // A Cast to a narrower type may make an infinity.
    bool keeps =
        isa<ReshapeOp, ExpandOp, UnsqueezeOp, SqueezeOp, SliceOp, TransposeOp, IdentityOp, TriluOp>(
            op);
    if (!keeps)
      return false;
    open.insert(op->getOperand(0));
  }
  return true;
}
