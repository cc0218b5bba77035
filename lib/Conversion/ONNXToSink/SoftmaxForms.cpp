//===- SoftmaxForms.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A softmax that is written out has one of these forms, with m = max(s) of each row, or m = max(s,
// l) with a logit or number l:
//
//   exp(s) / sum(exp(s))            exp(s - m) / sum(exp(s - m))
//   exp(s) / (n + sum(..))          exp(s - m) / (exp(-m) + sum(..))          logit log(n), or 0
//   exp(s) / (exp(l) + sum(..))     exp(s - m) / (exp(l - m) + sum(..))       a sink of logit l
//
// The quotient may be a product with the reciprocal. Values of one number for each row may lose
// their last axis, get it back, and be repeated along it, as JAX writes it.
//
//===----------------------------------------------------------------------===//

#include "SoftmaxForms.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;

//===----------------------------------------------------------------------===//
// One number for each row
//===----------------------------------------------------------------------===//

namespace {

/// A value with one number for each row of a tensor, before the ops that only change its shape.
struct RowValue {
  Value source;
  /// Whether these ops give the rows a last axis of size 1, which the source lacks.
  bool addsAxis = false;
};

} // namespace

/// Returns whether the Reshape only adds a last axis of size 1.
static bool addsLastAxis(ReshapeOp reshape) {
  TensorInfo from = getTensorInfo(reshape.getData()), to = getTensorInfo(reshape->getResult(0));
  if (!from.hasRank() || !to.hasRank() || to.rank() != from.rank() + 1 || !to[to.rank() - 1].is(1))
    return false;
  for (int64_t i = 0; i < from.rank(); ++i)
    if (!from[i].provablyEquals(to[i]))
      return false;
  return true;
}

/// Goes from `value` over casts, over a last axis that is added, and over the repetition along it.
static RowValue skipRowShape(Value value, Ops &ops) {
  RowValue row{value};
  while (Operation *op = row.source.getDefiningOp()) {
    if (auto expand = dyn_cast<ExpandOp>(op)) {
      if (row.addsAxis || getDim(op->getOperand(0), -1) != 1 ||
          getRank(op->getOperand(0)) != getRank(op->getResult(0)))
        break;
    } else if (auto unsqueeze = dyn_cast<UnsqueezeOp>(op)) {
      std::optional<int64_t> rank = getRank(op->getResult(0));
      std::optional<SmallVector<int64_t>> axes = rank ? getAxes(op, *rank) : std::nullopt;
      if (row.addsAxis || !axes || *axes != SmallVector<int64_t>{*rank - 1})
        break;
      row.addsAxis = true;
    } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      if (row.addsAxis || !addsLastAxis(reshape))
        break;
      row.addsAxis = true;
    } else if (!isFloatCast(op)) {
      break;
    }
    ops.insert(op);
    row.source = op->getOperand(0);
  }
  return row;
}

/// Returns whether `value` is the reduction of `data` over its last axis.
template <typename OpTy> static bool isRowReduction(RowValue row, Value data, Ops &ops) {
  auto reduce = row.source.getDefiningOp<OpTy>();
  std::optional<int64_t> rank = getRank(data);
  if (!reduce || !rank || skipCasts(reduce.getData()) != skipCasts(data))
    return false;
  std::optional<SmallVector<int64_t>> axes = getAxes(reduce, *rank);
  if (!axes || *axes != SmallVector<int64_t>{*rank - 1} ||
      (reduce.getKeepdims().value_or(1) == 0) != row.addsAxis)
    return false;
  skipCasts(reduce.getData(), &ops);
  ops.insert(reduce);
  return true;
}

Value basin::onnx::matchRowMax(SubOp sub, Ops &ops) {
  Ops found;
  if (!isRowReduction<ReduceMaxOp>(skipRowShape(sub.getB(), found), sub.getA(), found))
    return {};
  ops.insert(found.begin(), found.end());
  ops.insert(sub);
  return sub.getA();
}

//===----------------------------------------------------------------------===//
// Logits of a sink
//===----------------------------------------------------------------------===//

bool basin::onnx::isPerHead(Value value, int64_t heads) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape() || type.getNumElements() != heads)
    return false;
  return heads == 1 || (type.getRank() >= 3 && type.getDimSize(type.getRank() - 3) == heads);
}

