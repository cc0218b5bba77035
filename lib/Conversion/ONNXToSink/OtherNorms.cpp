//===- OtherNorms.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds other norms that are written out:
//
//   moments:  v = x - mean(x); y = v / sqrt(mean(v^2) + eps), or v = x, over axes A
//   constant: y = (x - m) / sqrt(s + eps), where m and s are constants, one for each channel
//   L2:       y = x / |x|, where |x| may be bounded from below or have an epsilon
//
// Moments are called by their axes: [batch, channels, ...] without the first two makes an
// instance_norm, all but the channels a batch_norm, one axis (or all but the batch) a layer_norm.
// A weight that tells otherwise decides.
//
//===----------------------------------------------------------------------===//

#include "NormRoot.h"
#include "OtherNormParts.h"
#include "QuantizedPairs.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/IR/Sink.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

using Axes = SmallVector<int64_t>;

//===----------------------------------------------------------------------===//
// Moments
//===----------------------------------------------------------------------===//

/// Returns the axes that `op` reduces and keeps, sorted.
static std::optional<Axes> getKeptAxes(Operation *op) {
  std::optional<int64_t> rank = getRank(op->getOperand(0));
  auto keeps = op->getAttrOfType<IntegerAttr>("keepdims");
  if (!rank || (keeps && keeps.getValue().isZero()))
    return std::nullopt;
  std::optional<Axes> axes = getAxes(op, *rank);
  if (!axes || axes->empty())
    return std::nullopt;
  llvm::sort(*axes);
  return axes;
}

/// Returns x if `value` is x - mean(x) over `axes`, and null otherwise.
static Value matchCentred(Value value, const Axes &axes) {
  auto sub = skipWidenings(value).getDefiningOp<SubOp>();
  auto mean = sub ? skipWidenings(sub.getB()).getDefiningOp<ReduceMeanOp>() : ReduceMeanOp();
  if (!mean || skipWidenings(mean.getData()) != skipWidenings(sub.getA()) ||
      getKeptAxes(mean) != axes)
    return {};
  return skipWidenings(sub.getA());
}

/// Returns the axes on which a weight differs from element to element, counted as those of
/// `value`.
static Axes getOwnAxes(Value weight, Value value) {
  Axes own;
  TensorInfo info = getTensorInfo(weight);
  std::optional<int64_t> rank = getRank(value);
  if (!info.hasRank() || !rank)
    return own;
  for (int64_t i = 0; i < info.rank(); ++i)
    if (!info[i].is(1))
      own.push_back(*rank - info.rank() + i);
  return own;
}

/// Returns the kind of a norm that centres, by its axes and those of its weight. Returns nothing if
/// it is none of those that have a name.
static StringRef nameMoments(int64_t rank, const Axes &axes, const Axes &weight) {
  auto range = [](int64_t from, int64_t to) {
    return llvm::to_vector(llvm::seq<int64_t>(from, to));
  };
  if (axes.front() == 0) {
    Axes first = range(2, rank);
    first.insert(first.begin(), 0);
    return axes == first || axes == range(0, rank - 1) ? "batch_norm" : "";
  }
  if (!weight.empty() && weight == axes)
    return "layer_norm";
  bool isPerChannel = weight == Axes{1} || weight == Axes{rank - 1};
  if (axes == range(1, rank))
    return isPerChannel && rank > 2 ? "group_norm" : "layer_norm";
  bool isChannelsLast = axes == range(1, rank - 1);
  if (axes.size() == 1)
    return isChannelsLast && weight == Axes{rank - 1} ? "instance_norm" : "layer_norm";
  if (isChannelsLast || axes == range(2, rank))
    return "instance_norm";
  return axes == range(axes.front(), rank) ? "layer_norm" : "";
}

