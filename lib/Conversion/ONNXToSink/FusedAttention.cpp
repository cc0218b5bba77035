//===- FusedAttention.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Raises attention that is already one operator. Each operator has its own rules for aligning
// queries with keys, and for rows that see no key. The operator stays as it is if sink.attention
// cannot express these rules, or if they depend on sizes that are not known.
//
//===----------------------------------------------------------------------===//

#include "FusedOp.h"
#include "HeadPath.h"
#include "JoinedSinks.h"
#include "OperandCopies.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/IR/Parts.h"

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::AttentionParts;
using basin::sink::Layout;
using basin::sink::MaskKind;

namespace {

/// The parts of an attention, taken from an operator. By default, all layouts are bsd.
struct OperatorParts : AttentionParts {
  OperatorParts(Value query, Value key, Value value) {
    this->query = query;
    this->key = key;
    this->value = value;
    queryLayout = keyLayout = resultLayout = Layout::bsd;
  }
  /// Ops before the operator that repeat its key heads, or join sinks to its operands.
  Ops before;
  /// The number of keys of each element of the batch, which becomes part of the mask.
  Value keyCounts;
  /// The logit of a sink that is one number for all heads.
  std::optional<double> sinkNumber;
  /// The number of learned rows that must be turned.
  std::optional<int64_t> turnedRows;
  /// Results besides the first that only the form's operator explains.
  SmallVector<unsigned, 2> innerResults;

  /// Leaves query, key and value to the form.
  void pack() {
    key = key ? key : query;
    value = value ? value : query;
    queryLayout = keyLayout = Layout::packed;
  }
};

/// Raises one operator. There is one member function for each kind.
class FusedAttentionRaiser {
public:
  FusedAttentionRaiser(Operation *op, OpBuilder &b) : op(op), b(b) {}
  RaiseResult raise(AttentionOp attention);
  RaiseResult raise(MSAttentionOp attention);
  RaiseResult raise(MSMultiHeadAttentionOp attention);
  RaiseResult raise(MSDecoderMaskedMultiHeadAttentionOp attention);
  RaiseResult raise(MSGroupQueryAttentionOp attention);

private:
  RaiseResult raise(OperatorParts &parts);

  Operation *op;
  OpBuilder &b;
};

} // namespace

/// Returns the mask with all keys hidden that an element of the batch does not have, and by
/// causality and windows, as the standard's Attention adds it up: the last query stands at the
/// element's last key.
static Value makeCountMask(const OperatorParts &p, NodeBuilder &n) {
  Value zero = n.constant({0}, 0), one = n.constant({1}, 0);
  Value counts = n.reshape(n.cast(p.keyCounts, n.getBuilder().getI64Type()), {-1, 1, 1, 1});
  Value keys = n.dim(p.key, sink::getSequenceAxis(p.keyLayout));
  Value j = n.node<RangeOp>({zero, keys, one});
  Value seen = n.node<LessOp>({j, counts});
  auto sees = [&](Value more) { seen = n.node<AndOp>({seen, more}); };
  bool isCausal = p.causal && !p.causalInMask;
  if (isCausal || p.window) {
    Value queries = n.dim(p.query, sink::getSequenceAxis(p.queryLayout));
    Value i = n.unsqueeze(n.node<RangeOp>({zero, queries, one}), {1});
    i = n.node<AddOp>({i, n.node<SubOp>({counts, queries})});
    if (isCausal)
      sees(n.node<NotOp>({n.node<GreaterOp>({j, i})}));
    if (p.window)
      sees(n.node<LessOp>({n.node<SubOp>({i, j}), n.constant({*p.window}, 0)}));
  }
  if (!p.mask)
    return seen;
  if (p.maskKind == MaskKind::keep)
    return n.node<AndOp>({p.mask, seen});
  Type type = getElementTypeOf(p.mask);
  Value hidden = n.scalar(-std::numeric_limits<double>::infinity(), type);
  return n.node<AddOp>({p.mask, n.node<WhereOp>({seen, n.scalar(0, type), hidden})});
}

/// Makes the operands that no value before the operator holds.
static void makeOperands(OperatorParts &p, Operation *op, OpBuilder &b) {
  Operation *before = op->getPrevNode();
  NodeBuilder n(b, op->getLoc());
  if (p.keyCounts) {
    p.mask = makeCountMask(p, n);
    p.maskKind = p.maskKind.value_or(MaskKind::keep);
    p.causalInMask = p.causal;
    p.windowInMask = p.window.has_value();
  }
  makeSinks(p, p.turnedRows, p.sinkNumber, n);
  markMade(before, op);
}

