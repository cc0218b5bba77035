//===- OperatorSupport.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OperatorSupport.h"
#include "WrittenSoftmax.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

bool basin::isOperatorAlready(sink::RaisedInterface op, bool isStandard) {
  if (op.getFormRegion().empty())
    return false;
  return llvm::any_of(op.getFormRegion().front(), [&](Operation &inner) {
    if (isa<AttentionOp, RMSNormalizationOp, LayerNormalizationOp, RotaryEmbeddingOp>(inner))
      return true;
    return !isStandard &&
           isa<SimplifiedLayerNormalizationOp, MSAttentionOp, MSMultiHeadAttentionOp,
               MSGroupQueryAttentionOp, MSRotaryEmbeddingOp, MSSimplifiedLayerNormalizationOp,
               MSSkipLayerNormalizationOp, MSSkipSimplifiedLayerNormalizationOp>(inner);
  });
}

WhyNot basin::findUnknownOperand(sink::RaisedInterface op, ArrayRef<StringRef> known) {
  for (auto [name, value] : op.getNamedOperands())
    if (value && !llvm::is_contained(known, name))
      return ("no operator has an operand for its '" + name + "'").str();
  return std::nullopt;
}

void basin::replaceWith(PatternRewriter &rewriter, Operation *op, ArrayRef<Value> results) {
  for (auto [i, value] : llvm::enumerate(results)) {
    StringRef name = sink::getResultName(op, i);
    if (auto result = dyn_cast<OpResult>(value); result && !name.empty())
      setValueName(result, name);
  }
  // Inner values of the form come last. Nodes of the form that they do not need lose their uses.
  SmallVector<Value> all(results);
  if (all.size() < op->getNumResults()) {
    auto inlined = sink::Form(cast<sink::RaisedInterface>(op)).inlineAt(rewriter);
    llvm::append_range(all, llvm::drop_begin(*inlined, all.size()));
  }
  rewriter.replaceOp(op, all);
}

NamedAttribute basin::makeFloatAttr(Builder &b, StringRef name, double value) {
  return b.getNamedAttr(name, b.getF32FloatAttr(static_cast<float>(value)));
}

