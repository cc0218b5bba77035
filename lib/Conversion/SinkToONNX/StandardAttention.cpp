//===- StandardAttention.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes attention as Attention of ai.onnx 23, with its errata: the mask is added after softcap,
// causality counts from the end of the past, query heads share key heads in groups, and a row that
// sees no key is zero. If the op has NaN there, NaN is put into the result. A window becomes part
// of the mask, and sinks become keys and columns of the mask (StandardSinks). Attention of ai.onnx
// 25 has windows, and takes sinks as a past that is in no present.
//
//===----------------------------------------------------------------------===//

#include "AttentionMasks.h"
#include "StandardSinks.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/RaiseOpset.h"

#include <limits>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::Layout;

/// Up to this magnitude, no sum of a score and a summand in f16 is the lowest number.
static constexpr float kModerate = 1 << 14;

static double toDouble(const APFloat &number) {
  APFloat wide = number;
  bool losesInfo;
  wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  return wide.convertToDouble();
}

/// The lowest number of a type, and the one above it.
static std::pair<double, double> getLowest(Type element) {
  APFloat number = APFloat::getLargest(cast<FloatType>(element).getFloatSemantics(), true);
  double lowest = toDouble(number);
  number.next(/*nextDown=*/false);
  return {lowest, toDouble(number)};
}

/// Returns a summand with the number above the lowest one in place of that. A row whose scores all
/// are the lowest number is uniform by the standard, but ONNX Runtime 1.32 takes that number for
/// -inf. The next number absorbs scores just as well.
static Value avoidLowest(Value sum, const AttentionPlan &plan, NodeBuilder &n,
                         SharedValues &shared) {
  std::optional<SummandBounds> bounds = findSummandBounds(plan);
  if (!plan.parts.floor && bounds && bounds->largest < -kAbsorbs)
    return sum;
  return shared.get(n.getBuilder().getInsertionBlock(), "above the lowest", sum, [&] {
    auto [lowest, next] = getLowest(plan.element);
    Value isLowest = n.node<EqualOp>({sum, n.scalar(lowest, plan.element)});
    return n.node<WhereOp>({isLowest, n.scalar(next, plan.element), sum});
  });
}

/// Returns whether is_causal and windows of the operator say what positions hide. It counts from
/// the end of the past, and hides a key by -inf. It would count the keys of sinks, too, unless they
/// are a past, which causality alone does not hide.
static bool leavesPositions(const AttentionPlan &plan, int64_t opset) {
  const sink::AttentionParts &p = plan.parts;
  bool isSquare = isSameSize(p.query, sink::getSequenceAxis(p.queryLayout), p.key,
                             sink::getSequenceAxis(p.keyLayout));
  if (!isSquare || isHiddenFinite(p) || !(p.appliesCausal() || p.appliesWindow()))
    return false;
  if (p.appliesWindow())
    return opset >= kPastOpset && !hasSinks(plan) && !p.rightWindow && p.window && *p.window > 0;
  return opset >= kPastOpset || !hasSinks(plan);
}

static WhyNot checkAttention(const AttentionPlan &plan, bool leaves) {
  const sink::AttentionParts &p = plan.parts;
  if (WhyNot why = checkSinks(plan))
    return why;
  if (WhyNot why = checkMask(plan, leaves))
    return why;
  // With a sink, no row's scores all are the lowest number.
  if (hasSinks(plan))
    return std::nullopt;
  // The number next to the lowest one does not help: in f16 a score moves the sum to the lowest.
  if (plan.element.isF16() && !hasBooleanMask(plan, leaves) && (p.mask || p.bias)) {
    std::optional<SummandBounds> bounds = findSummandBounds(plan);
    if (!bounds || bounds->largest > kModerate)
      return "ONNX Runtime takes the lowest score in f16 for -inf";
  }
  return std::nullopt;
}

