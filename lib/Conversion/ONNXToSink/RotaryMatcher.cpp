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
// The two parts are slices (or a split, or elements of a new axis) of one value on its last axis,
// and only the rotation reads them. With the other sign it turns the other way (`inverse`). By
// parts, pairs may come out as halves (DeepSeek), and beside the two parts the Concat may have
// elements that are not rotated.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"
#include "RotaryParts.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;

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

/// Matches `difference` = a cos - b sin and `sum` = b cos + a sin, and with `inverse` `difference`
/// = b cos - a sin and `sum` = a cos + b sin.
static std::optional<RotaryMatch> matchByParts(Value difference, Value sum, bool inverse,
                                               bool stacked) {
  auto sub = difference.getDefiningOp<SubOp>();
  auto add = sum.getDefiningOp<AddOp>();
  auto left = sub ? sub.getA().getDefiningOp<MulOp>() : MulOp();
  auto right = sub ? sub.getB().getDefiningOp<MulOp>() : MulOp();
  if (!add || !left || !right)
    return std::nullopt;
  for (unsigned i : {0u, 1u})
    for (unsigned j : {0u, 1u}) {
      RotaryMatch match;
      Ops &inside = match.idiom.inside;
      // x is multiplied by the cosine in the difference, y by the sine.
      Value x = left->getOperand(i), y = right->getOperand(j);
      match.cos = left->getOperand(1 - i);
      match.sin = right->getOperand(1 - j);
      std::optional<RotaryPart> partA = matchRotaryPart(inverse ? y : x, inside),
                                partB = matchRotaryPart(inverse ? x : y, inside);
      if (!partA || !partB || !isRotaryPair(*partA, *partB, match.interleaved) ||
          (stacked && !match.interleaved))
        continue;
      bool found = false;
      for (unsigned k : {0u, 1u})
        found |= matchFactor(add->getOperand(k), y, inside) == match.cos &&
                 matchFactor(add->getOperand(1 - k), x, inside) == match.sin;
      if (!found)
        continue;
      for (Operation *op :
           {sub.getOperation(), add.getOperation(), left.getOperation(), right.getOperation()})
        inside.insert(op);
      match.halfTables = true;
      match.inverse = inverse;
      match.deinterleaves = match.interleaved && !stacked;
      match.x = partA->source;
      match.dim = partA->width;
      return match;
    }
  return std::nullopt;
}

/// Takes the elements beside the rotated ones, `rest`, which come from the same value as those.
/// Returns whether they and the rotated ones are all of that value, in the same order.
static bool takeRest(RotaryMatch &match, Value rest, bool isFirst) {
  Ops ops;
  std::optional<RotaryPart> kept = matchRotaryPart(rest, ops),
                            turned = matchRotaryPart(match.x, ops);
  if (!kept || !turned || kept->source != turned->source || kept->step != 1 || turned->step != 1)
    return false;
  const RotaryPart &first = isFirst ? *kept : *turned, &second = isFirst ? *turned : *kept;
  if (first.start != 0 || second.start != first.length ||
      second.start + second.length != second.width)
    return false;
  match.idiom.inside.insert(ops.begin(), ops.end());
  match.x = kept->source;
  match.offset = turned->start;
  return true;
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

/// Returns whether an axis of one element may become a longer one.
static bool isBroadcast(Type from, Type to) {
  auto x = dyn_cast<RankedTensorType>(from), y = dyn_cast<RankedTensorType>(to);
  if (!x || !y)
    return false;
  return llvm::any_of(llvm::zip_equal(x.getShape(), y.getShape()), [](auto sizes) {
    auto [before, after] = sizes;
    return before == 1 && after != 1;
  });
}

/// Checks a match, and sets what its op takes and gives.
static MatchResult<RotaryMatch> finish(RotaryMatch match, const Ops &ops, Value result) {
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
  if (isBroadcast(from, to))
    return Miss(MissReason::ResultShape);
  if (std::optional<Miss> why = checkIdiom(match.idiom, /*allowExtraResults=*/false))
    return *why;
  return match;
}

/// Matches three parts: two of a rotation, and before or after them one that is not rotated.
static MatchResult<RotaryMatch> matchThreeParts(Operation *concat) {
  for (bool isFirst : {true, false}) {
    Value a = concat->getOperand(isFirst ? 1 : 0), b = concat->getOperand(isFirst ? 2 : 1);
    Value rest = concat->getOperand(isFirst ? 0 : 2);
    std::optional<RotaryMatch> match = matchByParts(a, b, /*inverse=*/false, /*stacked=*/false);
    if (!match)
      continue;
    if (!takeRest(*match, rest, isFirst))
      return Miss(MissReason::RotaryRest);
    Ops ops;
    ops.insert(concat);
    return finish(std::move(*match), ops, concat->getResult(0));
  }
  return Unrelated();
}

MatchResult<RotaryMatch> basin::onnx::matchRotary(Operation *op) {
  auto concat = dyn_cast<ConcatOp>(op);
  if (!concat || !isLastAxis(op->getResult(0), concat.getAxis().value_or(0)))
    return Unrelated();
  if (op->getNumOperands() == 3)
    return matchThreeParts(op);
  if (op->getNumOperands() != 2)
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
  std::optional<RotaryMatch> byParts = matchByParts(first, second, /*inverse=*/false, stacked);
  if (!byParts)
    byParts = matchByParts(second, first, /*inverse=*/true, stacked);
  if (byParts) {
    Value result = stacked ? matchUnstacked(op->getResult(0), ops) : op->getResult(0);
    if (!result)
      return Miss(MissReason::RotaryStacked);
    return finish(std::move(*byParts), ops, result);
  }
  RotaryMatch match;
  Value half = matchNegated(first, ops), other = second;
  if (!half) {
    half = matchNegated(second, ops);
    other = first;
    match.inverse = true;
  }
  if (!half)
    return Unrelated();
  std::optional<RotaryPart> b = matchRotaryPart(match.inverse ? other : half, ops),
                            a = matchRotaryPart(match.inverse ? half : other, ops);
  if (!a || !b)
    return Miss(MissReason::RotaryParts);
  if (!isRotaryPair(*a, *b, match.interleaved) || match.interleaved != stacked)
    return Miss(MissReason::RotaryPairs);
  match.x = a->source;
  match.dim = a->width;
  Value rotated = stacked ? matchUnstacked(op->getResult(0), ops) : op->getResult(0);
  if (!rotated)
    return Miss(MissReason::RotaryStacked);
  MatchResult<RotaryMatch> result = matchSum(rotated, match.x, std::move(match));
  if (RotaryMatch *found = result.getMatch())
    return finish(std::move(*found), ops, Value());
  return result;
}