Value basin::makeAbsent(NodeBuilder &n, Location loc) {
  OpBuilder &b = n.getBuilder();
  return AbsentOp::create(b, loc, b.getNoneType());
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

WhyNot basin::checkNorm(sink::NormInterface norm) {
  if (WhyNot why = findUnknownOperand(
          norm, {"x", "residual", "pre_affine", "weight", "bias", "residual_bias"}))
    return why;
  Type element = findElement(norm.getX());
  if (!element || !(element.isF32() || element.isF16()))
    return "its type is neither f32 nor f16";
  if (findElement(norm.getResult()) != element)
    return "its result has another type";
  std::optional<int64_t> size = findSize(norm.getX(), -1);
  if (!size)
    return "the size of its last axis is unknown";
  for (Value vector :
       {norm.getWeight(), norm.getBias(), norm.getPreAffine(), norm.getResidualBias()}) {
    if (vector && findElement(vector) != element)
      return "one of its vectors has another type";
    if (vector && (findRank(vector) != 1 || findSize(vector, 0) != *size))
      return "one of its vectors is not known to have the size of the last axis";
  }
  if (norm.getResidual() && findElement(norm.getResidual()) != element)
    return "its residual has another type";
  // The deviations of equal elements from their mean are rounding errors, and another order of sums
  // gives others.
  if (isa<sink::LayerNormOp>(norm) && norm.getEpsilon().isZero())
    return "its eps is zero, so that rows of equal elements divide rounding errors by each other";
  return std::nullopt;
}

Value basin::makeNormWeight(sink::NormInterface norm, NodeBuilder &n, SharedValues &shared) {
  if (norm.getWeight())
    return norm.getWeight();
  Type element = findElement(norm.getX());
  auto type = RankedTensorType::get({*findSize(norm.getX(), -1)}, element);
  std::string what;
  llvm::raw_string_ostream(what) << "ones " << type;
  return shared.get(n.getBuilder().getInsertionBlock(), what, Value(), [&]() -> Value {
    APFloat one(cast<FloatType>(element).getFloatSemantics(), 1);
    Attribute ones = DenseElementsAttr::get(type, one);
    return n.node<ConstantOp>({}, n.getBuilder().getNamedAttr("value", ones));
  });
}

Value basin::makeNormInput(sink::NormInterface norm, NodeBuilder &n, Value &sum) {
  sum = norm.getX();
  SmallVector<Value, 3> summands = norm.getSummands();
  for (Value more : llvm::drop_begin(summands))
    sum = n.node<AddOp>({sum, more});
  return norm.getPreAffine() ? n.node<MulOp>({sum, norm.getPreAffine()}) : sum;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// Returns whether a value that a form yields is computed without the attention's products, as are
/// the keys with repeated heads. Then only the nodes up to it are computed besides the operator.
static bool isCheap(Value value, Region &form) {
  SmallVector<Value> pending{value};
  llvm::DenseSet<Operation *> seen;
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val().getDefiningOp();
    if (!op || !form.isAncestor(op->getParentRegion()) || !seen.insert(op).second)
      continue;
    if (isa<MatMulOp, MSFusedMatMulOp, EinsumOp, SoftmaxOp, NodeOp>(op) || op->getNumRegions() > 0)
      return false;
    llvm::append_range(pending, op->getOperands());
  }
  return true;
}

/// Returns why results of the op have no counterpart in an operator.
static WhyNot checkResults(sink::AttentionOp op) {
  unsigned known = op.getHasPresent() ? 3 : 1;
  for (unsigned i = known; i < op->getNumResults(); ++i)
    if (!op->getResult(i).use_empty() &&
        !isCheap(op.getForm().front().getTerminator()->getOperand(i), op.getForm()))
      return "a value between its products is used outside";
  return std::nullopt;
}

/// Returns whether a mask or bias is broadcast to the scores. Dynamic sizes are taken to agree, as
/// recognition takes them; the runtime's operator refuses to run if they do not.
static bool fitsScores(Value summand, const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  int64_t rank = *findRank(summand);
  auto fits = [&](int64_t axis, Value x, sink::Layout layout) {
    return rank < -axis || !findSize(summand, axis) || findSize(summand, axis) == 1 ||
           isSameSize(summand, rank + axis, x, sink::getSequenceAxis(layout));
  };
  // The columns are keys of the past and new ones, whose sum may have no name.
  return fits(-2, p.query, p.queryLayout) && (p.pastKey || fits(-1, p.key, p.keyLayout));
}

/// Returns the number of query heads. It is one if nothing tells batch and heads apart, as in the
/// decomposition: each of their pairs is an element of the batch.
static std::optional<int64_t> findQueryHeads(const sink::AttentionParts &p) {
  auto hasHeads = [](Value summand) { return summand && findRank(summand) == 4; };
  bool isJoined = p.queryLayout == sink::Layout::hsd && !sink::getHeadAxis(p.keyLayout) &&
                  !p.sinkLogit && !p.pastKey && !hasHeads(p.mask) && !hasHeads(p.bias);
  return !p.heads && !p.kvHeads && isJoined ? 1 : p.heads;
}

/// Returns whether two operands' elements of the batch may differ in number, one of them being
/// repeated for the other, as MatMul does. Two dynamic sizes are taken to agree. If batch and heads
/// are one axis in a layout, nothing is known.
static bool mayDifferInBatch(Value a, sink::Layout aLayout, Value b, sink::Layout bLayout) {
  auto findBatch = [](Value value, sink::Layout layout) -> std::optional<int64_t> {
    if (layout == sink::Layout::hsd || layout == sink::Layout::hds)
      return std::nullopt;
    return layout == sink::Layout::sbhd ? 1 : 0;
  };
  std::optional<int64_t> i = findBatch(a, aLayout), j = findBatch(b, bLayout);
  return i && j && !isSameSize(a, *i, b, *j) && (findSize(a, *i) || findSize(b, *j));
}

/// Returns whether a factor of the scores has one element for each head, and no other axis.
static bool isPerHead(Value factor, int64_t heads) {
  TensorInfo info = getTensorInfo(factor);
  if (!info.hasRank() || info.rank() < 3)
    return false;
  for (int64_t i = 1; i <= info.rank(); ++i)
    if (!info[info.rank() - i].is(i == 3 ? heads : 1))
      return false;
  return true;
}

WhyNot AttentionPlan::read(sink::AttentionOp op) {
  if (WhyNot why = findUnknownOperand(op, {"query", "key", "value", "mask", "past_key",
                                           "past_value", "sink_logit", "gate", "last_key",
                                           "sink_key", "sink_value", "bias", "score_factor"}))
    return why;
  parts = sink::AttentionParts(op);
  if (parts.needsForm())
    return "only its own operator knows what its operands or its mask mean";
  if (parts.lastKey)
    return "each element of the batch has its own number of keys";
  if (parts.resultLayout == sink::Layout::packed)
    return "its result is packed";
  if (mayOverflow(op))
    return "its exponentials may overflow where an operator's do not";
  if (WhyNot why = checkResults(op))
    return why;
  std::optional<int64_t> queryHeads = findQueryHeads(parts);
  if (WhyNot why = findHeadSizes(parts.query, parts.queryLayout, queryHeads, "query", query))
    return why;
  std::optional<int64_t> heads = parts.kvHeads ? parts.kvHeads : query.heads;
  if (WhyNot why = findHeadSizes(parts.key, parts.keyLayout, heads, "key", key))
    return why;
  if (WhyNot why = findHeadSizes(parts.value, parts.valueLayout, heads, "value", value))
    return why;
  if (query.dim != key.dim || key.heads != value.heads || query.heads % key.heads != 0)
    return "the numbers or the sizes of its heads do not fit";
  if (mayDifferInBatch(parts.query, parts.queryLayout, parts.key, parts.keyLayout) ||
      mayDifferInBatch(parts.query, parts.queryLayout, parts.value, parts.valueLayout))
    return "its query, key and value are not known to have the same batch";
  element = findElement(parts.query);
  if (!element || !(element.isF32() || element.isF16()))
    return "its type is neither f32 nor f16";
  for (Value other : {parts.key, parts.value, Value(op.getResult()), parts.pastKey, parts.pastValue,
                      parts.gate, parts.sinkLogit, parts.sinkKey, parts.sinkValue})
    if (other && findElement(other) != element)
      return "its operands or its result have different types";
  for (Value past : {parts.pastKey, parts.pastValue})
    if (past && findRank(past) != 4)
      return "the rank of its past is unknown";
  if (parts.scoreFactor && !isPerHead(parts.scoreFactor, query.heads))
    return "its factors are not known to be one for each head";
  if (parts.scoreFactor && !element.isF32())
    return "its factors for each head could overflow the query in f16";
  for (Value summand : {parts.mask, parts.bias}) {
    if (summand && (!findRank(summand) || *findRank(summand) > 4))
      return "the rank of its mask is unknown";
    if (summand && !fitsScores(summand, *this))
      return "its mask is not known to have a row for each query and a column for each key";
  }
  return std::nullopt;
}

/// Returns whether the summand's first axis is that of batch and heads.
static bool isJoined(Value summand, const sink::AttentionParts &p) {
  return summand && p.queryLayout == sink::Layout::hsd && findRank(summand) == 3;
}

std::optional<int64_t> AttentionPlan::findHeads(Value summand) const {
  if (!summand || *findRank(summand) < 3)
    return 1;
  std::optional<int64_t> size = findSize(summand, -3);
  return isJoined(summand, parts) && size != 1 ? query.heads : size;
}

void AttentionPlan::prepare(NodeBuilder &n, SharedValues &shared) {
  for (Value *summand : {&parts.mask, &parts.bias}) {
    if (!isJoined(*summand, parts))
      continue;
    bool isOne = findSize(*summand, 0) == 1;
    std::string what = ("mask of " + Twine(isOne ? 0 : query.heads) + " heads").str();
    *summand = shared.get(n.getBuilder().getInsertionBlock(), what, *summand, [&] {
      if (isOne || query.heads == 1)
        return n.unsqueeze(*summand, {isOne ? 0 : 1});
      Value heads = n.constant({-1, query.heads});
      return n.reshape(*summand, n.concat({heads, n.dims(*summand, 1, 3)}, 0));
    });
  }
  parts.query = separateHeads(parts.query, parts.queryLayout, query, n);
  parts.key = separateHeads(parts.key, parts.keyLayout, key, n);
  parts.value = separateHeads(parts.value, parts.valueLayout, value, n);
}

static bool isPositive(std::optional<double> scale) { return !scale || *scale > 0; }

Value AttentionPlan::scaleQuery(Value x, sink::Layout layout, NodeBuilder &n) const {
  if (!isPositive(parts.scale))
    x = n.node<MulOp>({x, n.scalar(*parts.scale, element)});
  if (!parts.scoreFactor)
    return x;
  Value factors = n.cast(parts.scoreFactor, element);
  if (layout == sink::Layout::bhsd)
    return n.node<MulOp>({x, n.reshape(factors, {1, query.heads, 1, 1})});
  factors = n.expand(n.reshape(factors, {query.heads, 1}), n.constant({query.heads, query.dim}));
  return n.node<MulOp>({x, n.reshape(factors, {query.heads * query.dim})});
}

std::optional<double> AttentionPlan::getScale() const {
  return isPositive(parts.scale) ? parts.scale : 1;
}

/// Returns the result in the layout of the op's result.
static Value viewResult(Value result, sink::Layout from, sink::Layout to, HeadSizes sizes,
                        NodeBuilder &n) {
  if (from == sink::Layout::bsd)
    return viewAs(result, to, sizes, n);
  if (to == sink::Layout::bsd)
    return makeFlat(result, from, sizes, n);
  return to == sink::Layout::bshd ? n.transpose(result, {0, 2, 1, 3})
                                  : joinHeads(result, to, sizes, n);
}

void basin::finishAttention(PatternRewriter &rewriter, NodeBuilder &n, sink::AttentionOp op,
                            const AttentionPlan &plan, Value result, sink::Layout layout,
                            Value presentKey, Value presentValue) {
  sink::Layout wanted = op.getResultLayout();
  bool isGated = bool(op.getGate());
  Value view = viewResult(result, layout, wanted, plan.result(), n);
  if (isGated)
    view = n.node<MulOp>({view, op.getGate()});
  SmallVector<Value> results{view};
  if (op.getHasPresent())
    results.append({presentKey, presentValue});
  replaceWith(rewriter, op, results);
  if (!isGated && layout == sink::Layout::bsd)
    takeUsesBack(view, result, wanted, plan.result(), rewriter);
}