/// Takes x (gamma r) + (beta - mean(x) (gamma r)), as TensorFlow writes it, where `product` is
/// gamma r. Returns null if it is not that.
static Value matchShifted(Operation *product, Value x, const Axes &axes) {
  Value factor = product->getResult(0), sum;
  for (Operation *user : factor.getUsers()) {
    auto mul = dyn_cast<MulOp>(user);
    auto add = mul ? dyn_cast_or_null<AddOp>(getOnlyUser(mul->getResult(0))) : AddOp();
    if (!add || otherOperand(mul, factor) != x)
      continue;
    auto shift = otherOperand(add, mul->getResult(0)).getDefiningOp<SubOp>();
    auto moved = shift ? shift.getB().getDefiningOp<MulOp>() : MulOp();
    Value other = moved ? otherOperand(moved, factor) : Value();
    auto mean = other ? other.getDefiningOp<ReduceMeanOp>() : ReduceMeanOp();
    if (mean && mean.getData() == x && getKeptAxes(mean) == axes &&
        isConstant(skipCasts(shift.getA())))
      sum = add->getResult(0);
  }
  return sum;
}

static std::optional<OtherNorm> matchMoments(ReduceMeanOp mean) {
  Ops square;
  Value squared = matchSquare(mean.getData(), square);
  std::optional<int64_t> rank = getRank(mean.getData());
  std::optional<Axes> axes = getKeptAxes(mean);
  // A norm over the last axis is a sink op, or has its reason why it is none.
  if (!squared || !axes || *axes == Axes{*rank - 1})
    return std::nullopt;
  auto result = matchNormRoot(mean);
  NormRoot *root = result.getMatch();
  if (!root)
    return std::nullopt;
  OtherNorm norm{.anchor = mean,
                 .result = root->scaling->getResult(0),
                 .axes = axes,
                 .epsilon = root->epsilon};
  Value x = matchCentred(squared, *axes), weight;
  if (Value sum = x ? matchShifted(root->scaling, x, *axes) : Value()) {
    norm.result = sum;
    weight = root->scaled;
  } else if (skipWidenings(root->scaled) == skipWidenings(squared) ||
             (x && matchCentred(root->scaled, *axes) == x)) {
    weight = takeAffine(norm);
  } else {
    return std::nullopt;
  }
  norm.kind = x ? nameMoments(*rank, *axes, getOwnAxes(weight, mean.getData())) : "rms_norm";
  if (norm.kind == "group_norm")
    norm.groups = 1;
  if (x)
    takeGroups(norm, x);
  return norm.kind.empty() ? std::nullopt : std::optional(std::move(norm));
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// Returns whether `value` is a constant with one element for each channel of `x`, on axis 1 or on
/// the last one.
static bool isChannelConstant(Value value, Value x) {
  Axes own = getOwnAxes(value, x);
  std::optional<int64_t> rank = getRank(x);
  return rank && isConstant(skipCasts(value)) && keepsRank(value, x) &&
         (own == Axes{1} || own == Axes{*rank - 1});
}

/// Anchored at the sum of a constant variance and epsilon.
static std::optional<OtherNorm> matchConstantMoments(AddOp sum) {
  for (unsigned i : {0u, 1u}) {
    Value variance = sum->getOperand(i);
    std::optional<double> epsilon = evaluateFactor(sum->getOperand(1 - i), variance);
    if (!epsilon || getConstantScalar(variance) || !isConstant(skipCasts(variance)))
      continue;
    auto result = matchNormRoot(sum);
    NormRoot *root = result.getMatch();
    auto centred = root ? skipCasts(root->scaled).getDefiningOp<SubOp>() : SubOp();
    if (!centred || !isChannelConstant(centred.getB(), centred.getA()) ||
        !isChannelConstant(variance, centred.getA()))
      return std::nullopt;
    OtherNorm norm{.kind = "batch_norm",
                   .anchor = sum,
                   .result = root->scaling->getResult(0),
                   .axes = Axes(),
                   .epsilon = epsilon};
    takeAffine(norm);
    return norm;
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// L2
//===----------------------------------------------------------------------===//

namespace {

/// Follows a sum of squares, or its root, to the op that divides by it.
class LengthWalk {
public:
  LengthWalk(Operation *anchor, Value x, bool rooted) : anchor(anchor), x(x), rooted(rooted) {}
  std::optional<OtherNorm> match();

private:
  bool step(Operation *op, Value cur);
  /// Adds an epsilon to `cur`, or bounds it from below by one.
  bool stepOverBound(Operation *op, Value cur);

  Operation *anchor;
  Value x;
  bool rooted, inverse = false;
  std::optional<double> epsilon;
};

} // namespace

bool LengthWalk::stepOverBound(Operation *op, Value cur) {
  if (epsilon || inverse)
    return false;
  if (isa<AddOp, MaxOp>(op)) {
    Value other = otherOperand(op, cur);
    epsilon = other ? evaluateFactor(other, cur) : std::nullopt;
    return epsilon.has_value();
  }
  Value least = isa<ClipOp>(op) ? getInputOrNull(op, 1) : Value();
  if (!least || getInputOrNull(op, 2) || op->getOperand(0) != cur)
    return false;
  epsilon = getConstantScalar(least);
  return epsilon.has_value();
}

bool LengthWalk::step(Operation *op, Value cur) {
  if (isFloatCast(op))
    return true;
  if (auto expand = dyn_cast<ExpandOp>(op))
    return expand->getOperand(0) == cur && getRank(op->getResult(0)) == getRank(cur);
  if (stepOverBound(op, cur))
    return true;
  if (auto pow = dyn_cast<PowOp>(op)) {
    std::optional<double> exponent = getConstantScalar(pow.getY());
    if (rooted || inverse || pow.getX() != cur || (exponent != 0.5 && exponent != -0.5))
      return false;
    inverse = *exponent < 0;
    return rooted = true;
  }
  if (isa<SqrtOp>(op))
    return !rooted && !inverse && (rooted = true);
  auto div = dyn_cast<DivOp>(op);
  bool inverts =
      isa<ReciprocalOp>(op) || (div && div.getB() == cur && evaluateScalar(div.getA()) == 1.0);
  return inverts && rooted && !inverse && (inverse = true);
}

std::optional<OtherNorm> LengthWalk::match() {
  std::optional<Axes> axes = getKeptAxes(anchor);
  if (!axes)
    return std::nullopt;
  Value cur = anchor->getResult(0);
  for (Operation *user = getOnlyUser(cur); user; user = getOnlyUser(cur)) {
    auto div = dyn_cast<DivOp>(user);
    Value scaled = div && !inverse && div.getB() == cur ? div.getA()
                   : isa<MulOp>(user) && inverse        ? otherOperand(user, cur)
                                                        : Value();
    if (rooted && scaled && skipCasts(scaled) == skipCasts(x))
      return OtherNorm{.kind = "l2_norm",
                       .anchor = anchor,
                       .result = user->getResult(0),
                       .axes = axes,
                       .epsilon = epsilon};
    if (!step(user, cur))
      return std::nullopt;
    cur = user->getResult(0);
  }
  return std::nullopt;
}

static std::optional<OtherNorm> matchLength(Operation *op) {
  if (isa<ReduceL2Op>(op))
    return LengthWalk(op, op->getOperand(0), /*rooted=*/true).match();
  if (isa<ReduceSumSquareOp>(op))
    return LengthWalk(op, op->getOperand(0), /*rooted=*/false).match();
  Ops square;
  Value squared = isa<ReduceSumOp>(op) ? matchSquare(op->getOperand(0), square) : Value();
  return squared ? LengthWalk(op, squared, /*rooted=*/false).match() : std::nullopt;
}

//===----------------------------------------------------------------------===//
// All of them
//===----------------------------------------------------------------------===//

SmallVector<OtherNorm> basin::findOtherNorms(ModuleOp module) {
  QuantizedPairs pairs(module);
  SmallVector<OtherNorm> norms;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<sink::RaisedInterface>(op))
      return WalkResult::skip();
    std::optional<OtherNorm> norm = describeNormOperator(op);
    if (auto mean = dyn_cast<ReduceMeanOp>(op))
      norm = matchMoments(mean);
    else if (auto sum = dyn_cast<AddOp>(op))
      norm = matchConstantMoments(sum);
    else if (!norm)
      norm = matchLength(op);
    if (norm)
      norms.push_back(std::move(*norm));
    return WalkResult::advance();
  });
  pairs.restore();
  return norms;
}
