//===- DecomposeAttention.cpp --------------------------------------*- C++ -*-===//
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

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

namespace {
class AttentionBuilder {
public:
  AttentionBuilder(sink::AttentionOp op, NodeBuilder &n) : op(op), n(n) {}
  FailureOr<SmallVector<Value>> build();

private:
  LogicalResult check();
  LogicalResult findHeads();
  Value toHeads(Value x, Layout layout, int64_t count);
  Value fromHeads(Value x, Layout layout);
  Value prependSinkRows(Value x, Value rows);
  Value repeatHeads(Value x);
  Value scaleQuery(Value query);
  Value positions();
  Value addMask(Value scores);
  Value mask(Value scores);
  Value maskScores(Value scores);
  Value probabilities(Value scores);

  sink::AttentionOp op;
  NodeBuilder &n;
  Type element;
  std::optional<int64_t> heads, kvHeads;
  Value query, key, value; // [batch, heads, sequence, dim]; past rows included
};
} // namespace

static int64_t getUpperEnd() { return std::numeric_limits<int64_t>::max(); }

LogicalResult AttentionBuilder::check() {
  unsigned expected = op.getHasPresent() ? 3 : 1;
  if (op->getNumResults() != expected)
    return op.emitOpError("expected ")
           << expected << " results to be decomposed, but got " << op->getNumResults()
           << "; further ones are inner values of a form";
  for (Layout layout :
       {op.getQueryLayout(), op.getKeyLayout(), op.getValueLayout(), op.getResultLayout()})
    if (layout == Layout::packed)
      return op.emitOpError("expected query, key and value apart to be decomposed, but got "
                            "layout packed");
  if (op.getMaskKind() == MaskKind::lengths)
    return op.emitOpError("expected a mask of scores to be decomposed, but got mask_kind "
                          "lengths");
  FailureOr<Type> type = requireElementType(op, op.getQuery(), "a query");
  if (failed(type))
    return failure();
  element = *type;
  return findHeads();
}

/// From the attributes, or the static size of an axis of heads.
LogicalResult AttentionBuilder::findHeads() {
  auto find = [](std::optional<uint64_t> stated, Value x, Layout layout) -> std::optional<int64_t> {
    if (stated)
      return int64_t(*stated);
    if (std::optional<unsigned> axis = getHeadAxis(layout))
      return getStaticDim(x, *axis);
    return std::nullopt;
  };
  heads = find(op.getNumHeads(), op.getQuery(), op.getQueryLayout());
  kvHeads = find(op.getKvNumHeads(), op.getKey(), op.getKeyLayout());
  if (!kvHeads)
    kvHeads = heads;
  // Equal counts are assumed only where neither is known.
  if (!heads && (kvHeads || !getHeadAxis(op.getQueryLayout()) || !getHeadAxis(op.getKeyLayout()) ||
                 op.getSinkLogit()))
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
  if (op.getScale())
    return n.node<MulOp>({q, n.scalar(op.getScale()->convertToDouble(), element)});
  std::optional<int64_t> dim = getStaticDim(q, 3);
  if (!dim && op.getHeadDim())
    dim = *op.getHeadDim();
  if (dim)
    return n.node<MulOp>({q, n.scalar(1 / std::sqrt(double(*dim)), element)});
  return n.node<DivOp>({q, n.node<SqrtOp>({n.cast(n.dim(q, 3), element)})});
}

Value AttentionBuilder::addMask(Value scores) {
  Value mask = op.getMask();
  if (!mask)
    return scores;
  // Where batch and heads are one axis, so they are in a mask of rank 3.
  if (op.getQueryLayout() == Layout::hsd && getRank(mask) == 3)
    mask = n.reshape(mask, n.concat({n.constant({-1, *heads}), n.dims(mask, 1, 3)}, 0));
  if (op.getMaskKind() == MaskKind::additive)
    return n.node<AddOp>({scores, n.cast(mask, element)});
  Value hidden = n.scalar(-std::numeric_limits<double>::infinity(), element);
  if (op.getMaskKind() == MaskKind::keep)
    return n.node<WhereOp>({mask, scores, hidden});
  return n.node<WhereOp>({mask, hidden, scores});
}

