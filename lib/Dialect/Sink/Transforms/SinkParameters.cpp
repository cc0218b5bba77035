//===- SinkParameters.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A form that computes no sink would lose one that a rewrite gives to its op. So the sink is
// written into the form, or the form is dropped:
// - A logit becomes a column behind the masked scores, which is cut off behind the Softmax. Every
//   other node stays, casts among them. The scores' axes are those of recognition: [batch, heads,
//   queries, keys] where the query's heads are apart. What stands between the product and the
//   Softmax must be a scale, a cap, a mask or a cast.
// - GroupQueryAttention takes a logit as an operand, also with its operands packed.
// - What is left means its decomposition, which test_forms.py compares with the form.
//
//===----------------------------------------------------------------------===//

#include "SinkParameters.h"

#include "NormRewrites.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Form.h"
#include "basin/Dialect/Sink/IR/Parts.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

using sink::Layout;

//===----------------------------------------------------------------------===//
// Attentions
//===----------------------------------------------------------------------===//

static FailureOr<SmallVector<sink::AttentionOp>> chooseAttentionsWithoutSink(ModuleOp module,
                                                                             StringRef attentions) {
  FailureOr<llvm::GlobPattern> pattern = parsePattern(module, "attentions", attentions, "all");
  if (failed(pattern))
    return failure();
  SmallVector<sink::AttentionOp> chosen;
  module.walk([&](sink::AttentionOp op) {
    if (!op.getSinkLogit() && !op.getSinkKey() &&
        pattern->match(getStreamValueName(op.getResult())))
      chosen.push_back(op);
  });
  if (chosen.empty() && attentions != "all")
    return module.emitError("option 'attentions': no attention without a sink has a name like '")
           << attentions << "'";
  if (chosen.empty())
    module.emitWarning("there is no attention without a sink: no sink was inserted");
  return chosen;
}

/// Returns the static size of an axis.
static std::optional<int64_t> findStatic(Value value, int64_t axis) {
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank() || axis >= info.rank() || axis < -info.rank())
    return std::nullopt;
  const Dim &dim = info[axis < 0 ? axis + info.rank() : axis];
  return dim.isStatic() ? std::optional(dim.size) : std::nullopt;
}

/// Returns the number of heads, as stated or as the size of their axis.
static std::optional<int64_t> findHeadCount(std::optional<int64_t> stated, Value value,
                                            Layout layout) {
  std::optional<unsigned> axis = getHeadAxis(layout);
  if (stated || !axis)
    return stated;
  return findStatic(value, *axis);
}

/// Returns the size of one of `heads` heads.
static std::optional<int64_t> findHeadSize(Value value, Layout layout, int64_t heads) {
  switch (layout) {
  case Layout::bhsd:
  case Layout::bshd:
  case Layout::sbhd:
  case Layout::hsd:
    return findStatic(value, -1);
  case Layout::bhds:
  case Layout::hds:
    return findStatic(value, -2);
  case Layout::bsd: {
    std::optional<int64_t> width = findStatic(value, 2);
    return width && *width % heads == 0 ? std::optional(*width / heads) : std::nullopt;
  }
  case Layout::packed:
    return std::nullopt;
  }
  llvm_unreachable("a layout of no kind");
}

/// Returns what is known of the attention. Fails with a diagnostic if no sink can be inserted.
static FailureOr<SinkPlace> findSinkPlace(sink::AttentionOp op) {
  std::string what = ("attention '" + getStreamValueName(op.getResult()) + "'").str();
  auto refuse = [&](const Twine &why) -> FailureOr<SinkPlace> {
    return op.emitError(what) << ": " << why;
  };
  if (failed(checkHasParameters(op, what)))
    return failure();
  if (op->getParentOfType<RaisedInterface>())
    return refuse("it stands among the nodes of another op");
  OpBuilder b(op);
  constexpr int64_t kFirst = 13;
  if (int64_t opset = NodeBuilder(b, op.getLoc()).getOpset(); opset < kFirst)
    return refuse("expected opset " + Twine(kFirst) + " or later to insert a sink, but got " +
                  Twine(opset));
  AttentionParts parts(op);
  std::optional<int64_t> heads = findHeadCount(parts.heads, parts.query, parts.queryLayout),
                         kvHeads = findHeadCount(parts.kvHeads, parts.key, parts.keyLayout);
  if (!heads || *heads < 1)
    return refuse("expected a static number of heads to insert a sink");
  SinkPlace place{op, *heads, kvHeads.value_or(*heads), {}, {}, {}};
  if (place.kvHeads < 1 || place.heads % place.kvHeads != 0)
    return refuse("expected a number of query heads that is a multiple of that of key heads, but "
                  "got " +
                  Twine(place.heads) + " and " + Twine(place.kvHeads));
  Type element = getTensorInfo(op.getQuery()).element;
  if (!element || !isScalable(element))
    return refuse("expected f16, bf16, f32 or f64 to insert a sink");
  place.element = cast<FloatType>(element);
  place.keyDim = findHeadSize(parts.key, parts.keyLayout, place.kvHeads);
  place.valueDim = findHeadSize(parts.value, parts.valueLayout, place.kvHeads);
  return place;
}

