//===- DecomposeAttention.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decomposes attention into onnx ops. The steps are: operands to [batch, heads, sequence, dim],
// cache and sink rows before the keys, masked scores, Softmax, values, and the result's layout. A
// sink logit is one more column of the scores, which is cut off after the Softmax. The Softmax
// subtracts the largest score first, so it stays finite.
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

namespace {
class AttentionBuilder {
public:
  AttentionBuilder(sink::AttentionOp op, const AttentionParts &o, NodeBuilder &n, Type element)
      : op(op), o(o), n(n), element(element), scoreElement(findScoreElement()), heads(o.heads),
        kvHeads(o.kvHeads) {}

  LogicalResult check();
  void prepare();
  AttentionScores buildScores(const GivenScores &given);
  Value largestScores();
  Value visible();
  Value weightedValues(Value probabilities);
  Value allProbabilities();
  Value fromHeads(Value x, Layout layout);

  Value presentKey() { return present(key, o.pastKey); }
  Value presentValue() { return present(value, o.pastValue); }

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
  Value withHeads(Value summand);
  Value prepareMask();
  Value rawScores();
  Value scaleSummand(Value summand, std::optional<double> scale);
  Value addSummand(Value scores, Value summand, std::optional<double> scale);
  Value addBias(Value scores);
  Value addMask(Value scores);
  Value mask(Value scores);
  Value hideByPosition(Value scores);
  Value lastKey();
  Value present(Value all, Value past);
  bool hidesByPosition() const { return o.appliesCausal() || o.appliesWindow() || o.lastKey; }
  Value maskScores(Value scores);
  Value keysOf(Value x);
  Value zeroNaN(Value given);
  Value withSinkColumn(Value scores);
  Value withoutSinkColumn(Value rows);
  Value probabilities(Value scores);

  /// For diagnostics.
  sink::AttentionOp op;
  const AttentionParts &o;
  NodeBuilder &n;
  /// The type of the operands, and that of the masked scores and their probabilities.
  Type element, scoreElement;
  std::optional<int64_t> heads, kvHeads;
  Value query, key, value; // [batch, heads, sequence, dim]; past rows included
};
} // namespace

static int64_t getUpperEnd() { return std::numeric_limits<int64_t>::max(); }

LogicalResult AttentionBuilder::check() {
  if (o.needsForm())
    return op.emitOpError("expected separate query, key and value, and no mask of lengths, to be "
                          "decomposed");
  if (o.lastKey && o.mask && o.pastKey && getRank(o.mask) != 4)
    return op.emitOpError("expected a mask of rank 4 to be decomposed: its columns follow "
                          "last_key, the keys of the past and the new ones do not");
  return findHeads();
}

/// Returns the type of the masked scores. A mask of a wider type than the operands may have numbers
/// beyond their range, so the scores are cast to its type, as for an exporter's Softmax in f32.
/// So does a bias of a wider type.
Type AttentionBuilder::findScoreElement() const {
  Type widest = element;
  for (Value summand : {o.maskKind == MaskKind::additive ? o.mask : Value(), o.bias})
    if (auto real = dyn_cast_or_null<FloatType>(getTensorInfo(summand).element);
        real && real.getWidth() > widest.getIntOrFloatBitWidth())
      widest = real;
  return widest;
}

/// Returns the score of a hidden key: `mask_fill`, limited to the lowest number of the type, or
/// -inf if the op has no `mask_fill`.
Value AttentionBuilder::hiddenScore() {
  if (!o.maskFill)
    return n.scalar(-std::numeric_limits<double>::infinity(), scoreElement);
  APFloat lowest = APFloat::getLargest(cast<FloatType>(scoreElement).getFloatSemantics(), true);
  bool losesInfo;
  lowest.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  return n.scalar(std::max(*o.maskFill, lowest.convertToDouble()), scoreElement);
}