namespace {

/// Query, key and value in one layout, the operator's past, and the present keys and values if the
/// operator cannot give them.
struct Operands {
  Layout layout = Layout::bhsd;
  Value query, key, value, pastKey, pastValue, presentKey, presentValue;

  bool isFlat() const { return layout == Layout::bsd; }
  ScoreSizes sizes(Value past) const {
    int64_t axis = isFlat() ? 1 : 2;
    return {query, axis, key, axis, past};
  }
};

} // namespace

/// Returns whether the operator takes sinks as a past.
static bool hasSinkPast(const AttentionPlan &plan, NodeBuilder &n) {
  return hasSinks(plan) && n.getOpset() >= kPastOpset;
}

/// Brings the operands to one layout. Sinks and a past are joined to keys with their heads first,
/// unless they are the operator's past and no present is asked for.
static Operands makeOperands(const AttentionPlan &plan, NodeBuilder &n) {
  const sink::AttentionParts &p = plan.parts;
  Operands made;
  bool isFlat = isFlatView(p.query, p.queryLayout) && isFlatView(p.key, p.keyLayout) &&
                isFlatView(p.value, p.valueLayout) &&
                (!hasSinks(plan) || (hasSinkPast(plan, n) && !p.hasPresent));
  made.layout = isFlat ? Layout::bsd : Layout::bhsd;
  auto take = [&](Value value, Layout from, HeadSizes sizes) {
    return isFlat ? makeFlat(value, from, sizes, n) : makeHeadsFirst(value, from, sizes, n);
  };
  made.query = take(p.query, p.queryLayout, plan.query);
  made.key = take(p.key, p.keyLayout, plan.key);
  made.value = take(p.value, p.valueLayout, plan.value);
  made.query = plan.scaleQuery(made.query, made.layout, n);
  return made;
}

/// Joins past and new keys, which are the present ones if sinks must not be among them. They are
/// flat only if there is no present.
static void joinPast(const AttentionPlan &plan, Operands &made, NodeBuilder &n) {
  const sink::AttentionParts &p = plan.parts;
  if (made.isFlat())
    return;
  auto withPast = [&](Value past, Value x) { return past ? n.concat({past, x}, 2) : x; };
  made.presentKey = withPast(p.pastKey, made.key);
  made.presentValue = withPast(p.pastValue, made.value);
}

/// Joins the present keys and sinks, which the operator takes as keys and values alone. Returns the
/// mask of the joined keys.
static Value takeSinks(const AttentionPlan &plan, Operands &made, Value mask, NodeBuilder &n) {
  const sink::AttentionParts &p = plan.parts;
  mask = joinSinkColumns(plan, mask, n.dims(made.query, 2, 3), n.dims(made.presentKey, 2, 3),
                         ZeroRow::last, n);
  made.key = joinSinkRows(plan, made.presentKey, p.sinkKey, plan.key.dim, n);
  made.value = joinSinkRows(plan, made.presentValue, p.sinkValue, plan.value.dim, n);
  return mask;
}

/// Makes sinks the past of the operator, before the op's own past. Returns the mask of all.
static Value takeSinkPast(const AttentionPlan &plan, Operands &made, Value mask, NodeBuilder &n) {
  const sink::AttentionParts &p = plan.parts;
  int64_t axis = made.isFlat() ? 1 : 2;
  Value keys = n.dims(made.key, axis, axis + 1);
  if (p.pastKey)
    keys = n.node<AddOp>({keys, n.dims(p.pastKey, 2, 3)});
  // The mask of all queries is one row.
  mask = joinSinkColumns(plan, mask, n.constant({1}), keys, ZeroRow::first, n);
  made.pastKey = makeSinkPast(plan, made.key, p.sinkKey, p.pastKey, plan.key.dim, n);
  made.pastValue = makeSinkPast(plan, made.value, p.sinkValue, p.pastValue, plan.value.dim, n);
  return mask;
}

