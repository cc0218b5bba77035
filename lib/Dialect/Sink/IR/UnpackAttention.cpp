//===- UnpackAttention.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Unpacks the attention operators of com.microsoft. They take query, key and value in one tensor,
// project them themselves, add biases, and rotate. Everything that they compute before their
// scores is written out as nodes. If the operator returns its present keys and values, these are
// used.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/OldOpsets.h"
#include "basin/Dialect/Sink/IR/AttentionScores.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

namespace {

class Unpacker {
public:
  Unpacker(sink::AttentionOp op, NodeBuilder &n, bool usePresent)
      : op(op), n(n), o(op), usePresent(usePresent && o.hasPresent) {}
  WhyNot unpack(AttentionParts &parts);

private:
  WhyNot unpackMask(Operation *inner);
  void addFilter(Operation *inner, Value keep);
  WhyNot unpackOperands(Operation *inner);
  WhyNot unpack(MSAttentionOp inner);
  WhyNot unpack(MSMultiHeadAttentionOp inner);
  WhyNot unpack(MSDecoderMaskedMultiHeadAttentionOp inner);
  WhyNot addBias(Value bias);
  WhyNot unpack(MSGroupQueryAttentionOp inner);
  WhyNot rotate(MSGroupQueryAttentionOp inner, bool rotateKey);
  FailureOr<Value> rotate(MSGroupQueryAttentionOp inner, Value x, Value positions, int64_t heads);
  WhyNot split(Value packed, ArrayRef<int64_t> shares);
  Value outside(Value inner);
  void takePresent();

  sink::AttentionOp op;
  NodeBuilder &n;
  AttentionParts o;
  bool usePresent;
};

} // namespace

/// Returns the operand that a form's argument stands for. Other values are returned as they are.
Value Unpacker::outside(Value inner) {
  auto argument = dyn_cast_or_null<BlockArgument>(inner);
  if (!argument || argument.getOwner()->getParentOp() != op.getOperation())
    return inner;
  return op->getOperand(argument.getArgNumber());
}

/// Returns the attention operator in the form, or null if there is none or several.
static Operation *findOperator(sink::AttentionOp op) {
  Operation *found = nullptr;
  for (Region &region : op->getRegions())
    for (Operation &inner : region.getOps())
      if (isa<MSAttentionOp, MSMultiHeadAttentionOp, MSDecoderMaskedMultiHeadAttentionOp,
              MSGroupQueryAttentionOp>(inner)) {
        if (found)
          return nullptr;
        found = &inner;
      }
  return found;
}

/// Splits the last axis of [B, T, width] into query, key and value, by these shares of the width.
WhyNot Unpacker::split(Value packed, ArrayRef<int64_t> shares) {
  int64_t total = shares[0] + shares[1] + shares[2], sum = 0;
  std::optional<int64_t> width = getStaticDim(packed, 2);
  if (total <= 0 || (width && *width % total != 0))
    return "the width of its operator's packed operand does not fit its heads";
  Value unit;
  if (!width)
    unit = n.node<DivOp>({n.dims(packed, 2, 3), n.constant({total})});
  auto bound = [&](int64_t shares) {
    return width ? n.constant({shares * (*width / total)})
                 : n.node<MulOp>({unit, n.constant({shares})});
  };
  for (auto [part, share] :
       llvm::zip_equal(SmallVector<Value *>{&o.query, &o.key, &o.value}, shares)) {
    *part = n.slice(packed, 2, bound(sum), bound(sum + share));
    sum += share;
  }
  o.queryLayout = o.keyLayout = o.valueLayout = Layout::bsd;
  return std::nullopt;
}

WhyNot Unpacker::unpack(MSAttentionOp inner) {
  Value weights = outside(inner.getWeights()), bias = outside(inner.getBias());
  std::optional<int64_t> width = getStaticDim(weights, -1);
  if (inner.getDoRotary().value_or(0) != 0)
    return "its operator rotates query and key";
  if (!width)
    return "the size of its operator's weights is not known";
  SmallVector<int64_t> sizes(3, *width / 3);
  if (std::optional<ArrayRef<int64_t>> stated = inner.getQkvHiddenSizes();
      stated && stated->size() == 3)
    sizes = llvm::to_vector(*stated);
  Value packed = n.node<MatMulOp>({outside(inner.getQuery()), weights});
  if (WhyNot why = split(bias ? n.node<AddOp>({packed, bias}) : packed, sizes))
    return why;
  if (Value past = outside(inner.getPast())) {
    o.pastKey = n.squeeze(n.slice(past, 0, 0, 1), {0});
    o.pastValue = n.squeeze(n.slice(past, 0, 1, 2), {0});
  }
  return std::nullopt;
}

