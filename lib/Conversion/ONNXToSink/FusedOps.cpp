//===- FusedOps.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Norms, attention and rotary embedding that already are one operator: of the
// standard or of com.microsoft. The form holds that operator.
//
//===----------------------------------------------------------------------===//

#include "HeadPath.h"
#include "Matchers.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::Layout;
using basin::sink::MaskKind;

namespace {

/// Raises one operator; a member function a kind.
class FusedOpRaiser {
public:
  FusedOpRaiser(Operation *op, OpBuilder &b) : op(op), b(b) {}
  Operation *raise();

private:
  Operation *norm(bool layer, Value x, Value weight, Value bias, double epsilon);
  template <typename OpTy> Operation *standardNorm(OpTy norm, bool layer, Value bias);
  Operation *skipNorm(bool layer, Value skip, Value weight, Value beta, Value bias);
  Operation *rotary(Value cos, Value sin, Value positions, bool interleaved,
                    std::optional<int64_t> heads, std::optional<int64_t> dim);
  Operation *attention(AttentionOp attention);
  Operation *attention(MSAttentionOp attention);
  Operation *attention(MSMultiHeadAttentionOp attention);
  Operation *attention(MSGroupQueryAttentionOp attention);

  struct AttentionParts {
    Value query, key, value, mask, pastKey, pastValue, sinkLogit;
    std::optional<MaskKind> maskKind = std::nullopt;
    std::optional<double> scale = std::nullopt, softcap = std::nullopt;
    std::optional<int64_t> window = std::nullopt, heads = std::nullopt, kvHeads = std::nullopt,
                           headDim = std::nullopt;
    bool causal = false, hasPresent = false;
    Layout queryLayout = Layout::bsd, keyLayout = Layout::bsd, resultLayout = Layout::bsd;
    /// Ops before the operator that repeat its key heads.
    Ops repeats = {};
  };
  static void takeRepeats(AttentionParts &parts);
  Operation *attention(const AttentionParts &parts);
  Operation *finish(ArrayRef<Value> arguments, ArrayRef<Value> results,
                    llvm::function_ref<Operation *(Location, TypeRange)> create,
                    const Ops &before = {});

  Operation *op;
  OpBuilder &b;
};

} // namespace

Operation *FusedOpRaiser::finish(ArrayRef<Value> arguments, ArrayRef<Value> results,
                                 llvm::function_ref<Operation *(Location, TypeRange)> create,
                                 const Ops &before) {
  Idiom idiom;
  llvm::append_range(idiom.arguments, arguments);
  llvm::append_range(idiom.results, results);
  idiom.inside.insert(before.begin(), before.end());
  idiom.inside.insert(op);
  // A statistic that others read cannot be one of the op's results.
  for (Value result : op->getResults())
    if (!llvm::is_contained(results, result) && !result.use_empty())
      return nullptr;
  return basin::onnx::raise(idiom, b, create);
}

/// Absent, of unknown type, or a vector of the normalized axis' size.
static bool canBeVector(Value value, Value x) {
  return !value || !getRank(value) || isVector(value, getDim(x, -1));
}

Operation *FusedOpRaiser::norm(bool layer, Value x, Value weight, Value bias, double epsilon) {
  if (!canBeVector(weight, x) || !canBeVector(bias, x))
    return nullptr;
  PreAffine pre = matchPreAffine(x, op);
  auto create = [&](Location loc, TypeRange types) -> Operation * {
    FloatAttr eps = b.getF64FloatAttr(epsilon);
    if (layer)
      return sink::LayerNormOp::create(b, loc, types[0], Type(), pre.x, Value(), pre.vector, weight,
                                       bias, Value(), eps);
    return sink::RMSNormOp::create(b, loc, types[0], Type(), pre.x, Value(), pre.vector, weight,
                                   Value(), eps);
  };
  Ops before;
  if (pre.product) {
    before.insert(pre.product);
    pre.product->setAttr(sink::kRoleAttr, b.getStringAttr("pre_affine"));
  }
  return finish({pre.x}, {op->getResult(0)}, create, before);
}

/// An attribute's float as a double of the same decimal value would not be the
/// value the runtime uses: widen it exactly.
static double widen(std::optional<APFloat> value, double absent) {
  return value ? static_cast<double>(value->convertToFloat()) : absent;
}

