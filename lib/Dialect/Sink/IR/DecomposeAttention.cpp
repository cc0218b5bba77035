//===- DecomposeAttention.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// attention as onnx ops: operands to [batch, heads, sequence, dim], cache and
// sink rows before the keys, masked scores, Softmax, values, the result's
// layout. A sink logit is one more column of the scores that is cut off after
// the Softmax, which subtracts the largest score first and so stays finite.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/OldOpsets.h"
#include "basin/Dialect/Sink/IR/AttentionScores.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

AttentionOperands::AttentionOperands(sink::AttentionOp op)
    : op(op), query(op.getQuery()), key(op.getKey()), value(op.getValue()), mask(op.getMask()),
      pastKey(op.getPastKey()), pastValue(op.getPastValue()), sinkLogit(op.getSinkLogit()),
      sinkKey(op.getSinkKey()), sinkValue(op.getSinkValue()), lastKey(op.getLastKey()),
      maskKind(op.getMaskKind()), queryLayout(op.getQueryLayout()), keyLayout(op.getKeyLayout()),
      valueLayout(op.getValueLayout()), window(op.getWindow()), heads(op.getNumHeads()),
      kvHeads(op.getKvNumHeads()), headDim(op.getHeadDim()), causal(op.appliesCausal()),
      zeroHiddenRows(op.getZeroHiddenRows()) {
  if (op.getScale())
    scale = op.getScale()->convertToDouble();
  if (op.getSoftcap())
    softcap = op.getSoftcap()->convertToDouble();
  if (op.getMaskFill())
    maskFill = op.getMaskFill()->convertToDouble();
}

namespace {
class AttentionBuilder {
public:
  AttentionBuilder(const AttentionOperands &o, NodeBuilder &n, Type element)
      : o(o), n(n), element(element), scoreElement(findScoreElement()), heads(o.heads),
        kvHeads(o.kvHeads) {}

  LogicalResult check();
  void prepare();
  AttentionScores buildScores();
  Value visible();
  Value weightedValues(Value probabilities);
  Value allProbabilities();
  Value fromHeads(Value x, Layout layout);

  Value presentKey() const { return key; }
  Value presentValue() const { return value; }

private:
  LogicalResult findHeads();
  Type findScoreElement() const;
  Value hiddenScore();
  Value pastLength();
  Value keyPositions(Value past, Value &exists);
  Value toHeads(Value x, Layout layout, int64_t count);
  Value prependSinkRows(Value x, Value rows);
  Value repeatHeads(Value x);
  Value scaleQuery(Value query);
  Value positions();
  Value prepareMask();
  Value rawScores();
  Value addMask(Value scores);
  Value mask(Value scores);
  bool hidesByPosition() const { return o.causal || o.window || o.lastKey; }
  Value maskScores(Value scores);
  Value keysOf(Value x);
  Value probabilities(Value scores);

  const AttentionOperands &o;
  NodeBuilder &n;
  /// Of the operands, and of the masked scores and their probabilities.
  Type element, scoreElement;
  std::optional<int64_t> heads, kvHeads;
  Value query, key, value; // [batch, heads, sequence, dim]; past rows included
};
} // namespace

static int64_t getUpperEnd() { return std::numeric_limits<int64_t>::max(); }

LogicalResult AttentionBuilder::check() {
  for (Layout layout : {o.queryLayout, o.keyLayout, o.valueLayout})
    if (layout == Layout::packed)
      return o.op->emitOpError("expected query, key and value apart to be decomposed, but got "
                               "layout packed");
  if (o.maskKind == MaskKind::lengths)
    return o.op->emitOpError("expected a mask of scores to be decomposed, but got mask_kind "
                             "lengths");
  if (o.lastKey && o.mask && o.pastKey)
    return o.op->emitOpError("expected no mask to be decomposed: its columns follow last_key, "
                             "the keys of the past and the new ones do not");
  return findHeads();
}

/// A mask wider than the operands holds numbers beyond their range: the scores
/// are cast to its type, as an exporter's Softmax in f32 has them.
Type AttentionBuilder::findScoreElement() const {
  Type type = getTensorInfo(o.mask).element;
  auto real = dyn_cast_or_null<FloatType>(type);
  bool isWider =
      o.maskKind == MaskKind::additive && real && real.getWidth() > element.getIntOrFloatBitWidth();
  return isWider ? type : element;
}