RaiseResult FusedAttentionRaiser::raise(OperatorParts &p) {
  p.valueLayout = p.keyLayout;
  SmallVector<Value> results{op->getResult(0)};
  if (p.hasPresent)
    for (unsigned i : {1u, 2u})
      results.push_back(op->getResult(i));
  for (unsigned i : p.innerResults)
    if (isGiven(op, i))
      results.push_back(op->getResult(i));
  SmallVector<Value> arguments{p.query};
  for (Value value : {p.key, p.value})
    if (p.queryLayout != Layout::packed)
      arguments.push_back(value);
  auto create = [&](Location loc, TypeRange types) {
    makeOperands(p, op, b);
    return sink::AttentionOp::create(b, loc, types, p);
  };
  return raiseOperator(
      op, b, arguments,
      {p.mask, p.pastKey, p.pastValue, p.sinkLogit, p.sinkKey, p.sinkValue, p.lastKey, p.keyCounts},
      results, create, p.before);
}

//===----------------------------------------------------------------------===//
// Steps that the operators share
//===----------------------------------------------------------------------===//

static std::optional<int64_t> divide(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b && *b != 0 ? std::optional(*a / *b) : std::nullopt;
}

static std::optional<double> nonZero(const std::optional<APFloat> &value) {
  double number = widen(value, 0);
  return number != 0 ? std::optional(number) : std::nullopt;
}

/// Returns the size of the sequence axis of an operand, which has rank 3, or rank 4 with the
/// heads before that axis.
static Dim getSequence(Value value) {
  TensorInfo info = getTensorInfo(value);
  return info.hasRank() && info.rank() >= 3 ? info[info.rank() - 2] : Dim();
}

static bool hasEqualLengths(Value query, Value key) {
  return getSequence(query).provablyEquals(getSequence(key));
}

/// States that the mask hides the future, if it provably does. The mask may hide more.
static void findCausalMask(OperatorParts &p, KeyCount keys) {
  if (p.causal || !p.mask || !isCausalMask(p.mask, *p.maskKind, keys, getSequence(p.query)))
    return;
  p.causal = p.causalInMask = true;
}

/// Takes the keys and values from before their heads were repeated. Both must have been repeated
/// alike, no other op may read the repeated ones, and the op may have no past or present keys.
static void takeRepeats(OperatorParts &p) {
  Ops ops;
  Value key = matchRepeatedHeads(p.key, ops);
  Value value = key ? matchRepeatedHeads(p.value, ops) : Value();
  if (!value || p.pastKey || p.hasPresent || getDim(key, 1) != getDim(value, 1))
    return;
  for (Operation *op : ops)
    if (!op->hasOneUse() || op->getBlock() != ops.front()->getBlock())
      return;
  p.key = key;
  p.value = value;
  p.kvHeads = getDim(key, 1);
  p.before = std::move(ops);
}

/// Takes the sinks that were found, and the mask without them.
static void takeFound(OperatorParts &p, JoinedSinks &found) {
  found.giveTo(p);
  p.sinkNumber = found.sinkNumber;
  p.turnedRows = found.turnedRows;
  p.before = std::move(found.ops);
}

/// Takes sinks that are joined to keys, values and mask. The operator has no past or present keys
/// and hides nothing by positions, which would count the rows of sinks.
static bool takeJoinedSinks(OperatorParts &p) {
  bool isFlat = p.keyLayout == Layout::bsd;
  if (!p.heads || (isFlat && !p.kvHeads) || getRank(p.key) != (isFlat ? 3 : 4) ||
      getRank(p.value) != getRank(p.key))
    return false;
  std::optional<JoinedSinks> found =
      matchJoinedSinks(p.key, p.value, p.mask, p.maskKind.value_or(MaskKind::additive), *p.heads);
  if (!found)
    return false;
  p.key = found->key;
  p.value = found->value;
  if (!isFlat)
    p.kvHeads = getDim(p.key, 1);
  takeFound(p, *found);
  return true;
}