/// Finds the numbers of heads in the attributes, or as the static size of an axis of heads.
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
  // If nothing tells batch and heads apart, each of their pairs is an element of the batch.
  bool isJoined = o.queryLayout == Layout::hsd && !getHeadAxis(o.keyLayout) && !o.sinkLogit &&
                  !o.sinkKey && !o.pastKey && !(o.mask && getRank(o.mask) == 4) &&
                  !(o.bias && getRank(o.bias) == 4);
  if (!heads && !kvHeads && isJoined)
    heads = kvHeads = 1;
  // The numbers are assumed to be equal only if neither is known.
  if (!heads &&
      (kvHeads || !getHeadAxis(o.queryLayout) || !getHeadAxis(o.keyLayout) || o.sinkLogit))
    return op.emitOpError("expected num_heads to be decomposed");
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
  case Layout::bhds:
    return n.transpose(x, {0, 1, 3, 2});
  case Layout::sbhd:
    return n.transpose(x, {1, 2, 0, 3});
  case Layout::hds:
    return toHeads(n.transpose(x, {0, 2, 1}), Layout::hsd, count);
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
  case Layout::bhds:
    return n.transpose(x, {0, 1, 3, 2});
  case Layout::sbhd:
    return n.transpose(x, {2, 0, 1, 3});
  case Layout::hsd:
    return n.reshape(x, n.concat({n.constant({-1}), n.dims(x, 2, 4)}, 0));
  case Layout::hds:
    return n.transpose(fromHeads(x, Layout::hsd), {0, 2, 1});
  case Layout::packed:
    break;
  }
  llvm_unreachable("refused before");
}

/// Puts `rows` [heads, n, d] before the rows of x, for each element of the batch.
Value AttentionBuilder::prependSinkRows(Value x, Value rows) {
  Value batch = n.concat({n.dims(x, 0, 1), n.constant({1, 1, 1})}, 0);
  Value each = n.expand(n.unsqueeze(n.cast(rows, element), {0}), batch);
  return n.concat({each, x}, 2);
}

/// Repeats each key head for its group of query heads.
Value AttentionBuilder::repeatHeads(Value x) {
  if (heads == kvHeads)
    return x;
  Value groups = n.constant({1, 1, *heads / *kvHeads, 1, 1});
  Value repeated = n.expand(n.unsqueeze(x, {2}), groups);
  return n.reshape(repeated, n.concat({n.dims(x, 0, 1), n.constant({*heads}), n.dims(x, 2, 4)}, 0));
}

/// Multiplies the query, and not the scores, by the scale, because f16 scores could overflow.
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

/// If batch and heads are one axis, they also are one axis of a mask or bias of rank 3. Returns it
/// with both apart.
Value AttentionBuilder::withHeads(Value summand) {
  if (o.queryLayout != Layout::hsd || getRank(summand) != 3)
    return summand;
  // One row of such an axis is for all.
  if (getTensorInfo(summand)[0].is(1))
    return n.unsqueeze(summand, {0});
  return n.reshape(summand, n.concat({n.constant({-1, *heads}), n.dims(summand, 1, 3)}, 0));
}

/// Returns the mask with a column for each key. If there is a `last_key`, the mask's columns are
/// positions, and each key, past or new, gets the column of its position.
Value AttentionBuilder::prepareMask() {
  if (o.queryLayout == Layout::hsd && getRank(o.mask) == 3)
    return withHeads(o.mask);
  if (!o.lastKey || !o.pastKey)
    return o.mask;
  Value exists, position = keyPositions(pastLength(), exists);
  Value last = n.node<SubOp>({n.dim(o.mask, 3), n.constant({1}, 0)});
  position = n.node<MinOp>({position, last});
  Value one = n.constant({1}), batch = n.dims(query, 0, 1), rows = n.dims(o.mask, 1, 3);
  Value columns = n.expand(position, n.concat({batch, rows, n.dims(key, 2, 3)}, 0));
  Value each = n.expand(o.mask, n.concat({batch, one, one, one}, 0));
  return n.node<GatherElementsOp>({each, columns}, n.attr("axis", 3));
}

Value AttentionBuilder::addBias(Value scores) {
  if (!o.bias)
    return scores;
  return addSummand(scores, withHeads(o.bias), o.biasScale);
}

