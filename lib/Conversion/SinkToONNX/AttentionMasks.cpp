//===- AttentionMasks.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A boolean mask becomes zeros and -inf, or the op's finite score of hidden keys. A sum with the
// lowest number gives that number again, as a replaced score does; a sum with -1e9 does not. A
// least number of the scores is one of their summand if it absorbs scores likewise. The operators
// take no bias of one row for all queries, so that one is expanded, once for all layers.
//
// A row whose scores all are -inf is NaN in some operators and zero in others. If the op has
// something else there, it is put into the result.
//
//===----------------------------------------------------------------------===//

#include "AttentionMasks.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/OldOpsets.h"

#include <limits>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::Layout;
using basin::sink::MaskKind;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

static bool isAdditive(const sink::AttentionParts &p) {
  return p.mask && p.maskKind == MaskKind::additive;
}

static bool appliesPositions(const sink::AttentionParts &p) {
  return p.appliesCausal() || p.appliesWindow();
}

bool basin::isHiddenFinite(const sink::AttentionParts &parts) {
  return parts.maskFill || parts.floor;
}

WhyNot basin::checkMask(const AttentionPlan &plan, bool leavesPositions) {
  const sink::AttentionParts &p = plan.parts;
  if (p.bias && findElement(p.bias) != plan.element)
    return "its bias has another type";
  Type type = findElement(p.mask);
  if (p.mask && (isAdditive(p) ? type != plan.element : !type || !type.isInteger(1)))
    return "its mask has another type";
  auto absorbs = [&](double number) { return plan.element.isF32() && number <= kAbsorbs; };
  if (p.maskFill && !isAdditive(p) && !absorbs(*p.maskFill))
    return "the score of hidden keys is finite, and not the lowest one";
  if (p.floor && !absorbs(*p.floor))
    return "its scores have a least number that is not the lowest one";
  if (isHiddenFinite(p) && leavesPositions && appliesPositions(p))
    return "hidden keys have a finite score, and causality hides more than the mask";
  return std::nullopt;
}

bool basin::hasBooleanMask(const AttentionPlan &plan, bool leavesPositions) {
  const sink::AttentionParts &p = plan.parts;
  return !p.bias && !isAdditive(p) && !isHiddenFinite(p) &&
         (p.mask || (!leavesPositions && appliesPositions(p)));
}

std::optional<int64_t> basin::findMaskHeads(const AttentionPlan &plan) {
  int64_t heads = 1;
  for (Value summand : {plan.parts.mask, plan.parts.bias}) {
    std::optional<int64_t> size = plan.findHeads(summand);
    if (!size)
      return std::nullopt;
    heads = std::max(heads, *size);
  }
  return heads;
}

/// Returns whether causality and windows leave each query its own key.
static bool seesItself(const sink::AttentionParts &p) {
  return isSameSize(p.query, sink::getSequenceAxis(p.queryLayout), p.key,
                    sink::getSequenceAxis(p.keyLayout)) &&
         p.window.value_or(1) > 0 && p.rightWindow.value_or(0) >= 0;
}

bool basin::mayHideRows(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  if (p.floor)
    return false;
  if (appliesPositions(p) && !p.maskFill && !seesItself(p))
    return true;
  if (!p.mask && !p.bias)
    return false;
  std::optional<SummandBounds> bounds = findSummandBounds(plan);
  return !bounds || bounds->mayBeInfinite;
}

//===----------------------------------------------------------------------===//
// MaskBuilder
//===----------------------------------------------------------------------===//