template <typename OpTy>
Operation *FusedOpRaiser::standardNorm(OpTy norm_, bool layer, Value bias) {
  Value x = norm_->getOperand(0), weight = norm_->getOperand(1);
  std::optional<int64_t> rank = getRank(x);
  int64_t axis = norm_.getAxis().value_or(-1);
  if (axis != -1 && (!rank || axis != *rank - 1))
    return nullptr;
  return norm(layer, x, weight, bias, widen(norm_.getEpsilon(), 1e-5f));
}

Operation *FusedOpRaiser::skipNorm(bool layer, Value skip, Value weight, Value beta, Value bias) {
  Value sum = op->getNumResults() > 3 ? op->getResult(3) : Value();
  bool hasSum = sum && (!sum.use_empty() || !getValueName(sum).empty());
  auto epsilon = op->getAttrOfType<FloatAttr>("epsilon");
  FloatAttr eps = b.getF64FloatAttr(epsilon ? epsilon.getValue().convertToFloat() : 1e-12f);
  Value x = op->getOperand(0);
  SmallVector<Value> results{op->getResult(0)};
  if (hasSum)
    results.push_back(sum);
  return finish({x, skip}, results, [&](Location loc, TypeRange types) -> Operation * {
    Type sumType = hasSum ? types[1] : Type();
    if (layer)
      return sink::LayerNormOp::create(b, loc, types[0], sumType, x, skip, Value(), weight, beta,
                                       bias, eps);
    return sink::RMSNormOp::create(b, loc, types[0], sumType, x, skip, Value(), weight, bias, eps);
  });
}

