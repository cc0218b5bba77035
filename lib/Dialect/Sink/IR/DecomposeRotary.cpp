//===- DecomposeRotary.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decomposes rotary into onnx ops: separates the heads of x, shapes the tables so that they
// broadcast to it, turns the pairs, and restores the layout. Half tables are multiplied with each
// half of x. Full tables are multiplied with all of x, because their two halves may differ.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::sink;

namespace {
class RotaryBuilder {
public:
  RotaryBuilder(RotaryOp op, NodeBuilder &n) : op(op), n(n) {}
  FailureOr<Value> build();

private:
  FailureOr<Value> prepareTable(Value table, Type elementType);
  std::pair<Value, Value> takePairs(Value x);
  Value joinPairs(Value first, Value second);
  Value rotate(Value x, Value cos, Value sin);

  RotaryOp op;
  NodeBuilder &n;
  int64_t rank = 4;
};
} // namespace

/// Returns the table with the rank of x, and size 1 on the axis of heads.
FailureOr<Value> RotaryBuilder::prepareTable(Value table, Type elementType) {
  table = n.cast(table, elementType);
  std::optional<int64_t> tableRank = getRank(table);
  if (op.getPositions()) {
    if (getRank(op.getPositions()) != 2)
      return op.emitOpError("expected positions of rank 2 to be decomposed, but got ")
             << op.getPositions().getType();
    if (op.getLayout() == Layout::hsd)
      return op.emitOpError("expected no positions with layout hsd, whose batch "
                            "and heads are one axis");
    table = n.node<GatherOp>({table, op.getPositions()}, n.attr("axis", 0));
    tableRank = 3;
  }
  if (!tableRank || *tableRank < 2 || *tableRank > rank)
    return op.emitOpError("expected tables of rank 2 to ")
           << rank << " to be decomposed, but got " << table.getType();
  bool headsLast = op.getLayout() == Layout::bsd || op.getLayout() == Layout::bshd;
  if (*tableRank < rank && headsLast)
    return n.unsqueeze(table, {*tableRank - 1});
  if (*tableRank == 3 && rank == 4)
    return n.unsqueeze(table, {1});
  return table;
}

std::pair<Value, Value> RotaryBuilder::takePairs(Value x) {
  if (!op.getInterleaved()) {
    SmallVector<Value> halves = n.split(x, rank - 1, 2);
    return {halves[0], halves[1]};
  }
  SmallVector<int64_t> shape(rank - 1, 0);
  shape.append({-1, 2});
  SmallVector<Value> parts = n.split(n.reshape(x, shape), rank, 2);
  return {n.squeeze(parts[0], {rank}), n.squeeze(parts[1], {rank})};
}

Value RotaryBuilder::joinPairs(Value first, Value second) {
  if (!op.getInterleaved() || op.getDeinterleaves())
    return n.concat({first, second}, rank - 1);
  Value pairs = n.concat({n.unsqueeze(first, {rank}), n.unsqueeze(second, {rank})}, rank);
  SmallVector<int64_t> shape(rank - 1, 0);
  shape.push_back(-1);
  return n.reshape(pairs, shape);
}

Value RotaryBuilder::rotate(Value x, Value cos, Value sin) {
  auto [first, second] = takePairs(x);
  auto mul = [&](Value a, Value b) { return n.node<MulOp>({a, b}); };
  // Tables that positions index have half the width, even if the flag is not set.
  bool inverse = op.getInverse();
  if (op.getHalfTables() || op.getPositions()) {
    auto add = [&](Value a, Value b) { return n.node<AddOp>({a, b}); };
    auto subtract = [&](Value a, Value b) { return n.node<SubOp>({a, b}); };
    Value xCos = mul(first, cos), ySin = mul(second, sin);
    Value yCos = mul(second, cos), xSin = mul(first, sin);
    return joinPairs(inverse ? add(xCos, ySin) : subtract(xCos, ySin),
                     inverse ? subtract(yCos, xSin) : add(yCos, xSin));
  }
  Value turned = inverse ? joinPairs(second, n.node<NegOp>({first}))
                         : joinPairs(n.node<NegOp>({second}), first);
  return n.node<AddOp>({mul(x, cos), mul(turned, sin)});
}

FailureOr<Value> RotaryBuilder::build() {
  FailureOr<Type> element = requireElementType(op, op.getX(), "an x");
  if (failed(element))
    return failure();
  Value x = op.getX();
  Layout layout = op.getLayout();
  rank = layout == Layout::hsd ? 3 : 4;
  if (layout == Layout::packed)
    return op.emitOpError("expected layout bhsd, bshd, bsd or hsd to be decomposed, but got "
                          "layout packed");
  if (layout == Layout::bsd) {
    if (!op.getNumHeads())
      return op.emitOpError("expected num_heads with layout bsd");
    x = n.reshape(x, {0, 0, int64_t(*op.getNumHeads()), -1});
  }
  FailureOr<Value> cos = prepareTable(op.getCos(), *element);
  FailureOr<Value> sin = prepareTable(op.getSin(), *element);
  if (failed(cos) || failed(sin))
    return failure();
  Value result;
  std::optional<uint64_t> dim = op.getRotaryDim();
  if (!dim || getStaticDim(x, rank - 1) == int64_t(*dim)) {
    result = rotate(x, *cos, *sin);
  } else {
    int64_t begin = op.getOffset().value_or(0), end = begin + int64_t(*dim);
    SmallVector<Value> parts;
    if (begin > 0)
      parts.push_back(n.slice(x, rank - 1, 0, begin));
    parts.push_back(rotate(n.slice(x, rank - 1, begin, end), *cos, *sin));
    if (getStaticDim(x, rank - 1) != end)
      parts.push_back(n.slice(x, rank - 1, end, std::numeric_limits<int64_t>::max()));
    result = n.concat(parts, rank - 1);
  }
  return layout == Layout::bsd ? n.reshape(result, {0, 0, -1}) : result;
}

FailureOr<SmallVector<Value>> RotaryOp::decompose(OpBuilder &b) {
  FailureOr<NodeBuilder> n = startDecomposition(*this, b);
  if (failed(n))
    return failure();
  FailureOr<Value> result = RotaryBuilder(*this, *n).build();
  if (failed(result))
    return failure();
  return SmallVector<Value>{*result};
}
