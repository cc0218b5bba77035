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
// sees no key is zero. The op's row is NaN if all its scores are -inf, so a mask that may be -inf
// in a whole row is refused, unless the op has zeros there as well.
//
//===----------------------------------------------------------------------===//

#include "OperatorSupport.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::Layout;
using basin::sink::MaskKind;

/// A finite score that absorbs each score that is added to it, in f32.
static constexpr double kAbsorbs = -1e34;
/// Larger constants are not read.
static constexpr size_t kMaxMask = size_t(1) << 22;

/// Returns whether no element of a mask in f32 is -inf.
static bool isProvenFinite(Value value, unsigned depth = 16) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  auto recur = [&](Value operand) { return isProvenFinite(operand, depth - 1); };
  if (isa<ConstantOp, InitializerOp>(op)) {
    auto numbers = getConstantFloats(value, kMaxMask);
    return numbers && llvm::all_of(*numbers, [](double number) { return std::isfinite(number); });
  }
  if (isa<WhereOp>(op))
    return recur(op->getOperand(1)) && recur(op->getOperand(2));
  if (isa<ConcatOp>(op))
    return llvm::all_of(op->getOperands(), recur);
  if (isa<CastOp>(op)) {
    Type from = findElement(op->getOperand(0)), to = findElement(value);
    if (!from || !to || !to.isF32())
      return false;
    return from.isInteger(1) || (from.isF32() && recur(op->getOperand(0)));
  }
  if (isa<UnsqueezeOp, SqueezeOp, ReshapeOp, ExpandOp, SliceOp, TransposeOp, IdentityOp, GatherOp,
          TileOp>(op))
    return recur(op->getOperand(0));
  return false;
}

/// Returns why the mask, or what it leaves of a row, has no counterpart.
static WhyNot checkMask(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  if (!p.mask)
    return p.maskFill ? WhyNot("it has a score for hidden keys, but no mask") : std::nullopt;
  bool isAdditive = p.maskKind == MaskKind::additive;
  Type type = findElement(p.mask);
  if (!type || (isAdditive ? type != plan.element : !type.isInteger(1)))
    return "its mask has another type";
  if (p.maskFill && (isAdditive || !plan.element.isF32() || *p.maskFill > kAbsorbs))
    return "the score of hidden keys is finite, and not the lowest one";
  if (p.maskFill && p.appliesCausal())
    return "hidden keys have a finite score, and causality hides more than the mask";
  if (p.zeroHiddenRows || p.maskFill)
    return std::nullopt;
  if (!isAdditive)
    return "a row that sees no key is NaN, but zero in Attention";
  // The number next to the lowest one does not help: in f16 a score moves the sum to the lowest.
  if (plan.element.isF16())
    return "ONNX Runtime takes the lowest score in f16 for -inf";
  if (!isProvenFinite(p.mask))
    return "its mask may be -inf in a whole row, which is NaN then, but zero in Attention";
  return std::nullopt;
}

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

/// Returns an additive mask with the number above the lowest one in place of that. A row whose
/// scores all are the lowest number is uniform by the standard, but ONNX Runtime 1.32 takes that
/// number for -inf. The next number absorbs scores just as well.
static Value avoidLowest(Value mask, Type element, NodeBuilder &n) {
  auto [lowest, next] = getLowest(element);
  Value isLowest = n.node<EqualOp>({mask, n.scalar(lowest, element)});
  return n.node<WhereOp>({isLowest, n.scalar(next, element), mask});
}

static WhyNot checkAttention(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  if (p.sinkLogit)
    return "Attention has no sinks";
  if (p.bias)
    return "it has a bias beside its mask";
  if (p.appliesWindow())
    return "Attention has no window before opset 25";
  if (p.appliesCausal() && !isSameSize(p.query, sink::getSequenceAxis(p.queryLayout), p.key,
                                       sink::getSequenceAxis(p.keyLayout)))
    return "it is causal, and not known to have as many keys as queries";
  return checkMask(plan);
}