/// `mask_fill`, or the lowest number of a type that does not reach as low.
Value AttentionBuilder::hiddenScore() {
  if (!o.maskFill)
    return n.scalar(-std::numeric_limits<double>::infinity(), scoreElement);
  APFloat lowest = APFloat::getLargest(cast<FloatType>(scoreElement).getFloatSemantics(), true);
  bool losesInfo;
  lowest.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  return n.scalar(std::max(*o.maskFill, lowest.convertToDouble()), scoreElement);
}

/// From the attributes, or the static size of an axis of heads.
LogicalResult AttentionBuilder::findHeads() {
  auto find = [](std::optional<int64_t> stated, Value x, Layout layout) -> std::optional<int64_t> {
    if (stated)
      return stated;
    if (std::optional<unsigned> axis = getHeadAxis(layout))
      return getStaticDim(x, *axis);
    return std::nullopt;
  };
  heads = find(o.heads, o.query, o.queryLayout);
  kvHeads = find(o.kvHeads, o.key, o.keyLayout);
  if (!kvHeads)
    kvHeads = heads;
  // Equal counts are assumed only where neither is known.
  if (!heads &&
      (kvHeads || !getHeadAxis(o.queryLayout) || !getHeadAxis(o.keyLayout) || o.sinkLogit))
    return o.op->emitOpError("expected num_heads to be decomposed");
  return success();
}

Value AttentionBuilder::toHeads(Value x, Layout layout, int64_t count) {
  switch (layout) {
  case Layout::bhsd:
    return x;
  case Layout::bshd:
    return n.transpose(x, {0, 2, 1, 3});
  case Layout::bsd:
    return n.transpose(n.reshape(x, {0, 0, count, -1}), {0, 2, 1, 3});
  case Layout::hsd:
    return n.reshape(x, n.concat({n.constant({-1, count}), n.dims(x, 1, 3)}, 0));
  case Layout::packed:
    break;
  }
  llvm_unreachable("refused before");
}

Value AttentionBuilder::fromHeads(Value x, Layout layout) {
  switch (layout) {
  case Layout::bhsd:
    return x;
  case Layout::bshd:
    return n.transpose(x, {0, 2, 1, 3});
  case Layout::bsd:
    return n.reshape(n.transpose(x, {0, 2, 1, 3}), {0, 0, -1});
  case Layout::hsd:
    return n.reshape(x, n.concat({n.constant({-1}), n.dims(x, 2, 4)}, 0));
  case Layout::packed:
    break;
  }
  llvm_unreachable("refused before");
}

/// `rows` [heads, n, d], for each element of the batch, before x's own.
Value AttentionBuilder::prependSinkRows(Value x, Value rows) {
  Value batch = n.concat({n.dims(x, 0, 1), n.constant({1, 1, 1})}, 0);
  Value each = n.expand(n.unsqueeze(n.cast(rows, element), {0}), batch);
  return n.concat({each, x}, 2);
}

/// Each key head for its group of query heads.
Value AttentionBuilder::repeatHeads(Value x) {
  if (heads == kvHeads)
    return x;
  Value groups = n.constant({1, 1, *heads / *kvHeads, 1, 1});
  Value repeated = n.expand(n.unsqueeze(x, {2}), groups);
  return n.reshape(repeated, n.concat({n.dims(x, 0, 1), n.constant({*heads}), n.dims(x, 2, 4)}, 0));
}

/// The scale goes to the query, before f16 scores could overflow.
Value AttentionBuilder::scaleQuery(Value q) {
  if (o.scale)
    return n.node<MulOp>({q, n.scalar(*o.scale, element)});
  std::optional<int64_t> dim = getStaticDim(q, 3);
  if (!dim)
    dim = o.headDim;
  if (dim)
    return n.node<MulOp>({q, n.scalar(1 / std::sqrt(double(*dim)), element)});
  return n.node<DivOp>({q, n.node<SqrtOp>({n.cast(n.dim(q, 3), element)})});
}

/// Where batch and heads are one axis, so they are in a mask of rank 3.
Value AttentionBuilder::prepareMask() {
  if (o.queryLayout != Layout::hsd || getRank(o.mask) != 3)
    return o.mask;
  return n.reshape(o.mask, n.concat({n.constant({-1, *heads}), n.dims(o.mask, 1, 3)}, 0));
}

