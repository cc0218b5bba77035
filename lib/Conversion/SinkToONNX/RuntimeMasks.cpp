//===- RuntimeMasks.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A boolean mask becomes zeros and -inf, or the op's finite score of hidden keys. A sum with the
// lowest number gives that number again, as a replaced score does; a sum with -1e9 does not. The
// operators take no bias of one row for all queries, so that one is expanded, once for all layers.
//
// A row whose scores all are -inf is NaN in these operators. If the op has zeros in such a row,
// they are put into the result.
//
//===----------------------------------------------------------------------===//

#include "RuntimeMasks.h"

#include <limits>

#include "basin/Dialect/ONNX/IR/Dims.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::MaskKind;

/// A finite score that absorbs each score that is added to it, in f32.
static constexpr double kAbsorbs = -1e34;

WhyNot basin::checkMask(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  if (p.bias && findElement(p.bias) != plan.element)
    return "its bias has another type";
  if (!p.mask)
    return p.maskFill ? WhyNot("it has a score for hidden keys, but no mask") : std::nullopt;
  bool isAdditive = p.maskKind == MaskKind::additive;
  Type type = findElement(p.mask);
  if (!type || (isAdditive ? type != plan.element : !type.isInteger(1)))
    return "its mask has another type";
  if (p.maskFill && isAdditive)
    return "it adds two masks";
  if (p.maskFill && (!plan.element.isF32() || *p.maskFill > kAbsorbs))
    return "the score of hidden keys is finite, and not the lowest one";
  if (p.zeroHiddenRows && *findRank(p.mask) > 2 && findSize(p.mask, -3) != 1)
    return "rows without keys may differ between heads";
  return std::nullopt;
}

/// Returns the sum of mask and bias. A bias that precedes the mask is not added where that hides
/// keys.
static Value makeSummand(const sink::AttentionParts &p, Type element, NodeBuilder &n) {
  Value bias = p.bias;
  if (bias && p.biasScale)
    bias = n.node<MulOp>({bias, n.scalar(*p.biasScale, element)});
  if (!p.mask)
    return bias;
  Value mask = p.mask;
  bool isAfter = p.biasAfterMask || p.maskKind == MaskKind::additive;
  if (p.maskKind != MaskKind::additive) {
    Value shown = bias && !isAfter ? bias : n.scalar(0, element);
    Value hidden = n.scalar(p.maskFill.value_or(-std::numeric_limits<double>::infinity()), element);
    mask = p.maskKind == MaskKind::keep ? n.node<WhereOp>({mask, shown, hidden})
                                        : n.node<WhereOp>({mask, hidden, shown});
  }
  return bias && isAfter ? n.node<AddOp>({mask, bias}) : mask;
}

Value basin::makeBias(const AttentionPlan &plan, Value query, Value key, int64_t keyAxis,
                      NodeBuilder &n, SharedValues &shared) {
  const sink::AttentionParts &p = plan.parts;
  Value first = p.mask ? p.mask : p.bias;
  if (!first)
    return {};
  std::string what;
  llvm::raw_string_ostream(what) << "bias " << int(p.maskKind.value_or(MaskKind::additive)) << " "
                                 << p.maskFill.value_or(0) << " " << p.biasScale.value_or(1)
                                 << (p.biasAfterMask ? " after " : " ")
                                 << p.bias.getAsOpaquePointer() << describeSizes(query, 1, 2) << " "
                                 << describeSizes(key, keyAxis, keyAxis + 1);
  return shared.get(n.getBuilder().getInsertionBlock(), what, first, [&] {
    Value bias = makeSummand(p, plan.element, n);
    int64_t rank = std::max(findRank(first).value(), p.bias ? findRank(p.bias).value() : 0);
    if (rank < 4)
      bias = n.unsqueeze(bias, llvm::to_vector(llvm::seq<int64_t>(0, 4 - rank)));
    if (rank >= 2 && isSameSize(bias, 2, query, 1) && isSameSize(bias, 3, key, keyAxis))
      return bias;
    Value shape =
        n.concat({n.constant({1, 1}), n.dims(query, 1, 2), n.dims(key, keyAxis, keyAxis + 1)}, 0);
    return n.expand(bias, shape);
  });
}

Value basin::zeroHiddenRows(const AttentionPlan &plan, Value flat, Value bias, NodeBuilder &n,
                            SharedValues &shared) {
  if (!plan.parts.zeroHiddenRows || !bias)
    return flat;
  Value hidden = shared.get(n.getBuilder().getInsertionBlock(), "hidden rows", bias, [&] {
    Value infinity = n.scalar(-std::numeric_limits<double>::infinity(), plan.element);
    Value largest = n.squeeze(n.reduceMax(bias, {3}), {1});
    return n.node<EqualOp>({largest, infinity});
  });
  return n.node<WhereOp>({hidden, n.scalar(0, plan.element), flat});
}