Value AttentionBuilder::scaleSummand(Value summand, std::optional<double> scale) {
  summand = n.cast(summand, scoreElement);
  return scale ? n.node<MulOp>({summand, n.scalar(*scale, scoreElement)}) : summand;
}

Value AttentionBuilder::addSummand(Value scores, Value summand, std::optional<double> scale) {
  return n.node<AddOp>({scores, scaleSummand(summand, scale)});
}

Value AttentionBuilder::addMask(Value scores) {
  if (!o.mask)
    return scores;
  Value mask = prepareMask();
  if (o.maskKind == MaskKind::additive)
    return addSummand(scores, mask, o.maskScale);
  mask = n.cast(mask, n.getBuilder().getI1Type());
  Value hidden = hiddenScore();
  if (o.maskKind == MaskKind::keep)
    return n.node<WhereOp>({mask, scores, hidden});
  return n.node<WhereOp>({mask, hidden, scores});
}

/// Returns `last_key` as [batch, 1, 1, 1].
Value AttentionBuilder::lastKey() {
  return n.reshape(n.cast(o.lastKey, n.getBuilder().getI64Type()), {-1, 1, 1, 1});
}

/// Returns the number of keys before those of the queries: one number, or [batch, 1, 1, 1] if there
/// is a `last_key`. An element of the batch that lacks some new keys has none before them.
Value AttentionBuilder::pastLength() {
  Value queries = n.dim(query, 2);
  if (!o.lastKey)
    return n.node<SubOp>({n.dim(key, 2), queries});
  Value past = n.node<SubOp>({n.node<AddOp>({lastKey(), n.constant({1}, 0)}), queries});
  return largerInteger(n, past, n.constant({0}, 0));
}

/// Returns the position of each key, [.., 1, keys]. If the new keys stand behind a past of the
/// longest element's size, sets `exists` to whether each key exists.
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

/// Returns whether query i sees key j by their positions, [.., queries, keys].
Value AttentionBuilder::positions() {
  Value zero = n.constant({0}, 0), one = n.constant({1}, 0);
  Value past = pastLength(), seen;
  Value i = n.unsqueeze(n.node<RangeOp>({zero, n.dim(query, 2), one}), {1});
  i = n.node<AddOp>({i, past});
  Value j = keyPositions(past, seen);
  if (o.lastKey) {
    // Padded queries see no more than the others.
    Value ends = lessOrEqual(n, j, lastKey());
    seen = seen ? n.node<AndOp>({seen, ends}) : ends;
  }
  auto sees = [&](Value more) { seen = seen ? n.node<AndOp>({seen, more}) : more; };
  if (o.appliesCausal())
    sees(lessOrEqual(n, j, i));
  if (o.window && o.appliesWindow())
    sees(n.node<LessOp>({n.node<SubOp>({i, j}), n.constant({*o.window}, 0)}));
  if (o.rightWindow && o.appliesWindow())
    sees(lessOrEqual(n, n.node<SubOp>({j, i}), n.constant({*o.rightWindow}, 0)));
  return seen;
}

Value AttentionBuilder::mask(Value scores) {
  if (!o.biasAfterMask)
    scores = addBias(scores);
  scores = hideByPosition(addMask(scores));
  if (o.biasAfterMask)
    scores = addBias(scores);
  return o.floor ? n.node<MaxOp>({scores, n.scalar(*o.floor, scoreElement)}) : scores;
}

Value AttentionBuilder::hideByPosition(Value scores) {
  if (!hidesByPosition())
    return scores;
  // With an additive mask the number is a summand, too: two summands that are both the type's
  // lowest number give -inf.
  if (o.maskKind == MaskKind::additive && o.maskFill) {
    Value zero = n.scalar(0, scoreElement);
    return n.node<AddOp>({scores, n.node<WhereOp>({positions(), zero, hiddenScore()})});
  }
  return n.node<WhereOp>({positions(), scores, hiddenScore()});
}