/// Takes sinks that are a past, or the beginning of one. The operator has no present keys and hides
/// nothing of the past by positions.
static bool takeSinkPast(OperatorParts &p) {
  if (!p.heads || getRank(p.pastKey) != 4 || getRank(p.pastValue) != 4)
    return false;
  std::optional<JoinedSinks> found = matchSinkPast(
      p.pastKey, p.pastValue, p.mask, p.maskKind.value_or(MaskKind::additive), *p.heads);
  if (!found)
    return false;
  p.pastKey = found->key;
  p.pastValue = found->value;
  takeFound(p, *found);
  return true;
}

//===----------------------------------------------------------------------===//
// Attention of ONNX itself
//===----------------------------------------------------------------------===//

/// Checks that the mask has a column for each key, unless their numbers are not known, and no
/// more axes than the scores.
static std::optional<Miss> checkStandardMask(const AttentionParts &p) {
  TensorInfo mask = getTensorInfo(p.mask);
  if (!mask.hasRank() || mask.rank() > 4)
    return Miss(MissReason::OperatorMaskRank, describeRank(getRank(p.mask)));
  Dim keys = p.pastKey ? Dim() : getSequence(p.key);
  const Dim &columns = mask.rank() > 0 ? mask[mask.rank() - 1] : keys;
  if (columns.isStatic() && keys.isStatic() && columns.size != keys.size)
    return Miss(MissReason::OperatorMaskColumns, columns.size, keys.size);
  return std::nullopt;
}

RaiseResult FusedAttentionRaiser::raise(AttentionOp a) {
  // Operands of rank 3 have their head counts in attributes. Others are [batch, heads, sequence,
  // dim].
  OperatorParts p(a.getQ(), a.getK(), a.getV());
  p.mask = a.getAttnMask();
  p.pastKey = a.getPastKey();
  p.pastValue = a.getPastValue();
  int64_t left = a.getLeftWindowSize().value_or(-1), right = a.getRightWindowSize().value_or(-1);
  p.keyCounts = a.getNonpadKvSeqlen();
  if (p.keyCounts && p.pastKey)
    return Miss(MissReason::OperatorKeyCounts);
  if (right > 0)
    return Miss(MissReason::OperatorWindow, right);
  if (static_cast<bool>(p.pastKey) != static_cast<bool>(p.pastValue))
    return Miss(MissReason::OperatorHalfPast);
  bool flat = getRank(p.query) == 3;
  if (!flat)
    p.queryLayout = p.keyLayout = p.resultLayout = Layout::bhsd;
  p.heads = flat ? std::optional<int64_t>(a.getQNumHeads()) : getDim(p.query, 1);
  p.kvHeads = flat ? std::optional<int64_t>(a.getKvNumHeads()) : getDim(p.key, 1);
  p.headDim = flat ? divide(getDim(p.query, -1), p.heads) : getDim(p.query, -1);
  p.hasPresent = isGiven(op, 1) || isGiven(op, 2);
  if (p.hasPresent && op->getNumResults() < 3)
    return Miss(MissReason::OperatorHalfPresent);
  if (p.mask)
    p.maskKind = getElementTypeOf(p.mask) && getElementTypeOf(p.mask).isInteger(1)
                     ? MaskKind::keep
                     : MaskKind::additive;
  bool isCausal = a.getIsCausal().value_or(0) != 0 || right == 0;
  bool hasSinks =
      !p.pastKey && !p.hasPresent && !p.keyCounts && !isCausal && left < 0 && takeJoinedSinks(p);
  // Causality leaves the whole past visible. A window would not.
  hasSinks |= p.pastKey && !p.hasPresent && left < 0 && takeSinkPast(p);
  // The operator counts query positions from the end of the past, sink.attention from the last
  // key. Both agree if there are as many new keys as queries.
  bool isSquare = hasEqualLengths(p.query, p.key);
  if ((isCausal || left >= 0) && !isSquare && !p.keyCounts)
    return Miss(MissReason::OperatorNewKeys);
  if (left >= 0)
    p.window = left + 1;
  if (p.mask)
    if (std::optional<Miss> why = checkStandardMask(p))
      return *why;
  // The standard says that a row gives zeros if it sees no key.
  p.zeroHiddenRows = !hasSinks && (p.mask || p.keyCounts);
  p.scale = a.getScale() ? std::optional(widen(a.getScale(), 0)) : std::nullopt;
  p.softcap = nonZero(a.getSoftcap());
  p.causal = isCausal;
  findCausalMask(p,
                 isSquare ? (p.pastKey ? KeyCount::atLeast : KeyCount::asQueries) : KeyCount::any);
  if (!flat && !hasSinks)
    takeRepeats(p);
  return raise(p);
}