/// Adds the parts of `bias` to query, key and value [B, T, width].
WhyNot Unpacker::addBias(Value bias) {
  int64_t begin = 0;
  for (Value *part : {&o.query, &o.key, &o.value}) {
    std::optional<int64_t> width = getStaticDim(*part, 2);
    TensorInfo info = getTensorInfo(*part);
    if (!width || !info.hasRank() || info.rank() != 3)
      return "its operator adds a bias to operands of unknown width";
    *part = n.node<AddOp>({*part, n.slice(bias, 0, begin, begin + *width)});
    begin += *width;
  }
  return std::nullopt;
}

WhyNot Unpacker::unpack(MSMultiHeadAttentionOp inner) {
  o.query = outside(inner.getQuery());
  o.key = outside(inner.getKey());
  o.value = outside(inner.getValue());
  Value bias = outside(inner.getBias());
  if (!o.key && !o.value && getTensorInfo(o.query).hasRank() &&
      getTensorInfo(o.query).rank() == 5 && !bias) {
    // [B, T, H, 3, d]
    SmallVector<Value> parts = n.split(o.query, 3, 3);
    for (auto [to, from] : llvm::zip_equal(SmallVector<Value *>{&o.query, &o.key, &o.value}, parts))
      *to = n.squeeze(from, {3});
    o.queryLayout = o.keyLayout = o.valueLayout = Layout::bshd;
    return std::nullopt;
  }
  if (!o.key || !o.value || !bias)
    return "its operator packs query, key and value in a way that has no decomposition";
  o.queryLayout = o.keyLayout = o.valueLayout = Layout::bsd;
  return addBias(bias);
}

WhyNot Unpacker::unpack(MSDecoderMaskedMultiHeadAttentionOp inner) {
  o.query = outside(inner.getQuery());
  o.key = outside(inner.getKey());
  o.value = outside(inner.getValue());
  o.queryLayout = o.keyLayout = o.valueLayout = Layout::bsd;
  if (Value bias = outside(inner.getBias()))
    if (WhyNot why = addBias(bias))
      return why;
  // The first rows of the buffers are those of the past. Their present ones are buffers, too.
  usePresent = false;
  Value end =
      n.reshape(n.cast(outside(inner.getPastSequenceLength()), n.getBuilder().getI64Type()), {1});
  for (Value *past : {&o.pastKey, &o.pastValue})
    if (*past)
      *past = n.slice(*past, 2, n.constant({0}), end);
  return std::nullopt;
}

FailureOr<Value> Unpacker::rotate(MSGroupQueryAttentionOp inner, Value x, Value positions,
                                  int64_t heads) {
  OpBuilder &b = n.getBuilder();
  Value cos = outside(inner.getCosCache()), sin = outside(inner.getSinCache());
  std::optional<int64_t> half = getStaticDim(cos, 1);
  auto dim = half ? b.getI64IntegerAttr(2 * *half) : IntegerAttr();
  auto rotary = RotaryOp::create(b, op.getLoc(), x.getType(), x, cos, sin, positions,
                                 inner.getRotaryInterleaved().value_or(0) != 0,
                                 /*half_tables=*/true, Layout::bsd, b.getI64IntegerAttr(heads), dim,
                                 /*inverse=*/false, /*deinterleaves=*/false, IntegerAttr());
  FailureOr<SmallVector<Value>> result = rotary.decompose(b);
  rotary.erase();
  if (failed(result))
    return failure();
  return result->front();
}

/// Rotates query and key. Positions continue from the past: total - T, total - T + 1, ..., where
/// each element of the batch has its own total.
WhyNot Unpacker::rotate(MSGroupQueryAttentionOp inner, bool rotateKey) {
  Type i64 = n.getBuilder().getI64Type();
  Value positions = outside(inner.getPositionIds());
  if (!positions) {
    Value last = n.reshape(n.cast(outside(inner.getSeqlensK()), i64), {-1, 1});
    Value zero = n.constant({0}, 0), one = n.constant({1}, 0), queries = n.dim(o.query, 1);
    Value past = n.node<SubOp>({n.node<AddOp>({last, one}), queries});
    Value range = n.unsqueeze(n.node<RangeOp>({zero, queries, one}), {0});
    positions = n.node<AddOp>({range, largerInteger(n, past, zero)});
  }
  FailureOr<Value> query = rotate(inner, o.query, positions, *o.heads);
  FailureOr<Value> key = o.key;
  if (rotateKey)
    key = rotate(inner, o.key, positions, *o.kvHeads);
  if (failed(query) || failed(key))
    return "its operator rotates by tables of unknown size";
  o.query = *query;
  o.key = *key;
  return std::nullopt;
}

