//===- RotaryMatcher.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matches rotary embedding written in primitive ops, anchored at the Concat that puts the rotated
// halves or pairs together:
//
//   halves:       x cos + concat(-x[n/2:], x[:n/2]) sin
//   interleaved:  x cos + reshape(concat(-x[1::2], x[0::2] stacked)) sin
//   by parts:     concat(a cos - b sin, b cos + a sin), tables of half width
//
// The two parts are slices (or a split) of one value on its last axis, and
// only the rotation reads them.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;

namespace {
/// Elements start, start + step, ... of the last axis of `source`.
struct Part {
  Value source;
  int64_t start = 0, step = 1, length = 0, width = 0;
};
} // namespace

static std::optional<int64_t> evaluateInt(Value value) {
  if (!value)
    return std::nullopt;
  auto ints = evaluateInts(value);
  return ints && ints->size() == 1 ? std::optional<int64_t>(ints->front()) : std::nullopt;
}

static std::optional<Part> matchSlice(SliceOp slice, Ops &ops) {
  std::optional<int64_t> width = getDim(slice.getData(), -1);
  if (!width)
    return std::nullopt;
  std::optional<int64_t> start, end, axis = 0, step = 1;
  if (slice.getStartsInput()) {
    start = evaluateInt(slice.getStartsInput());
    end = evaluateInt(slice.getEndsInput());
    axis = slice.getAxesInput() ? evaluateInt(slice.getAxesInput()) : std::nullopt;
    if (slice.getSteps())
      step = evaluateInt(slice.getSteps());
  } else if (slice.getStarts() && slice.getEnds() && slice.getAxes() &&
             slice.getStarts()->size() == 1) {
    start = slice.getStarts()->front();
    end = slice.getEnds()->front();
    axis = slice.getAxes()->front();
  }
  if (!start || !end || !axis || !step || *step <= 0 || !isLastAxis(slice.getData(), *axis))
    return std::nullopt;
  SliceBounds bounds = clampSlice(*start, *end, *step, *width);
  ops.insert(slice);
  return Part{slice.getData(), bounds.start, bounds.step, bounds.length, *width};
}

static std::optional<Part> matchPart(Value value, Ops &ops) {
  value = skipCasts(value, &ops);
  if (auto slice = value.getDefiningOp<SliceOp>())
    return matchSlice(slice, ops);
  auto split = value.getDefiningOp<SplitOp>();
  if (!split || split->getNumResults() != 2 || !split.getInput() ||
      !isLastAxis(split.getInput(), split.getAxis().value_or(0)))
    return std::nullopt;
  std::optional<int64_t> width = getDim(split.getInput(), -1);
  std::optional<int64_t> first = getDim(split->getResult(0), -1);
  if (!width || !first)
    return std::nullopt;
  ops.insert(split);
  bool isFirst = value == split->getResult(0);
  return Part{split.getInput(), isFirst ? 0 : *first, 1, isFirst ? *first : *width - *first,
              *width};
}

/// Returns whether the parts are the two halves of one value, or its even and odd elements.
static bool isPair(const Part &a, const Part &b, bool &interleaved) {
  if (a.source != b.source || a.step != b.step || a.width % 2 != 0 || a.length != a.width / 2 ||
      b.length != a.width / 2)
    return false;
  interleaved = a.step == 2;
  return interleaved ? a.start == 0 && b.start == 1
                     : a.step == 1 && a.start == 0 && b.start == a.width / 2;
}

/// Returns v if `value` is -v, by Neg or by a factor of -1. Returns null otherwise.
static Value matchNegated(Value value, Ops &ops) {
  value = skipCasts(value, &ops);
  if (auto neg = value.getDefiningOp<NegOp>()) {
    ops.insert(neg);
    return neg.getX();
  }
  Ops scaledOps;
  if (auto scaled = matchScaled(value, scaledOps); scaled && scaled->factor == -1) {
    ops.insert(scaledOps.begin(), scaledOps.end());
    return scaled->source;
  }
  return {};
}