//===----------------------------------------------------------------------===//
// Attention of com.microsoft
//===----------------------------------------------------------------------===//

RaiseResult FusedAttentionRaiser::raise(MSAttentionOp a) {
  if (a.getPastSequenceLength() || a.getPastPresentShareBuffer().value_or(0) != 0)
    return Miss(MissReason::OperatorCache);
  if (a.getMaskIndex() && a.getAttentionBias())
    return Miss(MissReason::OperatorMaskAndBias, "mask_index");
  OperatorParts p(a.getQuery(), a.getQuery(), a.getQuery());
  p.mask = a.getAttentionBias();
  p.pack();
  // Keys and values of the past are one tensor, too, and so are the present ones.
  p.pastKey = p.pastValue = a.getPast();
  p.innerResults.push_back(1);
  if (p.mask)
    p.maskKind = MaskKind::additive;
  if (a.getMaskIndex()) {
    p.mask = a.getMaskIndex();
    p.maskKind = MaskKind::lengths;
  }
  p.heads = p.kvHeads = a.getNumHeads();
  if (std::optional<ArrayRef<int64_t>> sizes = a.getQkvHiddenSizes(); sizes && sizes->size() == 3)
    p.headDim = divide((*sizes)[0], p.heads);
  else if (std::optional<int64_t> packed = getDim(a.getWeights(), -1))
    p.headDim = divide(*packed / 3, p.heads);
  p.scale = nonZero(a.getScale());
  p.causal = a.getUnidirectional().value_or(0) != 0;
  findCausalMask(p, a.getPast() ? KeyCount::atLeast : KeyCount::asQueries);
  return raise(p);
}

/// ONNX Runtime runs this operator only with past keys and values in buffers that the present ones
/// share, and with the new ones apart.
RaiseResult FusedAttentionRaiser::raise(MSDecoderMaskedMultiHeadAttentionOp a) {
  if (a.getCacheIndirection())
    return Miss(MissReason::OperatorCache);
  bool isShared = a.getPastPresentShareBuffer().value_or(0) != 0;
  if (!isShared || !a.getPastKey() || !a.getPastValue() || !a.getPastSequenceLength())
    return Miss(MissReason::OperatorNoBuffer);
  if (!a.getKey() || !a.getValue() || getRank(a.getKey()) != 3)
    return Miss(MissReason::OperatorNewKeysApart);
  if (a.getMaskIndex() && a.getAttentionBias())
    return Miss(MissReason::OperatorMaskAndBias, "mask_index");
  OperatorParts p(a.getQuery(), a.getKey(), a.getValue());
  p.mask = a.getAttentionBias();
  // The form says which rows of the buffers are keys and values.
  p.pack();
  p.pastKey = a.getPastKey();
  p.pastValue = a.getPastValue();
  p.innerResults = {1, 2};
  if (p.mask)
    p.maskKind = MaskKind::additive;
  if (a.getMaskIndex()) {
    p.mask = a.getMaskIndex();
    p.maskKind = MaskKind::lengths;
  }
  p.heads = p.kvHeads = a.getNumHeads();
  p.headDim = divide(getDim(p.query, -1), p.heads);
  p.scale = nonZero(a.getScale());
  return raise(p);
}

RaiseResult FusedAttentionRaiser::raise(MSMultiHeadAttentionOp a) {
  if (a.getPastSequenceLength() || a.getCacheIndirection())
    return Miss(MissReason::OperatorCache);
  if (a.getKeyPaddingMask() && a.getAttentionBias())
    return Miss(MissReason::OperatorMaskAndBias, "key_padding_mask");
  OperatorParts p(a.getQuery(), a.getKey(), a.getValue());
  p.mask = a.getAttentionBias();
  p.pastKey = a.getPastKey();
  p.pastValue = a.getPastValue();
  p.causal = a.getUnidirectional().value_or(0) != 0;
  p.hasPresent = isGiven(op, 1) || isGiven(op, 2);
  // One packed tensor, or biases that the operator adds, are left to the form.
  if (!p.key || !p.value || a.getBias())
    p.pack();
  else if (getRank(a.getKey()) == 4)
    p.keyLayout = Layout::bhsd;
  p.heads = p.kvHeads = a.getNumHeads();
  if (p.mask)
    p.maskKind = MaskKind::additive;
  if (a.getKeyPaddingMask()) {
    p.mask = a.getKeyPaddingMask();
    p.maskKind = MaskKind::lengths;
  }
  if (p.keyLayout != Layout::packed && !p.causal && !p.pastKey && !p.hasPresent &&
      p.maskKind != MaskKind::lengths)
    takeJoinedSinks(p);
  // The operator counts queries from the end of the past, and hides later keys from each.
  bool isSquare = !a.getKey() || hasEqualLengths(p.query, p.key);
  if (p.causal && !isSquare)
    return Miss(MissReason::OperatorNewKeys);
  // The operator adds this number to the scores of later keys. If a mask of -inf hides all other
  // keys, the later keys remain visible.
  if (p.causal && p.mask)
    p.maskFill = std::numeric_limits<float>::lowest();
  p.headDim = divide(getDim(p.query, -1), p.heads);
  p.scale = nonZero(a.getScale());
  findCausalMask(p,
                 isSquare ? (p.pastKey ? KeyCount::atLeast : KeyCount::asQueries) : KeyCount::any);
  if (p.hasPresent && op->getNumResults() < 3)
    return Miss(MissReason::OperatorHalfPresent);
  return raise(p);
}