Value AttentionBuilder::addMask(Value scores) {
  if (!o.mask)
    return scores;
  Value mask = prepareMask();
  if (o.maskKind == MaskKind::additive)
    return n.node<AddOp>({scores, n.cast(mask, scoreElement)});
  Value hidden = hiddenScore();
  if (o.maskKind == MaskKind::keep)
    return n.node<WhereOp>({mask, scores, hidden});
  return n.node<WhereOp>({mask, hidden, scores});
}

/// Keys before the queries': one number, or [batch, 1, 1, 1] by `last_key`, which
/// counts none where not all of the new keys are there.
Value AttentionBuilder::pastLength() {
  Value queries = n.dim(query, 2);
  if (!o.lastKey)
    return n.node<SubOp>({n.dim(key, 2), queries});
  Value last = n.reshape(n.cast(o.lastKey, n.getBuilder().getI64Type()), {-1, 1, 1, 1});
  Value past = n.node<SubOp>({n.node<AddOp>({last, n.constant({1}, 0)}), queries});
  return largerInteger(n, past, n.constant({0}, 0));
}

/// The position of each key, [.., 1, keys]. Where a past of the longest element's
/// size stands before the new keys, `exists` is whether a key is there.
Value AttentionBuilder::keyPositions(Value past, Value &exists) {
  Value zero = n.constant({0}, 0), one = n.constant({1}, 0);
  Value index = n.unsqueeze(n.node<RangeOp>({zero, n.dim(key, 2), one}), {0});
  if (!o.lastKey || !o.pastKey)
    return index;
  Value longest = n.dim(o.pastKey, 2);
  Value isPast = n.node<LessOp>({index, longest});
  exists = n.node<OrOp>({n.node<NotOp>({isPast}), n.node<LessOp>({index, past})});
  Value fresh = n.node<AddOp>({n.node<SubOp>({index, longest}), past});
  return n.node<WhereOp>({isPast, index, fresh});
}

/// Whether query i sees key j by their positions, [.., queries, keys].
Value AttentionBuilder::positions() {
  Value zero = n.constant({0}, 0), one = n.constant({1}, 0);
  Value past = pastLength(), seen;
  Value i = n.unsqueeze(n.node<RangeOp>({zero, n.dim(query, 2), one}), {1});
  i = n.node<AddOp>({i, past});
  Value j = keyPositions(past, seen);
  if (o.lastKey) {
    // Padded queries see no more than the others.
    Value last = n.reshape(n.cast(o.lastKey, n.getBuilder().getI64Type()), {-1, 1, 1, 1});
    Value ends = lessOrEqual(n, j, last);
    seen = seen ? n.node<AndOp>({seen, ends}) : ends;
  }
  auto sees = [&](Value more) { seen = seen ? n.node<AndOp>({seen, more}) : more; };
  if (o.causal)
    sees(lessOrEqual(n, j, i));
  if (o.window)
    sees(n.node<LessOp>({n.node<SubOp>({i, j}), n.constant({*o.window}, 0)}));
  return seen;
}

Value AttentionBuilder::mask(Value scores) {
  scores = addMask(scores);
  if (!hidesByPosition())
    return scores;
  // Beside summands the number is one of them: two that are the lowest are -inf.
  if (o.maskKind == MaskKind::additive && o.maskFill) {
    Value zero = n.scalar(0, scoreElement);
    return n.node<AddOp>({scores, n.node<WhereOp>({positions(), zero, hiddenScore()})});
  }
  return n.node<WhereOp>({positions(), scores, hiddenScore()});
}

/// Columns of the keys, without those of the sink rows.
Value AttentionBuilder::keysOf(Value x) {
  if (!o.sinkKey)
    return x;
  return n.slice(x, 3, n.dims(o.sinkKey, 1, 2), n.constant({getUpperEnd()}));
}

/// Sink rows are visible whatever the mask says of the others.
Value AttentionBuilder::maskScores(Value scores) {
  if (!o.sinkKey || (!o.mask && !hidesByPosition()))
    return mask(scores);
  Value sinks = n.slice(scores, 3, n.constant({0}), n.dims(o.sinkKey, 1, 2));
  return n.concat({sinks, mask(keysOf(scores))}, 3);
}

Value AttentionBuilder::probabilities(Value scores) {
  if (!o.sinkLogit) {
    Value given = n.softmax(scores, -1);
    if (!o.zeroHiddenRows)
      return given;
    return n.node<WhereOp>({n.node<IsNaNOp>({given}), n.scalar(0, scoreElement), given});
  }
  Value logit = n.reshape(n.cast(o.sinkLogit, scoreElement), {1, *heads, 1, 1});
  Value rows = n.concat({n.dims(scores, 0, 3), n.constant({1})}, 0);
  Value column = n.expand(logit, rows);
  return n.slice(n.softmax(n.concat({scores, column}, 3), -1), 3, 0, -1);
}

