//===- NormMatcher.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matches RMSNorm and LayerNorm written in primitive ops:
//
//   m = mean(v^2); r = 1 / sqrt(m + eps); y = [cast] (v r) [w] [cast] [+ b]
//
// In an RMSNorm, v is x and there is no b. In a LayerNorm, v is x - mean(x). TensorFlow writes a
// LayerNorm as y = x (w r) + (b - mean(x) (w r)). The mean is over the
// last axis only. The weight is a vector as long as that axis, so a gate is not a weight. No
// inner value may be used elsewhere, except a cast of x.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"
#include "NormRoot.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace basin::onnx;

namespace {

/// Follows the chain of single uses from the mean to the norm's result.
class NormWalk {
public:
  explicit NormWalk(Operation *mean) : mean(mean) {}
  MatchResult<NormMatch> match();

private:
  bool takeMoments(const NormRoot &root);
  std::optional<Miss> findInput();
  void matchCentering();
  void matchTail();
  bool takeVector(Value &cur, bool isBias);
  Value step(Value cur, Operation *op) {
    found.idiom.inside.insert(op);
    return op->getResult(0);
  }

  Operation *mean;
  NormMatch found;
  /// The value that is squared, the value that is scaled, and the product that scales it.
  Value squared, scaled, normalized;
};

} // namespace

/// Returns whether `op` is a mean over the last axis only, and keeps this axis.
static bool isLastAxisMean(Operation *op) {
  auto mean = dyn_cast_or_null<ReduceMeanOp>(op);
  if (!mean || mean.getKeepdims().value_or(1) == 0)
    return false;
  std::optional<SmallVector<int64_t>> axes;
  if (std::optional<int64_t> rank = getRank(mean.getData()))
    return (axes = getAxes(op, *rank)) && axes->size() == 1 && axes->front() == *rank - 1;
  if (auto attr = mean.getAxes())
    return *attr == ArrayRef<int64_t>{-1};
  if (Value operand = mean.getAxesInput())
    axes = getConstantInts(operand);
  return axes && axes->size() == 1 && axes->front() == -1;
}

/// Takes what TensorFlow writes: x r + (beta - mean(x) r) with r = gamma / sqrt(..), the product at
/// which the root ended. The squares are those of x - mean(x). Changes nothing if it is not that.
bool NormWalk::takeMoments(const NormRoot &root) {
  Operation *product = root.scaling;
  auto centred = skipWidenings(squared).getDefiningOp<SubOp>();
  auto mean = centred ? centred.getB().getDefiningOp<ReduceMeanOp>() : ReduceMeanOp();
  Value x = centred ? centred.getA() : Value(), factor = product->getResult(0);
  Value gamma = root.scaled;
  if (!isa<MulOp>(product) || !mean || !isLastAxisMean(mean) || mean.getData() != x ||
      !isVector(gamma, getDim(x, -1)) || !keepsRank(gamma, x))
    return false;
  // Only the two products read r: one with x, one with its mean.
  MulOp straight, moved;
  for (Operation *user : factor.getUsers()) {
    auto mul = dyn_cast<MulOp>(user);
    Value other = mul ? otherOperand(mul, factor) : Value();
    if (other == x)
      straight = mul;
    else if (other == mean->getResult(0))
      moved = mul;
  }
  if (!straight || !moved || factor.getNumUses() != 2)
    return false;
  auto shift = dyn_cast_or_null<SubOp>(getOnlyUser(moved->getResult(0)));
  auto sum = shift ? dyn_cast_or_null<AddOp>(getOnlyUser(shift->getResult(0))) : AddOp();
  if (!sum || shift.getB() != moved->getResult(0) || !isVector(shift.getA(), getDim(x, -1)) ||
      !keepsRank(shift.getA(), x) || getOnlyUser(straight->getResult(0)) != sum.getOperation())
    return false;
  skipWidenings(squared, &found.idiom.inside);
  for (Operation *op :
       {mean.getOperation(), centred.getOperation(), product, straight.getOperation(),
        moved.getOperation(), shift.getOperation(), sum.getOperation()})
    found.idiom.inside.insert(op);
  found.parts.x = x;
  found.parts.centres = true;
  found.parts.weight = gamma;
  found.parts.bias = shift.getA();
  found.idiom.results = {sum->getResult(0)};
  return true;
}

