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

static Value makeAdditive(const sink::AttentionParts &p, Type element, NodeBuilder &n) {
  if (p.maskKind == MaskKind::additive)
    return p.mask;
  Value zero = n.scalar(0, element);
  Value hidden = n.scalar(p.maskFill.value_or(-std::numeric_limits<double>::infinity()), element);
  return p.maskKind == MaskKind::keep ? n.node<WhereOp>({p.mask, zero, hidden})
                                      : n.node<WhereOp>({p.mask, hidden, zero});
}

Value basin::makeBias(const AttentionPlan &plan, Value query, Value key, int64_t keyAxis,
                      NodeBuilder &n, SharedValues &shared) {
  const sink::AttentionParts &p = plan.parts;
  if (!p.mask)
    return {};
  std::string what;
  llvm::raw_string_ostream(what) << "bias " << int(*p.maskKind) << " " << p.maskFill.value_or(0)
                                 << describeSizes(query, 1, 2) << " "
                                 << describeSizes(key, keyAxis, keyAxis + 1);
  return shared.get(n.getBuilder().getInsertionBlock(), what, p.mask, [&] {
    Value bias = makeAdditive(p, plan.element, n);
    int64_t rank = *findRank(p.mask);
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