namespace {

struct AttentionPattern : public OpRewritePattern<sink::AttentionOp> {
  AttentionPattern(MLIRContext *context, SharedValues &shared)
      : OpRewritePattern(context), shared(shared) {}

  LogicalResult matchAndRewrite(sink::AttentionOp op, PatternRewriter &rewriter) const override {
    AttentionPlan plan;
    if (isOperatorAlready(op, /*isStandard=*/true))
      return rewriter.notifyMatchFailure(op, kIsOperator);
    WhyNot why = plan.read(op);
    if (why)
      return rewriter.notifyMatchFailure(op, *why);
    NodeBuilder n(rewriter, op.getLoc(), sink::getResultName(op, 0));
    bool leaves = leavesPositions(plan, n.getOpset());
    if (WhyNot why = checkAttention(plan, leaves))
      return rewriter.notifyMatchFailure(op, *why);
    const sink::AttentionParts &p = plan.parts;
    plan.prepare(n, shared);
    Operands operands = makeOperands(plan, n);
    MaskBuilder masks(plan, operands.sizes(p.pastKey), leaves, n, shared);
    Value mask =
        !hasSinks(plan) && hasBooleanMask(plan, leaves) ? masks.makeBoolean() : masks.makeSum();
    bool hasPresent = p.pastKey || p.hasPresent;
    if (hasSinks(plan)) {
      joinPast(plan, operands, n);
      mask = hasSinkPast(plan, n) ? takeSinkPast(plan, operands, mask, n)
                                  : takeSinks(plan, operands, mask, n);
      hasPresent = false;
    } else {
      operands.pastKey = p.pastKey;
      operands.pastValue = p.pastValue;
      if (mask && !findElement(mask).isInteger(1))
        mask = avoidLowest(mask, plan, n, shared);
    }
    SmallVector<Value> inputs{operands.query, operands.key, operands.value};
    if (mask)
      inputs.push_back(mask);
    else if (operands.pastKey)
      inputs.push_back(makeAbsent(n, op.getLoc()));
    if (operands.pastKey)
      inputs.append({operands.pastKey, operands.pastValue});
    auto attention = n.create<AttentionOp>(inputs, makeAttrs(plan, operands.isFlat(), leaves, n),
                                           hasPresent ? 3 : 1);
    Value result = attention->getResult(0);
    if (!p.zeroHiddenRows && !hasSinks(plan))
      result = masks.fillHiddenRows(result, operands.layout, mask,
                                    std::numeric_limits<double>::quiet_NaN());
    finishAttention(rewriter, n, op, plan, result, operands.layout,
                    hasPresent ? attention->getResult(1) : operands.presentKey,
                    hasPresent ? attention->getResult(2) : operands.presentValue);
    return success();
  }

private:
  static SmallVector<NamedAttribute> makeAttrs(const AttentionPlan &plan, bool isFlat, bool leaves,
                                               NodeBuilder &n) {
    const sink::AttentionParts &p = plan.parts;
    SmallVector<NamedAttribute> attrs;
    if (isFlat)
      attrs.append(
          {n.attr("q_num_heads", plan.query.heads), n.attr("kv_num_heads", plan.key.heads)});
    if (leaves && p.appliesCausal())
      attrs.push_back(n.attr("is_causal", 1));
    // A window counts the query's own key, and the attribute does not.
    if (leaves && p.appliesWindow())
      attrs.push_back(n.attr("left_window_size", *p.window - 1));
    if (std::optional<double> scale = plan.getScale())
      attrs.push_back(makeFloatAttr(n.getBuilder(), "scale", *scale));
    if (p.softcap)
      attrs.push_back(makeFloatAttr(n.getBuilder(), "softcap", *p.softcap));
    return attrs;
  }

  SharedValues &shared;
};

} // namespace

void basin::populateStandardAttentionPatterns(RewritePatternSet &patterns, SharedValues &shared) {
  patterns.add<AttentionPattern>(patterns.getContext(), shared);
}