/// Returns the value that both are, before the casts that are added to `ops` if they differ, or
/// null if they come from different values.
static Value findCommon(Value a, Value b, Ops &ops) {
  if (a == b)
    return a;
  Value source = skipWidenings(a, &ops);
  return source == skipWidenings(b, &ops) ? source : Value();
}

std::optional<Centred> basin::onnx::matchCentred(Value value) {
  auto sub = value.getDefiningOp<SubOp>();
  if (!sub)
    return std::nullopt;
  Centred found;
  auto mean = skipWidenings(sub.getB(), &found.ops).getDefiningOp<ReduceMeanOp>();
  if (!mean || !isLastAxisMean(mean))
    return std::nullopt;
  found.x = findCommon(sub.getA(), mean.getData(), found.ops);
  found.ops.insert(mean);
  found.ops.insert(sub);
  return found.x ? std::optional(std::move(found)) : std::nullopt;
}

/// Makes it a LayerNorm of x if v = x - mean(x).
void NormWalk::matchCentering() {
  Ops ops;
  // Some exporters write the subtraction twice.
  std::optional<Centred> first = matchCentred(skipWidenings(squared, &ops)),
                         second = matchCentred(skipWidenings(scaled, &ops));
  Value x = first && second ? findCommon(first->x, second->x, ops) : Value();
  if (!x)
    return;
  for (const Ops &more : {first->ops, second->ops})
    ops.insert(more.begin(), more.end());
  // A centred value that others use is an input like any other. Then this norm does no centring
  // itself.
  for (Operation *op : ops)
    for (Operation *user : op->getUsers())
      if (!ops.contains(user) && !found.idiom.inside.contains(user))
        return;
  found.idiom.inside.insert(ops.begin(), ops.end());
  found.parts.centres = true;
  found.parts.x = squared = scaled = x;
}

PreAffine basin::onnx::matchPreAffine(Value input, function_ref<bool(Operation *)> isReader) {
  auto mul = input.getDefiningOp<MulOp>();
  if (!mul || !llvm::all_of(mul->getUsers(), isReader))
    return {input, Value(), nullptr};
  for (unsigned i : {0u, 1u}) {
    Value vector = mul->getOperand(i), x = mul->getOperand(1 - i);
    // The vector must be a constant or an initializer.
    Operation *def = vector.getDefiningOp();
    if (isa_and_nonnull<InitializerOp, ConstantOp>(def) && isVector(vector, getDim(input, -1)) &&
        getRank(vector) <= getRank(x) && getDim(x, -1) == getDim(vector, -1))
      return {x, vector, mul};
  }
  return {input, Value(), nullptr};
}

PreAffine basin::onnx::matchPreAffine(Value input, Operation *reader) {
  return matchPreAffine(input, [&](Operation *user) { return user == reader; });
}

/// Finds the norm's input, before the casts of what is squared and of what is scaled.
std::optional<Miss> NormWalk::findInput() {
  if (skipWidenings(squared) != skipWidenings(scaled)) {
    matchCentering();
    if (!found.parts.centres)
      return Miss(MissReason::NormScalesOther);
  } else {
    matchCentering();
  }
  // The casts go inside unless an op outside reads them too.
  Ops casts;
  Value x = skipWidenings(squared, &casts);
  skipWidenings(scaled, &casts);
  bool shared = llvm::any_of(casts, [&](Operation *cast) {
    return llvm::any_of(cast->getUsers(), [&](Operation *user) {
      return !casts.contains(user) && !found.idiom.inside.contains(user);
    });
  });
  if (!shared) {
    found.idiom.inside.insert(casts.begin(), casts.end());
    PreAffine pre =
        matchPreAffine(x, [&](Operation *user) { return found.idiom.inside.contains(user); });
    if (pre.product)
      found.idiom.inside.insert(pre.product);
    found.parts.x = pre.x;
    found.parts.preAffine = pre.vector;
    found.preAffineOp = pre.product;
    return std::nullopt;
  }
  if (squared != scaled)
    return Miss(MissReason::NormInputTypes);
  found.parts.x = squared;
  return std::nullopt;
}