/// Returns whether seqlens_k states that every element of the batch has all of the keys.
static bool hasAllKeys(MSGroupQueryAttentionOp a) {
  auto last = getConstantInts(a.getSeqlensK());
  std::optional<int64_t> keys = a.getKey() ? getDim(a.getKey(), 1) : getDim(a.getQuery(), 1);
  std::optional<int64_t> past = a.getPastKey() ? getDim(a.getPastKey(), 2) : 0;
  return last && keys && past &&
         llvm::all_of(*last, [&](int64_t one) { return one == *keys + *past - 1; });
}

/// Returns the head size, from the query or from the tensor that holds query, key and value.
static std::optional<int64_t> getHeadDim(MSGroupQueryAttentionOp a) {
  int64_t heads = a.getNumHeads().value_or(0), kvHeads = a.getKvNumHeads().value_or(0);
  return divide(getDim(a.getQuery(), -1), a.getKey() ? heads : heads + 2 * kvHeads);
}

RaiseResult FusedAttentionRaiser::raise(MSGroupQueryAttentionOp a) {
  if (a.getSlidingWindowCache().value_or(0) != 0)
    return Miss(MissReason::OperatorLastKeys);
  OperatorParts p(a.getQuery(), a.getKey(), a.getValue());
  p.mask = a.getAttentionBias();
  p.pastKey = a.getPastKey();
  p.pastValue = a.getPastValue();
  p.sinkLogit = a.getHeadSink();
  if (a.getSmoothSoftmax().value_or(0) == 1 && !p.sinkLogit)
    p.sinkNumber = 0;
  if (a.getSeqlensK() && !hasAllKeys(a))
    p.lastKey = a.getSeqlensK();
  // Packed operands, and rotation, normalization or scales of keys and values inside the
  // operator, are left to the form.
  if (!p.key || !p.value || a.getDoRotary().value_or(0) != 0 || a.getQNormWeight() ||
      a.getKScale() || a.getVScale())
    p.pack();
  if (p.mask)
    p.maskKind = MaskKind::additive;
  p.heads = a.getNumHeads();
  p.kvHeads = a.getKvNumHeads();
  p.headDim = getHeadDim(a);
  p.scale = nonZero(a.getScale());
  p.softcap = nonZero(a.getSoftcap());
  if (int64_t window = a.getLocalWindowSize().value_or(-1); window > 0)
    p.window = window;
  p.causal = a.getCausal().value_or(1) != 0;
  p.hasPresent = isGiven(op, 1) || isGiven(op, 2);
  if (p.hasPresent && op->getNumResults() < 3)
    return Miss(MissReason::OperatorHalfPresent);
  return raise(p);
}

RaiseResult basin::onnx::raiseFusedAttention(Operation *op, OpBuilder &b) {
  FusedAttentionRaiser raiser(op, b);
  if (auto a = dyn_cast<AttentionOp>(op))
    return raiser.raise(a);
  if (auto a = dyn_cast<MSAttentionOp>(op))
    return raiser.raise(a);
  if (auto a = dyn_cast<MSMultiHeadAttentionOp>(op))
    return raiser.raise(a);
  if (auto a = dyn_cast<MSDecoderMaskedMultiHeadAttentionOp>(op))
    return raiser.raise(a);
  if (auto a = dyn_cast<MSGroupQueryAttentionOp>(op))
    return raiser.raise(a);
  return Unrelated();
}