MaskBuilder::MaskBuilder(const AttentionPlan &plan, const ScoreSizes &sizes, bool leavesPositions,
                         NodeBuilder &n, SharedValues &shared)
    : plan(plan), p(plan.parts), sizes(sizes),
      makesPositions(!leavesPositions && appliesPositions(p)),
      leavesPositions(leavesPositions && appliesPositions(p)), n(n), shared(shared) {
  llvm::raw_string_ostream positions(positionKey), all(key);
  positions << (p.appliesCausal() ? " causal" : "");
  if (p.appliesWindow())
    positions << " window " << p.window.value_or(-1) << " " << p.rightWindow.value_or(-1);
  positions << describeSizes(sizes.query, sizes.queryAxis, sizes.queryAxis + 1) << " "
            << describeSizes(sizes.key, sizes.keyAxis, sizes.keyAxis + 1);
  if (sizes.past)
    positions << " past" << describeSizes(sizes.past, 2, 3);
  if (sizes.pastLength)
    positions << " past in place";
  all << " " << int(p.maskKind.value_or(MaskKind::additive)) << " " << p.maskFill.value_or(0) << " "
      << p.floor.value_or(0) << " " << p.maskScale.value_or(1) << " " << p.biasScale.value_or(1)
      << (p.biasAfterMask ? " after " : " ") << p.bias.getAsOpaquePointer()
      << (makesPositions ? " hides" : "") << positionKey;
}

Value MaskBuilder::share(StringRef what, Value source, llvm::function_ref<Value()> make) {
  return shared.get(n.getBuilder().getInsertionBlock(), what, source, make);
}

/// Returns the number of keys, [1].
Value MaskBuilder::keyCount() {
  Value keys = n.dims(sizes.key, sizes.keyAxis, sizes.keyAxis + 1);
  if (sizes.pastLength)
    return n.node<AddOp>({keys, n.unsqueeze(sizes.pastLength, {0})});
  return sizes.past ? n.node<AddOp>({keys, n.dims(sizes.past, 2, 3)}) : keys;
}

/// Returns whether a query sees a key by their positions, [queries, keys].
Value MaskBuilder::positions() {
  return share("positions" + positionKey, Value(), [&] {
    Value zero = n.constant({0}, 0), one = n.constant({1}, 0);
    Value queries = n.dim(sizes.query, sizes.queryAxis), keys = n.squeeze(keyCount(), {0});
    Value i = n.unsqueeze(n.node<RangeOp>({zero, queries, one}), {1});
    i = n.node<AddOp>({i, n.node<SubOp>({keys, queries})});
    Value j = n.unsqueeze(n.node<RangeOp>({zero, keys, one}), {0});
    Value seen;
    auto sees = [&](Value more) { seen = seen ? n.node<AndOp>({seen, more}) : more; };
    if (p.appliesCausal())
      sees(lessOrEqual(n, j, i));
    if (p.appliesWindow() && p.window)
      sees(n.node<LessOp>({n.node<SubOp>({i, j}), n.constant({*p.window}, 0)}));
    if (p.appliesWindow() && p.rightWindow)
      sees(lessOrEqual(n, n.node<SubOp>({j, i}), n.constant({*p.rightWindow}, 0)));
    return seen;
  });
}

/// Returns the flags of a boolean mask, true where a key is visible.
Value MaskBuilder::flags() {
  return p.maskKind == MaskKind::drop ? n.node<NotOp>({p.mask}) : p.mask;
}

Value MaskBuilder::scaled(Value summand, std::optional<double> scale) {
  return summand && scale ? n.node<MulOp>({summand, n.scalar(*scale, plan.element)}) : summand;
}

/// Returns the sum in the order of the op's steps. A bias that precedes the mask is not added where
/// that hides keys.
Value MaskBuilder::sum() {
  Value zero = n.scalar(0, plan.element), bias = scaled(p.bias, p.biasScale);
  Value hidden = n.scalar(p.maskFill.value_or(-kInfinity), plan.element);
  Value sum = p.biasAfterMask ? Value() : bias;
  if (isAdditive(p)) {
    Value mask = scaled(p.mask, p.maskScale);
    sum = sum ? n.node<AddOp>({mask, sum}) : mask;
  } else if (p.mask) {
    sum = n.node<WhereOp>({flags(), sum ? sum : zero, hidden});
  }
  if (makesPositions && isAdditive(p) && p.maskFill)
    sum = n.node<AddOp>({sum, n.node<WhereOp>({positions(), zero, hidden})});
  else if (makesPositions)
    sum = n.node<WhereOp>({positions(), sum ? sum : zero, hidden});
  if (p.biasAfterMask)
    sum = n.node<AddOp>({sum, bias});
  return p.floor ? n.node<MaxOp>({sum, n.scalar(*p.floor, plan.element)}) : sum;
}