Value basin::onnx::findLogits(Value value, int64_t heads, Ops &ops) {
  Value cur = value;
  while (!isPerHead(cur, heads)) {
    Operation *op = cur.getDefiningOp();
    if (!op || !(isFloatCast(op) || isa<ExpandOp>(op)))
      return {};
    ops.insert(op);
    cur = op->getOperand(0);
  }
  // Steps that keep all elements in order are passed, since the shape does not matter. A step
  // whose result others read too stays outside.
  while (Operation *op = cur.getDefiningOp()) {
    if (!(isFloatCast(op) || isa<ReshapeOp, UnsqueezeOp, SqueezeOp, FlattenOp>(op)) ||
        !cur.hasOneUse())
      break;
    auto type = dyn_cast<RankedTensorType>(op->getOperand(0).getType());
    if (!type || !type.hasStaticShape() || type.getNumElements() != heads)
      break;
    ops.insert(op);
    cur = op->getOperand(0);
  }
  return cur;
}

//===----------------------------------------------------------------------===//
// Exponentials over their sum
//===----------------------------------------------------------------------===//

namespace {

/// Reads a softmax that is written out.
class WrittenSoftmax {
public:
  MatchResult<SoftmaxForm> match(Operation *quotient);

private:
  bool findQuotient(Operation *op);
  void takeMaximum();
  bool isMaximum(Value value);
  std::optional<Miss> takeSum(Value sum);
  std::optional<Miss> takeSink(Value sink);

  SoftmaxForm found;
  Value numerator, denominator, exponentials;
  /// The value that is subtracted from the scores of each row, or null.
  Value maximum;
};

} // namespace

/// Finds e / d, e * (1 / d) or e * reciprocal(d), with e of exponentials.
bool WrittenSoftmax::findQuotient(Operation *op) {
  auto isExponential = [](Value value) { return skipCasts(value).getDefiningOp<ExpOp>(); };
  if (auto div = dyn_cast<DivOp>(op)) {
    numerator = div.getA();
    denominator = div.getB();
    return isExponential(numerator) && !isExponential(denominator);
  }
  for (unsigned i : {0u, 1u}) {
    Value other = skipCasts(op->getOperand(1 - i));
    if (!isExponential(op->getOperand(i)))
      continue;
    numerator = op->getOperand(i);
    if (auto reciprocal = other.getDefiningOp<ReciprocalOp>())
      denominator = reciprocal->getOperand(0);
    else if (auto div = other.getDefiningOp<DivOp>(); div && evaluateScalar(div.getA()) == 1.0)
      denominator = div.getB();
    else
      continue;
    skipCasts(op->getOperand(1 - i), &found.ops);
    found.ops.insert(other.getDefiningOp());
    return true;
  }
  return false;
}

/// Returns whether `value` is what is subtracted from the scores. Exporters may repeat the ops that
/// shape it, but not the maximum itself.
bool WrittenSoftmax::isMaximum(Value value) {
  Ops ops, ignored;
  RowValue have = skipRowShape(value, ops), want = skipRowShape(maximum, ignored);
  if (value != maximum && (have.source != want.source || have.addsAxis != want.addsAxis))
    return false;
  found.ops.insert(ops.begin(), ops.end());
  return true;
}

/// Takes the maximum of each row that is subtracted from the scores, perhaps with that of a logit
/// or a number. Another subtraction is a matter of the scores.
void WrittenSoftmax::takeMaximum() {
  auto sub = found.scores.getDefiningOp<SubOp>();
  if (!sub)
    return;
  Ops ops;
  RowValue row = skipRowShape(sub.getB(), ops);
  auto isLargest = [&](RowValue one) { return isRowReduction<ReduceMaxOp>(one, sub.getA(), ops); };
  // A logit must not make rows of other axes.
  auto isLogit = [&](Value value) {
    std::optional<int64_t> heads = getRank(sub.getA()) == 4 ? getDim(sub.getA(), 1) : std::nullopt;
    return evaluateFactor(value, sub.getA()) || (heads && findLogits(value, *heads, ops));
  };
  auto max = row.source.getDefiningOp<MaxOp>();
  bool isLarger =
      max && !row.addsAxis && max->getNumOperands() == 2 &&
      llvm::any_of(ArrayRef<unsigned>{0, 1}, [&](unsigned i) {
        return isLargest(skipRowShape(max->getOperand(i), ops)) && isLogit(max->getOperand(1 - i));
      });
  if (!isLarger && !isLargest(row))
    return;
  if (isLarger)
    ops.insert(max);
  ops.insert(sub);
  found.ops.insert(ops.begin(), ops.end());
  maximum = sub.getB();
  found.scores = sub.getA();
}