/// Returns the columns of the keys, without those of the sink rows.
Value AttentionBuilder::keysOf(Value x) {
  if (!o.sinkKey)
    return x;
  return n.slice(x, 3, n.dims(o.sinkKey, 1, 2), n.constant({getUpperEnd()}));
}

/// Masks the scores of the keys. Sink rows always are visible.
Value AttentionBuilder::maskScores(Value scores) {
  if (!o.sinkKey || (!o.mask && !o.bias && !o.floor && !hidesByPosition()))
    return mask(scores);
  Value sinks = n.slice(scores, 3, n.constant({0}), n.dims(o.sinkKey, 1, 2));
  return n.concat({sinks, mask(keysOf(scores))}, 3);
}

Value AttentionBuilder::zeroNaN(Value given) {
  if (!o.zeroHiddenRows)
    return given;
  return n.node<WhereOp>({n.node<IsNaNOp>({given}), n.scalar(0, scoreElement), given});
}

/// Appends the column of the sink logits, if there are any.
Value AttentionBuilder::withSinkColumn(Value scores) {
  if (!o.sinkLogit)
    return scores;
  Value logit = n.reshape(n.cast(o.sinkLogit, scoreElement), {1, *heads, 1, 1});
  Value rows = n.concat({n.dims(scores, 0, 3), n.constant({1})}, 0);
  return n.concat({scores, n.expand(logit, rows)}, 3);
}

Value AttentionBuilder::withoutSinkColumn(Value rows) {
  return o.sinkLogit ? n.slice(rows, 3, 0, -1) : rows;
}

Value AttentionBuilder::probabilities(Value scores) {
  return zeroNaN(withoutSinkColumn(n.softmax(withSinkColumn(scores), -1)));
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
  if (o.scoreFactor)
    scores = n.node<MulOp>({scores, n.cast(withHeads(o.scoreFactor), element)});
  if (o.softcap) {
    Value cap = n.scalar(*o.softcap, element);
    scores = n.node<MulOp>({n.node<TanhOp>({n.node<DivOp>({scores, cap})}), cap});
  }
  return n.cast(scores, scoreElement);
}

Value AttentionBuilder::allProbabilities() { return probabilities(maskScores(rawScores())); }

/// Returns the result in the type that the op states. An exporter may widen the probabilities and
/// the values for their product, and then the result is wider than the query.
Value AttentionBuilder::weightedValues(Value probabilities) {
  Value allValues = o.sinkValue ? prependSinkRows(value, o.sinkValue) : value;
  auto stated = dyn_cast_or_null<FloatType>(getTensorInfo(op.getResult()).element);
  bool isWider = stated && stated.getWidth() > element.getIntOrFloatBitWidth();
  Type type = isWider ? Type(stated) : element;
  return n.node<MatMulOp>({n.cast(probabilities, type), n.cast(repeatHeads(allValues), type)});
}

/// Returns which keys a query sees, in a shape that broadcasts to the scores, or null if each query
/// sees all keys. A summand above kHiddenScore hides nothing: it is a bias, as in ALiBi.
Value AttentionBuilder::visible() {
  Value seen = hidesByPosition() ? positions() : Value();
  auto sees = [&](Value more) { seen = seen ? n.node<AndOp>({more, seen}) : more; };
  auto seesSummand = [&](Value summand, std::optional<double> scale) {
    sees(n.node<GreaterOp>({scaleSummand(summand, scale), n.scalar(kHiddenScore, scoreElement)}));
  };
  if (o.bias)
    seesSummand(withHeads(o.bias), o.biasScale);
  if (!o.mask)
    return seen;
  Value mask = prepareMask();
  if (o.maskKind == MaskKind::additive) {
    seesSummand(mask, o.maskScale);
    return seen;
  }
  mask = n.cast(mask, n.getBuilder().getI1Type());
  sees(o.maskKind == MaskKind::drop ? n.node<NotOp>({mask}) : mask);
  return seen;
}