/// Gives the mask, which has at least two axes, a row for each query and a column for each key.
Value MaskBuilder::expand(Value mask) {
  int64_t rank = findRank(mask).value_or(0);
  if (makesPositions || (rank >= 2 && isSameSize(mask, rank - 2, sizes.query, sizes.queryAxis) &&
                         !sizes.past && isSameSize(mask, rank - 1, sizes.key, sizes.keyAxis)))
    return mask;
  Value rows = n.dims(sizes.query, sizes.queryAxis, sizes.queryAxis + 1);
  return n.expand(mask, n.concat({rows, keyCount()}, 0));
}

Value MaskBuilder::makeSum() {
  if (!p.mask && !p.bias && !makesPositions)
    return {};
  return share("mask" + key, p.mask ? p.mask : p.bias, [&] {
    int64_t rank = makesPositions ? 2 : 0;
    for (Value summand : {p.mask, p.bias})
      rank = summand ? std::max(rank, *findRank(summand)) : rank;
    Value mask = sum();
    if (rank < 4)
      mask = n.unsqueeze(mask, llvm::to_vector(llvm::seq<int64_t>(0, 4 - rank)));
    return expand(mask);
  });
}

Value MaskBuilder::makeBoolean() {
  return share("boolean mask" + key, p.mask, [&] {
    Value mask = p.mask ? flags() : Value();
    if (makesPositions)
      mask = mask ? n.node<AndOp>({mask, positions()}) : positions();
    return expand(mask);
  });
}

/// Returns whether a row sees no key: [1 or batch, 1 or heads, queries, 1].
Value MaskBuilder::hiddenRows(Value mask) {
  return share("hidden rows" + (leavesPositions ? positionKey : ""), mask, [&]() -> Value {
    Value keys = mask;
    if (findElement(mask).isInteger(1)) {
      if (leavesPositions)
        keys = n.node<AndOp>({keys, positions()});
      Value some = n.reduceMax(n.cast(keys, n.getBuilder().getF32Type()), {-1});
      Value hidden = n.node<NotOp>({n.cast(some, n.getBuilder().getI1Type())});
      int64_t rank = p.mask ? std::max<int64_t>(*findRank(p.mask), 2) : 2;
      return rank < 4 ? n.unsqueeze(hidden, llvm::to_vector(llvm::seq<int64_t>(0, 4 - rank)))
                      : hidden;
    }
    Value infinity = n.scalar(-kInfinity, plan.element);
    if (leavesPositions)
      keys = n.node<WhereOp>({positions(), keys, infinity});
    return n.node<EqualOp>({n.reduceMax(keys, {3}), infinity});
  });
}

Value MaskBuilder::fillHiddenRows(Value result, Layout layout, Value mask, double number) {
  if (!mask || !mayHideRows(plan))
    return result;
  Value hidden = hiddenRows(mask), filler = n.scalar(number, plan.element);
  if (layout == Layout::bhsd)
    return n.node<WhereOp>({hidden, filler, result});
  if (findMaskHeads(plan) == 1) {
    Value rows = share("flat hidden rows", hidden, [&] { return n.squeeze(hidden, {1}); });
    return n.node<WhereOp>({rows, filler, result});
  }
  auto [heads, dim] = plan.result();
  Value rows =
      share("hidden rows of heads", hidden, [&] { return n.transpose(hidden, {0, 2, 1, 3}); });
  Value apart = n.reshape(result, {0, 0, heads, dim});
  return n.reshape(n.node<WhereOp>({rows, filler, apart}), {0, 0, heads * dim});
}