/// Moves `cur` over its product with a weight or its sum with a bias, if this is its only use.
bool NormWalk::takeVector(Value &cur, bool isBias) {
  Operation *user = getOnlyUser(cur);
  if (!user || (isBias ? !isa<AddOp>(user) : !isa<MulOp>(user)))
    return false;
  Value vector = otherOperand(user, cur);
  if (!vector || vector == cur || !isVector(vector, getDim(found.parts.x, -1)) ||
      !keepsRank(vector, found.parts.x))
    return false;
  (isBias ? found.parts.bias : found.parts.weight) = vector;
  cur = step(cur, user);
  return true;
}

void NormWalk::matchTail() {
  Value cur = normalized;
  auto cast = [&](Value from) -> Value {
    Operation *user = getOnlyUser(from);
    return user && isFloatCast(user) ? user->getResult(0) : Value();
  };
  // A cast before the weight belongs to the norm if the weight does. A cast at the end does if it
  // gives back the input's type.
  Type inputType = getElementTypeOf(found.parts.x);
  auto castToInput = [&] {
    Value next = cast(cur);
    if (next && inputType && getElementTypeOf(next) == inputType)
      cur = step(cur, next.getDefiningOp());
  };
  if (Value next = cast(cur)) {
    Value after = next;
    Ops saved = found.idiom.inside;
    found.idiom.inside.insert(next.getDefiningOp());
    if (takeVector(after, /*isBias=*/false))
      cur = after;
    else
      found.idiom.inside = std::move(saved);
  }
  if (!found.parts.weight)
    takeVector(cur, /*isBias=*/false);
  if (found.parts.centres)
    takeVector(cur, /*isBias=*/true);
  castToInput();
  found.idiom.results = {cur};
}

/// Returns whether `value` is a square that went through a quantized type, or was cast to a
/// narrower type.
static bool hasRoundedSquare(Value value) {
  Operation *op = skipWidenings(value).getDefiningOp();
  auto dequantize = dyn_cast_or_null<DequantizeLinearOp>(op);
  Operation *rounding = dequantize ? dequantize->getOperand(0).getDefiningOp() : op;
  Ops ops;
  return isa_and_nonnull<QuantizeLinearOp, CastOp>(rounding) &&
         matchSquare(rounding->getOperand(0), ops);
}

MatchResult<NormMatch> NormWalk::match() {
  auto reduce = dyn_cast<ReduceMeanOp>(mean);
  Ops square;
  if (reduce && hasRoundedSquare(reduce.getData()))
    return Miss(MissReason::NormRoundsSquares);
  if (!reduce || !(squared = matchSquare(reduce.getData(), square)))
    return Unrelated();
  if (!isLastAxisMean(mean))
    return Miss(reduce.getKeepdims().value_or(1) == 0 ? MissReason::NormMeanDropsAxis
                                                      : MissReason::NormMeanAxis);
  auto result = matchNormRoot(mean);
  NormRoot *root = result.getMatch();
  if (!root)
    return *result.getMiss();
  found.idiom.inside.insert(square.begin(), square.end());
  found.idiom.inside.insert(root->inside.begin(), root->inside.end());
  found.parts.epsilon = root->epsilon;
  found.epsilonOp = root->epsilonOp;
  scaled = root->scaled;
  normalized = root->scaling->getResult(0);
  bool isComplete = takeMoments(*root);
  if (!isComplete)
    if (auto why = findInput())
      return *why;
  if (hasNarrowerCast(found.idiom.inside, found.parts.x))
    return Miss(MissReason::NarrowerType, "input");
  if (!isComplete)
    matchTail();
  if (Type type = getElementTypeOf(found.parts.x); type && !isRealType(type))
    return Miss(MissReason::ElementType, "input", type);
  Type from = found.parts.x.getType(), to = found.idiom.results.front().getType();
  if (isa<ShapedType>(from) && isa<ShapedType>(to) && failed(verifyCompatibleShape(from, to)))
    return Miss(MissReason::ResultShape);
  found.idiom.arguments = {found.parts.x};
  found.idiom.captured = {found.parts.preAffine, found.parts.weight, found.parts.bias};
  if (std::optional<Miss> why = checkIdiom(found.idiom, /*allowExtraResults=*/false))
    return *why;
  return std::move(found);
}

MatchResult<NormMatch> basin::onnx::matchNorm(Operation *mean) { return NormWalk(mean).match(); }