/// Returns v if `value` is v with a new last axis of size 1. Returns null otherwise.
static Value matchStacked(Value value, Ops &ops) {
  auto unsqueeze = value.getDefiningOp<UnsqueezeOp>();
  if (!unsqueeze)
    return {};
  std::optional<int64_t> rank = getRank(value);
  std::optional<SmallVector<int64_t>> axes;
  if (unsqueeze.getAxes())
    axes = llvm::to_vector(*unsqueeze.getAxes());
  else if (unsqueeze.getAxesInput())
    axes = getConstantInts(unsqueeze.getAxesInput());
  if (!axes || axes->size() != 1 || !(axes->front() == -1 || (rank && axes->front() == *rank - 1)))
    return {};
  ops.insert(unsqueeze);
  return unsqueeze.getData();
}

//===----------------------------------------------------------------------===//
// x cos + rotate(x) sin
//===----------------------------------------------------------------------===//

/// Goes from rotate(x) over the product with sin to the sum with x cos.
static MatchResult<RotaryMatch> matchSum(Value rotated, Value x, RotaryMatch match) {
  Ops &inside = match.idiom.inside;
  Value cur = rotated;
  auto advanceCasts = [&] {
    for (Operation *user = getOnlyUser(cur); user && isFloatCast(user); user = getOnlyUser(cur)) {
      inside.insert(user);
      cur = user->getResult(0);
    }
  };
  advanceCasts();
  Operation *product = getOnlyUser(cur);
  if (!product || !isa<MulOp>(product))
    return Miss(MissReason::RotarySine);
  match.sin = otherOperand(product, cur);
  inside.insert(product);
  cur = product->getResult(0);
  advanceCasts();
  Operation *sum = getOnlyUser(cur);
  if (!sum || !isa<AddOp>(sum))
    return Miss(MissReason::RotarySum);
  auto other = skipCasts(otherOperand(sum, cur), &inside).getDefiningOp<MulOp>();
  inside.insert(sum);
  if (!other)
    return Miss(MissReason::RotarySum);
  Value source = skipCasts(x);
  unsigned index = skipCasts(other.getA()) == source ? 0 : 1;
  if (skipCasts(other->getOperand(index)) != source)
    return Miss(MissReason::RotaryCosine);
  skipCasts(other->getOperand(index), &inside);
  match.cos = other->getOperand(1 - index);
  inside.insert(other);
  match.idiom.results = {sum->getResult(0)};
  return match;
}

//===----------------------------------------------------------------------===//
// concat(a cos - b sin, b cos + a sin)
//===----------------------------------------------------------------------===//

/// Returns the other factor if `value` is a product with `part`. Returns null otherwise.
static Value matchFactor(Value value, Value part, Ops &ops) {
  auto mul = value.getDefiningOp<MulOp>();
  if (!mul)
    return {};
  Value factor = otherOperand(mul, part);
  if (factor)
    ops.insert(mul);
  return factor;
}

static std::optional<RotaryMatch> matchByParts(Value first, Value second, bool stacked) {
  auto sub = first.getDefiningOp<SubOp>();
  auto add = second.getDefiningOp<AddOp>();
  auto left = sub ? sub.getA().getDefiningOp<MulOp>() : MulOp();
  auto right = sub ? sub.getB().getDefiningOp<MulOp>() : MulOp();
  if (!add || !left || !right)
    return std::nullopt;
  for (unsigned i : {0u, 1u})
    for (unsigned j : {0u, 1u}) {
      RotaryMatch match;
      Ops &inside = match.idiom.inside;
      Value a = left->getOperand(i), b = right->getOperand(j);
      match.cos = left->getOperand(1 - i);
      match.sin = right->getOperand(1 - j);
      std::optional<Part> partA = matchPart(a, inside), partB = matchPart(b, inside);
      if (!partA || !partB || !isPair(*partA, *partB, match.interleaved) ||
          match.interleaved != stacked)
        continue;
      bool found = false;
      for (unsigned k : {0u, 1u})
        found |= matchFactor(add->getOperand(k), b, inside) == match.cos &&
                 matchFactor(add->getOperand(1 - k), a, inside) == match.sin;
      if (!found)
        continue;
      for (Operation *op :
           {sub.getOperation(), add.getOperation(), left.getOperation(), right.getOperation()})
        inside.insert(op);
      match.halfTables = true;
      match.x = partA->source;
      match.dim = partA->width;
      return match;
    }
  return std::nullopt;
}