FailureOr<SmallVector<SinkPlace>>
basin::sink::findSinkPlaces(ModuleOp module, StringRef attentions,
                            llvm::function_ref<WhyNot(const SinkPlace &)> check,
                            llvm::function_ref<bool(sink::AttentionOp)> isMeant) {
  FailureOr<SmallVector<sink::AttentionOp>> chosen =
      chooseAttentionsWithoutSink(module, attentions);
  if (failed(chosen))
    return failure();
  SmallVector<SinkPlace> places;
  for (sink::AttentionOp op : *chosen) {
    if (isMeant && !isMeant(op))
      continue;
    FailureOr<SinkPlace> place = findSinkPlace(op);
    if (failed(place))
      return failure();
    if (WhyNot why = check(*place))
      return op.emitError("attention '") << getStreamValueName(op.getResult()) << "': " << *why;
    places.push_back(*place);
  }
  return places;
}

Value basin::sink::makeSinkParameter(const SinkPlace &place, StringRef part,
                                     ArrayRef<int64_t> shape, ArrayRef<double> values,
                                     ParameterNames &names) {
  sink::AttentionOp op = place.op;
  auto type = RankedTensorType::get(shape, place.element);
  SmallVector<APFloat> elements;
  for (double value : values) {
    APFloat element(value);
    bool losesInfo;
    element.convert(place.element.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
    elements.push_back(element);
  }
  OpBuilder b(op->getContext());
  b.setInsertionPointToStart(&op->getParentOfType<GraphOp>().getBody().front());
  std::string name = names.make((getStreamValueName(op.getResult()) + "." + part).str());
  return ParameterOp::create(b, op.getLoc(), type, name, DenseElementsAttr::get(type, elements));
}

//===----------------------------------------------------------------------===//
// Without the form
//===----------------------------------------------------------------------===//

/// Returns the ops of the form that compute `value` from its operands, in reverse order, or nothing
/// if `value` may depend on the scores, which a sink changes.
static std::optional<SmallVector<Operation *>> findBeforeScores(sink::AttentionOp op, Value value) {
  llvm::SetVector<Operation *> found;
  SmallVector<Value> open{value};
  while (!open.empty()) {
    Operation *def = open.pop_back_val().getDefiningOp();
    if (!def || !op.getFormRegion().isAncestor(def->getParentRegion()) || !found.insert(def))
      continue;
    // Moving and repeating elements makes no scores.
    if (!isa<ReshapeOp, TransposeOp, ExpandOp, UnsqueezeOp, SqueezeOp, SliceOp, ConcatOp, GatherOp,
             ShapeOp, ConstantOp, ConstantOfShapeOp, CastOp, IdentityOp, SplitOp, WhereOp, EqualOp>(
            def))
      return std::nullopt;
    llvm::append_range(open, def->getOperands());
  }
  SmallVector<Operation *> ops;
  for (Operation &inner : llvm::reverse(op.getFormRegion().front()))
    if (found.contains(&inner))
      ops.push_back(&inner);
  return ops;
}

/// Returns the yielded values that are inner values of the form.
static ValueRange getInnerValues(sink::AttentionOp op) {
  ValueRange all = op.getFormRegion().front().getTerminator()->getOperands();
  return all.drop_front(op.getHasPresent() ? 3 : 1);
}

WhyNot basin::sink::checkDropsForm(sink::AttentionOp op) {
  Form form(op);
  if (!form)
    return std::nullopt;
  AttentionParts parts(op);
  if (parts.needsForm())
    return "only its operator says what its operands or its mask mean";
  if (form.rounds())
    return "its nodes round to quantized types, which only they do";
  ValueRange inner = getInnerValues(op);
  for (auto [value, result] : llvm::zip_equal(inner, op->getResults().take_back(inner.size())))
    if (!result.use_empty() && !findBeforeScores(op, value))
      return ("'" + getValueName(value) + "', a value inside of it, is used elsewhere").str();
  for (auto [what, value, layout] : {std::tuple("query", parts.query, parts.queryLayout),
                                     std::tuple("key", parts.key, parts.keyLayout),
                                     std::tuple("value", parts.value, parts.valueLayout)}) {
    TensorInfo info = getTensorInfo(value);
    if (!info.hasRank() || info.rank() != *getRankOf(layout))
      return ("the rank of its " + Twine(what) + " is not that of the layout " +
              stringifyLayout(layout))
          .str();
  }
  if (parts.lastKey && parts.mask && parts.pastKey &&
      (!getTensorInfo(parts.mask).hasRank() || getTensorInfo(parts.mask).rank() != 4))
    return "its mask is not known to have rank 4";
  return std::nullopt;
}

/// Erases the ops of `values` that nothing uses, and what only they used. Initializers and sink ops
/// stay.
static void eraseUnused(SmallVector<Value> values) {
  while (!values.empty()) {
    Operation *op = values.pop_back_val().getDefiningOp();
    if (!op || isa<InitializerOp, RaisedInterface, ParameterOp>(op) || !isOpTriviallyDead(op))
      continue;
    SmallVector<Value> operands(op->getOperands());
    // Each op is visited once more after its last user is gone.
    llvm::erase_if(values, [&](Value value) { return value.getDefiningOp() == op; });
    op->erase();
    values.append(operands);
  }
}

/// Computes the inner values of the form before the op. Returns the op without them as results.
static sink::AttentionOp takeOutInnerValues(sink::AttentionOp op) {
  ValueRange inner = getInnerValues(op);
  if (inner.empty())
    return op;
  OpBuilder b(op);
  unsigned numKept = op.getNumResults() - inner.size();
  IRMapping map;
  map.map(op.getFormRegion().getArguments(),
          op->getOperands().take_front(op.getFormRegion().getNumArguments()));
  for (auto [value, result] : llvm::zip_equal(inner, op->getResults().drop_front(numKept))) {
    if (result.use_empty())
      continue;
    SmallVector<Operation *> defs = *findBeforeScores(op, value);
    for (Operation *def : llvm::reverse(defs))
      if (!map.contains(def))
        b.clone(*def, map);
    result.replaceAllUsesWith(map.lookupOrDefault(value));
  }
  TypeRange types = TypeRange(op->getResultTypes()).take_front(numKept);
  auto narrower = sink::AttentionOp::create(b, op.getLoc(), types, AttentionParts(op));
  narrower->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  for (unsigned i = 0; i < numKept; ++i)
    setValueName(narrower->getResult(i), getResultName(op, i).str());
  narrower.getFormRegion().takeBody(op.getFormRegion());
  narrower.getFormRegion().front().getTerminator()->eraseOperands(numKept, inner.size());
  for (auto [from, to] : llvm::zip(op->getResults(), narrower->getResults()))
    from.replaceAllUsesWith(to);
  op.erase();
  return narrower;
}

sink::AttentionOp basin::sink::dropForm(sink::AttentionOp op, bool keepsUnused) {
  if (op.getFormRegion().empty())
    return op;
  op = takeOutInnerValues(op);
  Region &form = op.getFormRegion();
  for (unsigned i = 0; i < op.getNumResults(); ++i)
    if (std::string name = getResultName(op, i).str(); !name.empty())
      setValueName(op->getResult(i), name);
  llvm::SetVector<Value> outer;
  form.walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (!form.isAncestor(operand.getParentRegion()))
        outer.insert(operand);
  });
  form.dropAllReferences();
  form.getBlocks().clear();
  if (!keepsUnused)
    eraseUnused(outer.takeVector());
  return op;
}