void AttentionBuilder::prepare() {
  query = toHeads(n.cast(o.query, element), o.queryLayout, heads.value_or(0));
  key = toHeads(n.cast(o.key, element), o.keyLayout, kvHeads.value_or(0));
  value = toHeads(n.cast(o.value, element), o.valueLayout, kvHeads.value_or(0));
  if (o.pastKey) {
    key = n.concat({n.cast(o.pastKey, element), key}, 2);
    value = n.concat({n.cast(o.pastValue, element), value}, 2);
  }
}

Value AttentionBuilder::rawScores() {
  Value allKeys = o.sinkKey ? prependSinkRows(key, o.sinkKey) : key;
  Value turned = n.transpose(repeatHeads(allKeys), {0, 1, 3, 2});
  Value scores = n.node<MatMulOp>({scaleQuery(query), turned});
  if (o.softcap) {
    Value cap = n.scalar(*o.softcap, element);
    scores = n.node<MulOp>({n.node<TanhOp>({n.node<DivOp>({scores, cap})}), cap});
  }
  return n.cast(scores, scoreElement);
}

Value AttentionBuilder::allProbabilities() { return probabilities(maskScores(rawScores())); }

Value AttentionBuilder::weightedValues(Value probabilities) {
  Value allValues = o.sinkValue ? prependSinkRows(value, o.sinkValue) : value;
  return n.node<MatMulOp>({n.cast(probabilities, element), repeatHeads(allValues)});
}

/// Which keys a query sees, broadcast to the scores; null where it sees all. A
/// summand is a bias, as ALiBi's, above kHidden, and a mask at or below it.
Value AttentionBuilder::visible() {
  static constexpr double kHidden = -9999;
  Value seen = hidesByPosition() ? positions() : Value();
  if (!o.mask)
    return seen;
  Value mask = prepareMask();
  if (o.maskKind == MaskKind::additive)
    mask = n.node<GreaterOp>({n.cast(mask, scoreElement), n.scalar(kHidden, scoreElement)});
  else if (o.maskKind == MaskKind::drop)
    mask = n.node<NotOp>({mask});
  return seen ? n.node<AndOp>({mask, seen}) : mask;
}

AttentionScores AttentionBuilder::buildScores() {
  AttentionScores out;
  Value raw = rawScores();
  out.scores = keysOf(raw);
  out.probabilities = keysOf(probabilities(maskScores(raw)));
  out.visible = visible();
  out.query = query;
  out.key = key;
  out.value = value;
  return out;
}

FailureOr<AttentionScores> basin::sink::buildAttentionScores(const AttentionOperands &operands,
                                                             NodeBuilder &n, Type element) {
  AttentionBuilder builder(operands, n, element);
  if (failed(builder.check()))
    return failure();
  builder.prepare();
  return builder.buildScores();
}

FailureOr<SmallVector<Value>> sink::AttentionOp::decompose(OpBuilder &b) {
  FailureOr<NodeBuilder> n = startDecomposition(*this, b);
  if (failed(n))
    return failure();
  unsigned expected = getHasPresent() ? 3 : 1;
  if (getNumResults() != expected)
    return emitOpError("expected ")
           << expected << " results to be decomposed, but got " << getNumResults()
           << "; further ones are inner values of a form";
  if (getResultLayout() == Layout::packed)
    return emitOpError("expected query, key and value apart to be decomposed, but got "
                       "layout packed");
  if (getHasPresent() && getLastKey())
    return emitOpError("expected no present keys and values to be decomposed: last_key says "
                       "where in them the new ones stand");
  FailureOr<Type> element = requireElementType(*this, getQuery(), "a query");
  if (failed(element))
    return failure();
  AttentionOperands operands(*this);
  AttentionBuilder builder(operands, *n, *element);
  if (failed(builder.check()))
    return failure();
  builder.prepare();
  SmallVector<Value> results(1);
  if (getHasPresent())
    results.append({builder.presentKey(), builder.presentValue()});
  Value result = builder.weightedValues(builder.allProbabilities());
  result = builder.fromHeads(result, getResultLayout());
  if (getGate())
    result = n->node<MulOp>({result, getGate()});
  results[0] = result;
  return results;
}