/// Returns the result of the reshape that puts stacked pairs side by side again, or null if none
/// does.
static Value matchUnstack(Value value, Ops &ops) {
  Operation *user = getOnlyUser(value);
  if (!user || !isa<ReshapeOp, FlattenOp>(user) || user->getOperand(0) != value)
    return {};
  ops.insert(user);
  return user->getResult(0);
}

/// Sets the layout of x, and checks that the tables, broadcast as they are, mean what sink.rotary
/// reads: one row for each position, along x's last axis but one.
static std::optional<Miss> checkLayout(RotaryMatch &match) {
  std::optional<int64_t> rank = getRank(match.x);
  if (rank != 3 && rank != 4)
    return Miss(MissReason::RankOfHeads, "input", describeRank(rank));
  match.layout = *rank == 4 ? sink::Layout::bhsd : sink::Layout::hsd;
  for (Value table : {match.cos, match.sin}) {
    std::optional<int64_t> tableRank = getRank(table);
    if (!tableRank || *tableRank < 2 || *tableRank > *rank)
      return Miss(MissReason::RotaryTableRank, describeRank(tableRank), *rank);
    // If x has four axes, a table of three begins with the heads. All heads must share one table.
    if (*tableRank == 3 && *rank == 4 && getDim(table, 0) != 1)
      return Miss(MissReason::RotaryTableHeads);
    if (Type type = getElementTypeOf(table); !isRealType(type))
      return Miss(MissReason::ElementType, "tables", type);
  }
  return std::nullopt;
}

MatchResult<RotaryMatch> basin::onnx::matchRotary(Operation *op) {
  auto concat = dyn_cast<ConcatOp>(op);
  if (!concat || op->getNumOperands() != 2 ||
      !isLastAxis(op->getResult(0), concat.getAxis().value_or(0)))
    return Unrelated();
  Value first = op->getOperand(0), second = op->getOperand(1);
  Ops ops;
  Value stackedFirst = matchStacked(first, ops), stackedSecond = matchStacked(second, ops);
  bool stacked = stackedFirst && stackedSecond;
  if (stacked) {
    first = stackedFirst;
    second = stackedSecond;
  } else {
    ops.clear();
  }
  ops.insert(op);
  auto finish = [&](RotaryMatch match, Value result) -> MatchResult<RotaryMatch> {
    match.idiom.inside.insert(ops.begin(), ops.end());
    if (result)
      match.idiom.results = {result};
    match.idiom.arguments = {match.x};
    match.idiom.captured = {match.cos, match.sin};
    if (std::optional<Miss> why = checkLayout(match))
      return *why;
    if (hasNarrowerCast(match.idiom.inside, match.x))
      return Miss(MissReason::NarrowerType, "input");
    // The shapes differ if x is broadcast to the tables, or if pairs are put together in another
    // shape.
    Type from = match.x.getType(), to = match.idiom.results.front().getType();
    if (!isa<UnknownType>(from) && !isa<UnknownType>(to) && failed(verifyCompatibleShape(from, to)))
      return Miss(MissReason::ResultShape);
    if (std::optional<Miss> why = checkIdiom(match.idiom, /*allowExtraResults=*/false))
      return *why;
    return match;
  };
  if (std::optional<RotaryMatch> match = matchByParts(first, second, stacked)) {
    Value result = stacked ? matchUnstack(op->getResult(0), ops) : op->getResult(0);
    if (!result)
      return Miss(MissReason::RotaryStacked);
    return finish(std::move(*match), result);
  }
  Value negated = matchNegated(first, ops);
  if (!negated)
    return Unrelated();
  RotaryMatch match;
  std::optional<Part> b = matchPart(negated, ops), a = matchPart(second, ops);
  if (!a || !b)
    return Miss(MissReason::RotaryParts);
  if (!isPair(*a, *b, match.interleaved) || match.interleaved != stacked)
    return Miss(MissReason::RotaryPairs);
  match.x = a->source;
  match.dim = a->width;
  Value rotated = stacked ? matchUnstack(op->getResult(0), ops) : op->getResult(0);
  if (!rotated)
    return Miss(MissReason::RotaryStacked);
  MatchResult<RotaryMatch> result = matchSum(rotated, match.x, std::move(match));
  if (RotaryMatch *found = result.getMatch())
    return finish(std::move(*found), Value());
  return result;
}