/// Returns the mask as [.., queries, keys], or null if there is none. It is made once for all
/// attentions with this mask. The operands have their sequence on `axis`.
static Value makeMask(const AttentionPlan &plan, Value query, Value key, int64_t axis,
                      NodeBuilder &n, SharedValues &shared) {
  const sink::AttentionParts &p = plan.parts;
  if (!p.mask)
    return {};
  std::string what;
  llvm::raw_string_ostream(what) << "mask " << int(*p.maskKind) << " " << p.maskFill.value_or(0)
                                 << (p.pastKey ? "past " : "")
                                 << describeSizes(query, axis, axis + 1) << " "
                                 << describeSizes(key, axis, axis + 1);
  return shared.get(n.getBuilder().getInsertionBlock(), what, p.mask, [&]() -> Value {
    Value mask = p.mask;
    if (p.maskFill) {
      double score = std::max(*p.maskFill, getLowest(plan.element).second);
      Value zero = n.scalar(0, plan.element), hidden = n.scalar(score, plan.element);
      mask = p.maskKind == MaskKind::keep ? n.node<WhereOp>({mask, zero, hidden})
                                          : n.node<WhereOp>({mask, hidden, zero});
    } else if (p.maskKind == MaskKind::drop) {
      mask = n.node<NotOp>({mask});
    } else if (p.maskKind == MaskKind::additive) {
      mask = avoidLowest(mask, plan.element, n);
    }
    int64_t rank = *findRank(p.mask);
    if (!p.pastKey && rank >= 2 && isSameSize(mask, rank - 2, query, axis) &&
        isSameSize(mask, rank - 1, key, axis))
      return mask;
    Value keys = n.dims(key, axis, axis + 1);
    if (p.pastKey)
      keys = n.node<AddOp>({keys, n.dims(p.pastKey, 2, 3)});
    return n.expand(mask, n.concat({n.dims(query, axis, axis + 1), keys}, 0));
  });
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
    if (!why)
      why = checkAttention(plan);
    if (why)
      return rewriter.notifyMatchFailure(op, *why);
    const sink::AttentionParts &p = plan.parts;
    NodeBuilder n(rewriter, op.getLoc(), sink::getResultName(op, 0));
    bool isFlat = isFlatView(p.query, p.queryLayout) && isFlatView(p.key, p.keyLayout) &&
                  isFlatView(p.value, p.valueLayout);
    auto take = [&](Value value, Layout layout, HeadSizes sizes) {
      return isFlat ? makeFlat(value, layout, sizes, n) : makeHeadsFirst(value, layout, sizes, n);
    };
    Value query = take(p.query, p.queryLayout, plan.query);
    Value key = take(p.key, p.keyLayout, plan.key);
    Value value = take(p.value, p.valueLayout, plan.value);
    SmallVector<Value> inputs{query, key, value};
    if (Value mask = makeMask(plan, query, key, isFlat ? 1 : 2, n, shared))
      inputs.push_back(mask);
    else if (p.pastKey)
      inputs.push_back(makeAbsent(n, op.getLoc()));
    if (p.pastKey)
      inputs.append({p.pastKey, p.pastValue});
    bool hasPresent = p.pastKey || p.hasPresent;
    auto attention = n.create<AttentionOp>(inputs, makeAttrs(plan, isFlat, n), hasPresent ? 3 : 1);
    finishAttention(rewriter, n, op, plan, attention->getResult(0),
                    isFlat ? Layout::bsd : Layout::bhsd,
                    hasPresent ? attention->getResult(1) : Value(),
                    hasPresent ? attention->getResult(2) : Value());
    return success();
  }

private:
  static SmallVector<NamedAttribute> makeAttrs(const AttentionPlan &plan, bool isFlat,
                                               NodeBuilder &n) {
    const sink::AttentionParts &p = plan.parts;
    SmallVector<NamedAttribute> attrs;
    if (isFlat)
      attrs.append(
          {n.attr("q_num_heads", plan.query.heads), n.attr("kv_num_heads", plan.key.heads)});
    if (p.appliesCausal())
      attrs.push_back(n.attr("is_causal", 1));
    if (p.scale)
      attrs.push_back(makeFloatAttr(n.getBuilder(), "scale", *p.scale));
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