//===----------------------------------------------------------------------===//
// A logit in the form
//===----------------------------------------------------------------------===//

/// Returns the form's only op of the kind, or null if there are none or several.
template <typename OpTy> static OpTy findOnly(sink::AttentionOp op) {
  OpTy found;
  for (Block &block : op.getFormRegion())
    for (OpTy one : block.getOps<OpTy>()) {
      if (found)
        return {};
      found = one;
    }
  return found;
}

/// Returns the GroupQueryAttention that can take a head_sink, or null.
static MSGroupQueryAttentionOp findSinkOperator(const SinkPlace &place) {
  auto inner = findOnly<MSGroupQueryAttentionOp>(place.op);
  return inner && !inner.getHeadSink() && inner.getSmoothSoftmax().value_or(0) != 1
             ? inner
             : MSGroupQueryAttentionOp();
}

static bool isProduct(Operation *op) { return isa<MatMulOp, EinsumOp, MSFusedMatMulOp>(op); }

/// Returns whether a product of the form is among what computes `value`.
static bool dependsOnProduct(Value value, Region &form) {
  llvm::SetVector<Value> open;
  open.insert(value);
  for (size_t i = 0; i < open.size(); ++i) {
    Operation *def = open[i].getDefiningOp();
    if (!def || !form.isAncestor(def->getParentRegion()))
      continue;
    if (isProduct(def))
      return true;
    open.insert(def->operand_begin(), def->operand_end());
  }
  return false;
}