Operation *FusedOpRaiser::rotary(Value cos, Value sin, Value positions, bool interleaved,
                                 std::optional<int64_t> heads, std::optional<int64_t> dim) {
  Value x = op->getOperand(0);
  std::optional<int64_t> rank = getRank(x);
  if (!rank || (*rank != 3 && *rank != 4))
    return nullptr;
  Layout layout = *rank == 4 ? Layout::bhsd : Layout::bsd;
  auto attr = [&](std::optional<int64_t> value) {
    return value && *value != 0 ? b.getI64IntegerAttr(*value) : IntegerAttr();
  };
  return finish({x}, {op->getResult(0)}, [&](Location loc, TypeRange types) {
    return sink::RotaryOp::create(b, loc, types[0], x, cos, sin, positions, interleaved,
                                  /*half_tables=*/true, layout, attr(heads), attr(dim));
  });
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

Operation *FusedOpRaiser::attention(const AttentionParts &p) {
  SmallVector<Value> results{op->getResult(0)};
  if (p.hasPresent)
    for (unsigned i : {1u, 2u})
      results.push_back(op->getResult(i));
  SmallVector<Value> arguments{p.query};
  for (Value value : {p.key, p.value})
    if (p.queryLayout != Layout::packed)
      arguments.push_back(value);
  auto integer = [&](std::optional<int64_t> value) {
    return value ? b.getI64IntegerAttr(*value) : IntegerAttr();
  };
  auto number = [&](std::optional<double> value) {
    return value ? b.getF64FloatAttr(*value) : FloatAttr();
  };
  auto kind =
      p.maskKind ? sink::MaskKindAttr::get(b.getContext(), *p.maskKind) : sink::MaskKindAttr();
  return finish(
      arguments, results,
      [&](Location loc, TypeRange types) {
        return sink::AttentionOp::create(b, loc, types[0], types.drop_front(), p.query, p.key,
                                         p.value, p.mask, p.pastKey, p.pastValue, p.sinkLogit,
                                         Value(), Value(), Value(), number(p.scale), p.causal,
                                         integer(p.window), number(p.softcap), integer(p.heads),
                                         integer(p.kvHeads), integer(p.headDim), kind, p.hasPresent,
                                         p.queryLayout, p.keyLayout, p.keyLayout, p.resultLayout);
      },
      p.repeats);
}

/// The keys and values before their heads were repeated, if both were, if nobody
/// else reads the repeated ones and no mask or cache is made for them.
void FusedOpRaiser::takeRepeats(AttentionParts &p) {
  Ops ops;
  Value key = matchRepeatedHeads(p.key, ops);
  Value value = key ? matchRepeatedHeads(p.value, ops) : Value();
  if (!value || p.pastKey || p.hasPresent || getDim(key, 1) != getDim(value, 1))
    return;
  for (Operation *op : ops)
    if (!op->hasOneUse() || op->getBlock() != ops.front()->getBlock())
      return;
  p.key = key;
  p.value = value;
  p.kvHeads = getDim(key, 1);
  p.repeats = std::move(ops);
}

static std::optional<int64_t> divide(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b && *b != 0 ? std::optional(*a / *b) : std::nullopt;
}

static std::optional<double> nonZero(std::optional<APFloat> value) {
  double number = widen(value, 0);
  return number != 0 ? std::optional(number) : std::nullopt;
}

Operation *FusedOpRaiser::attention(AttentionOp a) {
  // Without heads of its own the operands are [batch, heads, sequence, dim].
  AttentionParts p{a.getQ(),       a.getK(),         a.getV(), a.getAttnMask(),
                   a.getPastKey(), a.getPastValue(), Value()};
  // A window to the right of the query has no counterpart but an empty one.
  int64_t left = a.getLeftWindowSize().value_or(-1), right = a.getRightWindowSize().value_or(-1);
  if (a.getNonpadKvSeqlen() || a.getQkMatmulOutput() || right > 0)
    return nullptr;
  // The operator counts positions from the past, sink.attention from the end:
  // they are the same where there are as many fresh keys as queries.
  TensorInfo q = getTensorInfo(p.query), k = getTensorInfo(p.key);
  bool isSquare = q.hasRank() && k.hasRank() && q.rank() == k.rank() && q.rank() >= 3 &&
                  q[q.rank() - 2].provablyEquals(k[k.rank() - 2]);
  bool isCausal = a.getIsCausal().value_or(0) != 0 || right == 0;
  if ((isCausal || left >= 0) && !isSquare)
    return nullptr;
  if (left >= 0)
    p.window = left + 1;
  bool flat = getRank(p.query) == 3;
  if (!flat)
    p.queryLayout = p.keyLayout = p.resultLayout = Layout::bhsd;
  p.heads = flat ? std::optional<int64_t>(a.getQNumHeads()) : getDim(p.query, 1);
  p.kvHeads = flat ? std::optional<int64_t>(a.getKvNumHeads()) : getDim(p.key, 1);
  p.headDim = flat ? divide(getDim(p.query, -1), p.heads) : getDim(p.query, -1);
  if (p.mask)
    p.maskKind = getElementTypeOf(p.mask) && getElementTypeOf(p.mask).isInteger(1)
                     ? MaskKind::keep
                     : MaskKind::additive;
  p.scale = a.getScale() ? std::optional(widen(a.getScale(), 0)) : std::nullopt;
  p.softcap = nonZero(a.getSoftcap());
  p.causal = isCausal || (p.mask && isCausalMask(p.mask, *p.maskKind, isSquare && !p.pastKey));
  p.hasPresent = a->getNumResults() > 2 && a.getPresentKey() && a.getPresentValue() &&
                 !getValueName(a.getPresentKey()).empty();
  if (!flat)
    takeRepeats(p);
  return attention(p);
}

Operation *FusedOpRaiser::attention(MSAttentionOp a) {
  if (a.getPast() || a.getPastSequenceLength() || (a.getMaskIndex() && a.getAttentionBias()))
    return nullptr;
  AttentionParts p{a.getQuery(), a.getQuery(), a.getQuery(), a.getAttentionBias(),
                   Value(),      Value(),      Value()};
  p.queryLayout = p.keyLayout = Layout::packed;
  if (p.mask)
    p.maskKind = MaskKind::additive;
  if (a.getMaskIndex()) {
    p.mask = a.getMaskIndex();
    p.maskKind = MaskKind::lengths;
  }
  p.heads = p.kvHeads = a.getNumHeads();
  if (std::optional<ArrayRef<int64_t>> sizes = a.getQkvHiddenSizes(); sizes && sizes->size() == 3)
    p.headDim = divide((*sizes)[0], p.heads);
  else if (std::optional<int64_t> packed = getDim(a.getWeights(), -1))
    p.headDim = divide(*packed / 3, p.heads);
  p.scale = nonZero(a.getScale());
  p.causal =
      a.getUnidirectional().value_or(0) != 0 || (p.mask && isCausalMask(p.mask, *p.maskKind));
  return attention(p);
}

Operation *FusedOpRaiser::attention(MSMultiHeadAttentionOp a) {
  // The decoder's masking inputs and two masks at once have no counterpart.
  if (a.getPastSequenceLength() || a.getCacheIndirection() ||
      (a.getKeyPaddingMask() && a.getAttentionBias()))
    return nullptr;
  AttentionParts p{a.getQuery(),   a.getKey(),       a.getValue(), a.getAttentionBias(),
                   a.getPastKey(), a.getPastValue(), Value()};
  // One packed tensor, or biases that the operator adds.
  if (!p.key || !p.value || a.getBias()) {
    p.key = p.key ? p.key : p.query;
    p.value = p.value ? p.value : p.query;
    p.queryLayout = p.keyLayout = Layout::packed;
  }
  if (p.mask)
    p.maskKind = MaskKind::additive;
  if (a.getKeyPaddingMask()) {
    p.mask = a.getKeyPaddingMask();
    p.maskKind = MaskKind::lengths;
  }
  if (getRank(p.key) == 4)
    p.keyLayout = Layout::bhsd;
  p.heads = p.kvHeads = a.getNumHeads();
  p.headDim = divide(getDim(p.query, -1), p.heads);
  p.scale = nonZero(a.getScale());
  p.causal =
      a.getUnidirectional().value_or(0) != 0 || (p.mask && isCausalMask(p.mask, *p.maskKind));
  p.hasPresent = a->getNumResults() > 2 && !getValueName(a->getResult(1)).empty();
  return attention(p);
}

Operation *FusedOpRaiser::attention(MSGroupQueryAttentionOp a) {
  // A sink of logit 0 without an operand that says so.
  if (a.getSmoothSoftmax().value_or(0) == 1 && !a.getHeadSink())
    return nullptr;
  AttentionParts p{a.getQuery(),   a.getKey(),       a.getValue(),   a.getAttentionBias(),
                   a.getPastKey(), a.getPastValue(), a.getHeadSink()};
  // Packed operands, rotation or normalization inside: the form's own.
  if (!p.key || !p.value || a.getDoRotary().value_or(0) != 0 || a.getQNormWeight() ||
      a.getKScale() || a.getVScale()) {
    p.key = p.key ? p.key : p.query;
    p.value = p.value ? p.value : p.query;
    p.queryLayout = p.keyLayout = Layout::packed;
  }
  if (p.mask)
    p.maskKind = MaskKind::additive;
  p.heads = a.getNumHeads();
  p.kvHeads = a.getKvNumHeads();
  p.headDim = divide(getDim(p.query, -1), p.heads);
  p.scale = nonZero(a.getScale());
  p.softcap = nonZero(a.getSoftcap());
  if (int64_t window = a.getLocalWindowSize().value_or(-1); window > 0)
    p.window = window;
  p.causal = a.getCausal().value_or(1) != 0;
  p.hasPresent = a->getNumResults() > 2;
  return attention(p);
}

Operation *FusedOpRaiser::raise() {
  b.setInsertionPoint(op);
  if (auto n = dyn_cast<LayerNormalizationOp>(op))
    return standardNorm(n, /*layer=*/true, n.getB());
  if (auto n = dyn_cast<RMSNormalizationOp>(op))
    return standardNorm(n, /*layer=*/false, Value());
  if (auto n = dyn_cast<SimplifiedLayerNormalizationOp>(op))
    return standardNorm(n, /*layer=*/false, Value());
  if (auto n = dyn_cast<MSSimplifiedLayerNormalizationOp>(op))
    return standardNorm(n, /*layer=*/false, Value());
  if (auto n = dyn_cast<MSSkipLayerNormalizationOp>(op))
    return skipNorm(/*layer=*/true, n.getSkip(), n.getGamma(), n.getBeta(), n.getBias());
  if (auto n = dyn_cast<MSSkipSimplifiedLayerNormalizationOp>(op))
    return skipNorm(/*layer=*/false, n.getSkip(), n.getGamma(), Value(), n.getBias());
  if (auto r = dyn_cast<RotaryEmbeddingOp>(op))
    return rotary(r.getCosCache(), r.getSinCache(), r.getPositionIds(),
                  r.getInterleaved().value_or(0), r.getNumHeads(), r.getRotaryEmbeddingDim());
  if (auto r = dyn_cast<MSRotaryEmbeddingOp>(op); r && widen(r.getScale(), 1) != 1)
    return nullptr;
  if (auto r = dyn_cast<MSRotaryEmbeddingOp>(op))
    return rotary(r.getCosCache(), r.getSinCache(), r.getPositionIds(),
                  r.getInterleaved().value_or(0), r.getNumHeads(), r.getRotaryEmbeddingDim());
  if (auto a = dyn_cast<AttentionOp>(op))
    return attention(a);
  if (auto a = dyn_cast<MSAttentionOp>(op))
    return attention(a);
  if (auto a = dyn_cast<MSMultiHeadAttentionOp>(op))
    return attention(a);
  if (auto a = dyn_cast<MSGroupQueryAttentionOp>(op))
    return attention(a);
  return nullptr;
}

Operation *basin::onnx::raiseFusedOp(Operation *op, OpBuilder &b) {
  return FusedOpRaiser(op, b).raise();
}