AttentionScores AttentionBuilder::buildScores(const GivenScores &given) {
  AttentionScores out;
  if (given.masked) {
    out.scores = given.scores;
    out.masked = given.masked;
    out.probabilities = given.probabilities;
  } else {
    Value raw = rawScores(), masked = maskScores(raw);
    out.scores = keysOf(raw);
    out.masked = keysOf(masked);
    out.probabilities = keysOf(probabilities(masked));
  }
  out.visible = visible();
  out.query = query;
  out.key = key;
  out.value = value;
  return out;
}

Value basin::sink::zeroUnusedRows(Value present, Value lastKey, NodeBuilder &n) {
  Type type = getTensorInfo(present).element;
  if (!type)
    return present;
  Value last = n.reshape(n.cast(lastKey, n.getBuilder().getI64Type()), {-1, 1, 1, 1});
  Value zero = n.constant({0}, 0), one = n.constant({1}, 0);
  Value row = n.unsqueeze(n.node<RangeOp>({zero, n.dim(present, 2), one}), {1});
  return n.node<WhereOp>({lessOrEqual(n, row, last), present, n.scalar(0, type)});
}

/// Returns the present keys or values. `all` has those of the past, then the new ones. With
/// `last_key`, each element's new ones stand right behind its own past. There are as many rows as
/// the longest element has, or as the past has if those are more.
Value AttentionBuilder::present(Value all, Value past) {
  if (!o.lastKey)
    return all;
  Value zero = n.constant({0}, 0), one = n.constant({1}, 0);
  Value held = past ? n.dim(past, 2) : zero;
  Value longest = n.node<AddOp>({n.reduceMax(lastKey(), {0, 1, 2, 3}, false), one});
  Value row = n.unsqueeze(n.node<RangeOp>({zero, largerInteger(n, longest, held), one}), {1});
  Value own = pastLength();
  Value fresh = n.node<AddOp>({n.node<SubOp>({row, own}), held});
  Value source = n.node<WhereOp>({n.node<LessOp>({row, own}), row, fresh});
  source = n.node<MinOp>({source, n.node<SubOp>({n.dim(all, 2), one})});
  Value shape = n.concat({n.dims(all, 0, 2), n.constant({1}), n.dims(all, 3, 4)}, 0);
  Value gathered = n.node<GatherElementsOp>({all, n.expand(source, shape)}, n.attr("axis", 2));
  return zeroUnusedRows(gathered, o.lastKey, n);
}

FailureOr<AttentionScores> basin::sink::buildAttentionScores(sink::AttentionOp op,
                                                             const AttentionParts &parts,
                                                             NodeBuilder &n, Type element,
                                                             const GivenScores &given) {
  AttentionBuilder builder(op, parts, n, element);
  if (failed(builder.check()))
    return failure();
  builder.prepare();
  return builder.buildScores(given);
}

/// Returns the largest masked score of each row, once for each element of the result.
Value AttentionBuilder::largestScores() {
  Value largest = n.reduceMax(maskScores(rawScores()), {3});
  Value shape = n.concat({n.dims(largest, 0, 3), n.dims(value, 3, 4)}, 0);
  return fromHeads(n.expand(largest, shape), op.getResultLayout());
}

FailureOr<Value> basin::sink::buildLargestScores(sink::AttentionOp op, OpBuilder &b) {
  FailureOr<NodeBuilder> n = startDecomposition(op, b);
  if (failed(n))
    return failure();
  AttentionParts parts;
  FailureOr<Type> element = requireElementType(op, op.getQuery(), "a query");
  if (failed(element) || unpackAttention(op, *n, /*usePresent=*/false, parts))
    return failure();
  AttentionBuilder builder(op, parts, *n, *element);
  if (failed(builder.check()))
    return failure();
  builder.prepare();
  return builder.largestScores();
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
  FailureOr<Type> element = requireElementType(*this, getQuery(), "a query");
  if (failed(element))
    return failure();
  AttentionParts parts;
  if (WhyNot why = unpackAttention(*this, *n, /*usePresent=*/false, parts))
    return emitOpError("cannot be decomposed: ") << *why;
  AttentionBuilder builder(*this, parts, *n, *element);
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