/// Whether query i sees key j by their positions, [queries, keys].
Value AttentionBuilder::positions() {
  Value queries = n.dim(query, 2), keys = n.dim(key, 2);
  Value zero = n.constant({0}, 0), one = n.constant({1}, 0);
  Value i = n.node<AddOp>({n.node<RangeOp>({zero, queries, one}), n.node<SubOp>({keys, queries})});
  Value j = n.unsqueeze(n.node<RangeOp>({zero, keys, one}), {0});
  i = n.unsqueeze(i, {1});
  Value seen;
  if (op.getCausal())
    seen = n.node<LessOrEqualOp>({j, i});
  if (op.getWindow()) {
    Value width = n.constant({int64_t(*op.getWindow())}, 0);
    Value near = n.node<LessOp>({n.node<SubOp>({i, j}), width});
    seen = seen ? n.node<AndOp>({seen, near}) : near;
  }
  return seen;
}

Value AttentionBuilder::mask(Value scores) {
  scores = addMask(scores);
  if (!op.getCausal() && !op.getWindow())
    return scores;
  Value hidden = n.scalar(-std::numeric_limits<double>::infinity(), element);
  return n.node<WhereOp>({positions(), scores, hidden});
}

/// Sink rows are visible whatever the mask says of the others.
Value AttentionBuilder::maskScores(Value scores) {
  if (!op.getSinkKey() || (!op.getMask() && !op.getCausal() && !op.getWindow()))
    return mask(scores);
  Value count = n.dims(op.getSinkKey(), 1, 2);
  Value sinks = n.slice(scores, 3, n.constant({0}), count);
  Value others = n.slice(scores, 3, count, n.constant({getUpperEnd()}));
  return n.concat({sinks, mask(others)}, 3);
}

Value AttentionBuilder::probabilities(Value scores) {
  if (!op.getSinkLogit())
    return n.softmax(scores, -1);
  Value logit = n.reshape(n.cast(op.getSinkLogit(), element), {1, *heads, 1, 1});
  Value rows = n.concat({n.dims(scores, 0, 3), n.constant({1})}, 0);
  Value column = n.expand(logit, rows);
  return n.slice(n.softmax(n.concat({scores, column}, 3), -1), 3, 0, -1);
}

FailureOr<SmallVector<Value>> AttentionBuilder::build() {
  if (failed(check()))
    return failure();
  query = toHeads(op.getQuery(), op.getQueryLayout(), heads.value_or(0));
  key = toHeads(op.getKey(), op.getKeyLayout(), kvHeads.value_or(0));
  value = toHeads(op.getValue(), op.getValueLayout(), kvHeads.value_or(0));
  if (op.getPastKey()) {
    key = n.concat({op.getPastKey(), key}, 2);
    value = n.concat({op.getPastValue(), value}, 2);
  }
  SmallVector<Value> results(1);
  if (op.getHasPresent())
    results.append({key, value});
  Value allKeys = key, allValues = value;
  if (op.getSinkKey()) {
    allKeys = prependSinkRows(key, op.getSinkKey());
    allValues = prependSinkRows(value, op.getSinkValue());
  }
  Value turned = n.transpose(repeatHeads(allKeys), {0, 1, 3, 2});
  Value scores = n.node<MatMulOp>({scaleQuery(query), turned});
  if (op.getSoftcap()) {
    Value cap = n.scalar(op.getSoftcap()->convertToDouble(), element);
    scores = n.node<MulOp>({n.node<TanhOp>({n.node<DivOp>({scores, cap})}), cap});
  }
  Value weights = probabilities(maskScores(scores));
  Value result = n.node<MatMulOp>({weights, repeatHeads(allValues)});
  result = fromHeads(result, op.getResultLayout());
  if (op.getGate())
    result = n.node<MulOp>({result, op.getGate()});
  results[0] = result;
  return results;
}

FailureOr<SmallVector<Value>> sink::AttentionOp::decompose(OpBuilder &b) {
  FailureOr<NodeBuilder> n = startDecomposition(*this, b);
  if (failed(n))
    return failure();
  return AttentionBuilder(*this, *n).build();
}