WhyNot Unpacker::unpack(MSGroupQueryAttentionOp inner) {
  if (inner.getQNormWeight() || inner.getKScale() || inner.getVScale())
    return "its operator normalizes its heads or reads a quantized cache";
  o.query = outside(inner.getQuery());
  o.key = outside(inner.getKey());
  o.value = outside(inner.getValue());
  if (!o.heads || !o.kvHeads)
    return "its operator does not say how many heads it has";
  int64_t heads = *o.heads, kvHeads = *o.kvHeads;
  if (heads <= 0 || kvHeads <= 0)
    return "its operator does not say how many heads it has";
  if (!o.key || !o.value)
    if (WhyNot why = split(o.query, {heads, kvHeads, kvHeads}))
      return why;
  o.queryLayout = o.keyLayout = o.valueLayout = Layout::bsd;
  if (inner.getDoRotary().value_or(0) == 0)
    return std::nullopt;
  return rotate(inner, /*rotateKey=*/!usePresent);
}

WhyNot Unpacker::unpackOperands(Operation *inner) {
  if (auto a = dyn_cast_or_null<MSAttentionOp>(inner))
    return unpack(a);
  if (auto a = dyn_cast_or_null<MSMultiHeadAttentionOp>(inner))
    return unpack(a);
  if (auto a = dyn_cast_or_null<MSDecoderMaskedMultiHeadAttentionOp>(inner))
    return unpack(a);
  if (auto a = dyn_cast_or_null<MSGroupQueryAttentionOp>(inner))
    return unpack(a);
  return "no operator in its form says how query, key and value are packed";
}

/// Makes an additive mask that hides keys. The operators add a finite number to the scores that
/// they hide, so a row without a visible key is a row like any other.
void Unpacker::addFilter(Operation *inner, Value keep) {
  auto filter = inner->getAttrOfType<FloatAttr>("mask_filter_value");
  double low = filter ? filter.getValue().convertToDouble() : -10000;
  Type element = getTensorInfo(o.query).element;
  Type type = element ? element : n.getBuilder().getF32Type();
  o.mask = n.node<WhereOp>({keep, n.scalar(0, type), n.scalar(low, type)});
  o.maskKind = MaskKind::additive;
}

/// Unpacks ONNX Runtime's integer masks: one number for each key [B, S], for each query and key
/// [B, T, S], or the number of keys [B].
WhyNot Unpacker::unpackMask(Operation *inner) {
  TensorInfo mask = getTensorInfo(o.mask), query = getTensorInfo(o.query);
  Type boolean = n.getBuilder().getI1Type();
  if (!mask.hasRank() || !isa_and_nonnull<IntegerType>(mask.element))
    return "its integer mask has neither a number for each key, nor one for each query and key, "
           "nor "
           "the number of keys of each batch element";
  if (mask.rank() == 2 || mask.rank() == 3) {
    SmallVector<int64_t> axes{1};
    if (mask.rank() == 2)
      axes.push_back(2);
    addFilter(inner, n.unsqueeze(n.cast(o.mask, boolean), axes));
    return std::nullopt;
  }
  // Vectors of other sizes hold more than lengths.
  if (mask.rank() != 1 || !query.hasRank() || !query[0].provablyEquals(mask[0]))
    return "its integer mask has neither a number for each key, nor one for each query and key, "
           "nor "
           "the number of keys of each batch element";
  Value lengths = n.reshape(n.cast(o.mask, n.getBuilder().getI64Type()), {-1, 1, 1, 1});
  bool headsFirst = o.keyLayout == Layout::bhsd;
  Value count = n.dim(o.key, headsFirst ? 2 : 1);
  if (o.pastKey)
    count = n.node<AddOp>({count, n.dim(o.pastKey, 2)});
  Value keys = n.node<RangeOp>({n.constant({0}, 0), count, n.constant({1}, 0)});
  addFilter(inner, n.node<LessOp>({keys, lengths}));
  return std::nullopt;
}

/// Takes the op's own present keys and values in place of the past and the new ones.
void Unpacker::takePresent() {
  o.key = op->getResult(1);
  o.value = op->getResult(2);
  o.keyLayout = o.valueLayout = Layout::bhsd;
  o.pastKey = o.pastValue = Value();
}

WhyNot Unpacker::unpack(AttentionParts &parts) {
  Operation *inner = findOperator(op);
  if (o.isPacked())
    if (WhyNot why = unpackOperands(inner))
      return why;
  if (usePresent)
    takePresent();
  if (o.maskKind == MaskKind::lengths) {
    if (!inner)
      return "no operator in its form says what the integers of its mask mean";
    if (WhyNot why = unpackMask(inner))
      return why;
  }
  parts = o;
  return std::nullopt;
}

WhyNot basin::sink::unpackAttention(sink::AttentionOp op, NodeBuilder &n, bool usePresent,
                                    AttentionParts &parts) {
  return Unpacker(op, n, usePresent).unpack(parts);
}