/// Returns whether `scores` are a product that is only scaled, capped, masked, cast and quantized.
/// What subtracts the largest score of each row would move the scores, but not a column behind
/// them.
static bool areMaskedScores(Value scores, Region &form) {
  while (Operation *def = scores.getDefiningOp()) {
    if (!form.isAncestor(def->getParentRegion()))
      return false;
    if (isProduct(def))
      return true;
    if (!isa<AddOp, SubOp, MulOp, DivOp, WhereOp, MaxOp, TanhOp, CastOp, IdentityOp,
             QuantizeLinearOp, DequantizeLinearOp>(def))
      return false;
    SmallVector<Value> next;
    for (Value operand : def->getOperands())
      if (dependsOnProduct(operand, form))
        next.push_back(operand);
    if (next.size() != 1)
      return false;
    scores = next.front();
  }
  return false;
}

/// Returns the form's only Softmax, if its axes are proven, or null.
static SoftmaxOp findSinkSoftmax(SinkPlace place) {
  auto softmax = findOnly<SoftmaxOp>(place.op);
  // With batch and heads in one axis, a column for each head would need the size of the batch.
  if (!softmax || !getHeadAxis(place.op.getQueryLayout()))
    return {};
  TensorInfo scores = getTensorInfo(softmax->getOperand(0));
  int64_t axis = softmax.getAxis().value_or(-1);
  bool isLast = scores.hasRank() && scores.rank() == 4 && (axis == -1 || axis == 3);
  bool isKnown = isLast && scores.element && isScalable(scores.element) &&
                 scores[1].is(place.heads) &&
                 areMaskedScores(softmax->getOperand(0), place.op.getFormRegion());
  return isKnown ? softmax : SoftmaxOp();
}

bool basin::sink::canWriteLogitIntoForm(const SinkPlace &place) {
  return findSinkOperator(place) || findSinkSoftmax(place);
}

static void writeHeadSink(MSGroupQueryAttentionOp inner, Value logit) {
  constexpr unsigned kHeadSink = 11;
  SmallVector<Value> operands(inner->getOperands());
  if (operands.size() <= kHeadSink) {
    OpBuilder b(inner);
    Value absent = AbsentOp::create(b, inner.getLoc(), b.getNoneType());
    operands.resize(kHeadSink + 1, absent);
  }
  operands[kHeadSink] = logit;
  inner->setOperands(operands);
}

static void writeColumn(SoftmaxOp softmax, Value logit, int64_t heads) {
  OpBuilder b(softmax);
  NodeBuilder n(b, softmax.getLoc());
  Value scores = softmax->getOperand(0);
  Value column = n.reshape(n.cast(logit, getTensorInfo(scores).element), {1, heads, 1, 1});
  Value sizes = n.concat({n.dims(scores, 0, 3), n.constant({1})}, 0);
  Value all = n.softmax(n.concat({scores, n.expand(column, sizes)}, 3), -1);
  Value keys = n.slice(all, 3, 0, -1);
  keys.setType(softmax.getResult().getType());
  if (StringRef name = getValueName(softmax.getResult()); !name.empty())
    setValueName(cast<OpResult>(keys), name);
  softmax.getResult().replaceAllUsesWith(keys);
  softmax.erase();
}

bool basin::sink::writeLogitIntoForm(const SinkPlace &place, Value logit) {
  if (MSGroupQueryAttentionOp inner = findSinkOperator(place)) {
    writeHeadSink(inner, logit);
    return true;
  }
  SoftmaxOp softmax = findSinkSoftmax(place);
  if (!softmax)
    return false;
  writeColumn(softmax, logit, place.heads);
  return true;
}

bool basin::sink::setSinkLogit(SinkPlace &place, ArrayRef<double> logits, ParameterNames &names) {
  Value logit = makeSinkParameter(place, "sink_logit", {place.heads}, logits, names);
  bool drops = !writeLogitIntoForm(place, logit);
  if (drops)
    place.op = dropForm(place.op);
  place.op.getSinkLogitMutable().assign(logit);
  return drops;
}