/// Takes the sink from the summand beside the sum of exponentials.
std::optional<Miss> WrittenSoftmax::takeSink(Value sink) {
  found.hasSink = true;
  if (std::optional<double> number = evaluateFactor(sink, found.scores)) {
    if (!(*number > 0) || !std::isfinite(*number) || maximum)
      return Miss(MissReason::AttentionSinkSummand);
    found.sinkNumber = std::log(*number);
    return std::nullopt;
  }
  Ops ops;
  auto exp = skipRowShape(sink, ops).source.getDefiningOp<ExpOp>();
  if (!exp)
    return Miss(MissReason::AttentionSinkSummand);
  ops.insert(exp);
  Value logit = skipCasts(exp->getOperand(0), &ops);
  if (maximum) {
    Operation *op = logit.getDefiningOp();
    auto sub = dyn_cast_or_null<SubOp>(op);
    bool isNegative = isa_and_nonnull<NegOp>(op) || (sub && evaluateScalar(sub.getA()) == 0.0);
    if ((!sub && !isNegative) || !isMaximum(op->getOperand(sub ? 1 : 0)))
      return Miss(MissReason::AttentionSinkSummand);
    ops.insert(op);
    found.ops.insert(ops.begin(), ops.end());
    if (isNegative) {
      found.sinkNumber = 0;
      return std::nullopt;
    }
    logit = sub.getA();
  }
  std::optional<int64_t> heads =
      getRank(found.scores) == 4 ? getDim(found.scores, 1) : std::nullopt;
  found.sinkLogit = heads ? findLogits(logit, *heads, ops) : Value();
  if (!found.sinkLogit)
    return Miss(MissReason::AttentionSinkSummand);
  found.sinkHeads = heads;
  found.ops.insert(ops.begin(), ops.end());
  return std::nullopt;
}

/// Takes the sum of the exponentials, perhaps with a sink.
std::optional<Miss> WrittenSoftmax::takeSum(Value sum) {
  Ops ops;
  RowValue row = skipRowShape(sum, ops);
  if (isRowReduction<ReduceSumOp>(row, exponentials, ops)) {
    found.ops.insert(ops.begin(), ops.end());
    return std::nullopt;
  }
  auto add = row.source.getDefiningOp<AddOp>();
  if (!add || found.hasSink || row.addsAxis)
    return Miss(MissReason::AttentionWrittenOut);
  for (unsigned i : {0u, 1u}) {
    Ops more;
    if (!isRowReduction<ReduceSumOp>(skipRowShape(add->getOperand(i), more), exponentials, more))
      continue;
    found.ops.insert(ops.begin(), ops.end());
    found.ops.insert(more.begin(), more.end());
    found.ops.insert(add);
    return takeSink(add->getOperand(1 - i));
  }
  return Miss(MissReason::AttentionWrittenOut);
}

static bool haveOneShape(Value a, Value b) {
  TensorInfo x = getTensorInfo(a), y = getTensorInfo(b);
  return x.hasRank() && y.hasRank() && x.rank() == y.rank() &&
         llvm::all_of_zip(*x.dims, *y.dims, [](const Dim &one, const Dim &other) {
           return one.provablyEquals(other);
         });
}

/// Returns whether `value` is a sum of `exponentials`, perhaps with more added to it, or with a
/// bound.
static bool isSumOf(Value value, Value exponentials, unsigned depth) {
  Operation *op = skipCasts(value).getDefiningOp();
  if (!op || depth == 0)
    return false;
  if (auto sum = dyn_cast<ReduceSumOp>(op))
    return sum->getNumOperands() > 0 && skipCasts(sum->getOperand(0)) == skipCasts(exponentials);
  return isa<AddOp, MaxOp, ClipOp, ExpandOp, UnsqueezeOp, ReshapeOp>(op) &&
         llvm::any_of(op->getOperands(),
                      [&](Value operand) { return isSumOf(operand, exponentials, depth - 1); });
}

MatchResult<SoftmaxForm> WrittenSoftmax::match(Operation *quotient) {
  if (!findQuotient(quotient))
    return Unrelated();
  exponentials = skipCasts(numerator, &found.ops);
  if (!isSumOf(denominator, exponentials, /*depth=*/6))
    return Unrelated();
  auto exp = exponentials.getDefiningOp<ExpOp>();
  found.scores = skipCasts(exp->getOperand(0), &found.ops);
  found.probabilities = quotient->getResult(0);
  found.anchor = quotient;
  found.ops.insert(exp);
  found.ops.insert(quotient);
  takeMaximum();
  if (std::optional<Miss> why = takeSum(denominator))
    return *why;
  // No number of a row may repeat the probabilities along another axis.
  if (!haveOneShape(found.probabilities, exponentials))
    return Miss(MissReason::AttentionWrittenOut);
  return std::move(found);
}

MatchResult<SoftmaxForm> basin::onnx::matchSoftmax(Operation *anchor) {
  if (isa<DivOp, MulOp>(anchor))
    return WrittenSoftmax().match(anchor);
  if (!isa<SoftmaxOp>(anchor))
    return Unrelated();
  SoftmaxForm form;
  form.scores = anchor->getOperand(0);
  form.probabilities = anchor->getResult(0);
  form.anchor = anchor;
  form.ops.insert(anchor);
  return form;
}
