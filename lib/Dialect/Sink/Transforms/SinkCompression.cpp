//===- SinkCompression.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SinkCompression.h"

#include "NormRewrites.h"
#include "PrefixOperands.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Parts.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

using sink::Layout;

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

static Attribute getElements(Value value) {
  if (auto parameter = value.getDefiningOp<ParameterOp>())
    return parameter.getValue();
  return getConstantAttr(value);
}

/// Returns the layout of a constant before a Reshape joins the batch and the heads.
static Layout getPartedLayout(Layout layout) {
  return layout == Layout::hsd ? Layout::bhsd : layout == Layout::hds ? Layout::bhds : layout;
}

/// Returns the axis of the batch.
static unsigned getBatchAxis(Layout layout) { return layout == Layout::sbhd ? 1 : 0; }

/// Finds the rows of `heads` key heads of `dim` elements at the front of `operand`, and their
/// number.
static std::optional<ConstantRows> findRows(Value operand, Layout layout, int64_t heads,
                                            int64_t dim, int64_t &count) {
  ConstantRows rows;
  rows.concat = operand.getDefiningOp<ConcatOp>();
  TensorInfo info = getTensorInfo(operand);
  if (layout == Layout::packed || !rows.concat || rows.concat->getNumOperands() != 2 ||
      !info.hasRank() || info.rank() != *getRankOf(layout))
    return std::nullopt;
  int64_t axis = rows.concat.getAxis().value_or(0);
  if ((axis < 0 ? axis + info.rank() : axis) != getSequenceAxis(layout))
    return std::nullopt;
  Value value = rows.concat->getOperand(0);
  Layout parted = getPartedLayout(layout);
  TensorInfo repeated = getTensorInfo(value);
  while (Operation *def = value.getDefiningOp()) {
    bool joins = isa<ReshapeOp>(def) && parted != layout && rows.repeats.empty();
    if (!joins && !isa<ExpandOp, IdentityOp>(def))
      break;
    rows.repeats.insert(rows.repeats.begin(), def);
    value = def->getOperand(0);
  }
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape() || type.getRank() != *getRankOf(parted) ||
      !getElements(value) || !isa<FloatType>(type.getElementType()))
    return std::nullopt;
  unsigned rowAxis = getSequenceAxis(parted), dimAxis = getHeadDimAxis(parted);
  std::optional<unsigned> headAxis = getHeadAxis(parted);
  rows.headAxis = headAxis.value_or(dimAxis);
  rows.dimAxis = dimAxis;
  bool fits = headAxis ? type.getDimSize(*headAxis) == heads && type.getDimSize(dimAxis) == dim
                       : type.getDimSize(dimAxis) == heads * dim;
  if (!fits || type.getDimSize(getBatchAxis(parted)) != 1)
    return std::nullopt;
  count = type.getDimSize(rowAxis);
  // An Expand could repeat rows, too.
  if (count < 1 || !repeated.hasRank() || !repeated[getSequenceAxis(layout)].is(count))
    return std::nullopt;
  rows.constant = value;
  rows.type = type;
  return rows;
}

/// Returns the rows of an attention, if a logit can take their place.
static std::optional<SinkRowsPlace> examine(const SinkPlace &place) {
  sink::AttentionOp op = place.op;
  // Rows of zeros must have the score 0.
  bool movesZero = op.getBias() || (op.getFloor() && op.getFloor()->convertToDouble() > 0);
  if (movesZero || !place.keyDim || !place.valueDim || op.getPastKey() || op.getHasPresent() ||
      (!canWriteLogitIntoForm(place) && checkDropsForm(op)))
    return std::nullopt;
  SinkRowsPlace at{place, {}, {}, 0};
  int64_t values = 0;
  std::optional<ConstantRows> key = findRows(op.getKey(), op.getKeyLayout(), place.kvHeads,
                                             *place.keyDim, at.count),
                              value = findRows(op.getValue(), op.getValueLayout(), place.kvHeads,
                                               *place.valueDim, values);
  if (!key || !value || at.count != values)
    return std::nullopt;
  at.key = *key;
  at.value = *value;
  return at;
}

FailureOr<std::vector<SinkRowsPlace>> basin::sink::findSinkRows(ModuleOp module,
                                                                StringRef attentions) {
  auto places = findSinkPlaces(
      module, attentions, [](const SinkPlace &) -> WhyNot { return std::nullopt; },
      [](sink::AttentionOp op) {
        return op.getKey().getDefiningOp<ConcatOp>() && op.getValue().getDefiningOp<ConcatOp>();
      });
  if (failed(places))
    return failure();
  std::vector<SinkRowsPlace> out;
  for (const SinkPlace &place : *places)
    if (std::optional<SinkRowsPlace> at = examine(place))
      out.push_back(*at);
  return out;
}

//===----------------------------------------------------------------------===//
// Constants of their own
//===----------------------------------------------------------------------===//

/// Sets the elements of the heads to zero for which `isZero` is true.
static void zeroHeads(std::vector<char> &bytes, const ConstantRows &rows, int64_t heads,
                      llvm::function_ref<bool(int64_t)> isZero) {
  int64_t width = getElementBits(rows.type.getElementType()) / 8, inner = 1;
  for (int64_t size : rows.type.getShape().drop_front(rows.headAxis + 1))
    inner *= size;
  int64_t perHead = inner * rows.type.getDimSize(rows.headAxis) / heads;
  for (int64_t i = 0, e = bytes.size() / (width * perHead); i < e; ++i)
    if (isZero(i % heads))
      std::memset(bytes.data() + i * perHead * width, 0, perHead * width);
}

/// Erases the nodes that repeat the rows, and the constant, as far as nothing uses them.
static void eraseUnused(const ConstantRows &rows) {
  SmallVector<Operation *> ops{rows.constant.getDefiningOp()};
  ops.append(rows.repeats);
  ops.push_back(rows.concat);
  for (Operation *op : llvm::reverse(ops))
    if (op->use_empty())
      op->erase();
}

/// Puts the operand's rows into a parameter of their own. Returns it.
static FailureOr<Value> ownOperand(OpOperand &use, ConstantRows &rows, int64_t heads,
                                   const std::string &wanted,
                                   llvm::function_ref<bool(int64_t)> isZero,
                                   ParameterNames &names) {
  Operation *op = use.getOwner();
  FailureOr<TensorBytes> old = getTensorBytes(getElements(rows.constant), op);
  if (failed(old))
    return op->emitError("the elements of '") << getValueName(rows.constant) << "' cannot be read";
  auto bytes = std::make_shared<std::vector<char>>(old->bytes.begin(), old->bytes.end());
  zeroHeads(*bytes, rows, heads, isZero);
  ConstantRows shared = rows;
  OpBuilder b(op->getContext());
  b.setInsertionPointToStart(&op->getParentOfType<GraphOp>().getBody().front());
  std::string name = names.make(wanted);
  Value own = ParameterOp::create(b, op->getLoc(), rows.type, name,
                                  makeElements(rows.type, *bytes, bytes, name));
  b.setInsertionPoint(rows.concat);
  Value value = own;
  for (Operation *&repeat : rows.repeats) {
    repeat = b.clone(*repeat);
    repeat->setOperand(0, value);
    repeat->removeAttr("onnx.outs");
    value = repeat->getResult(0);
  }
  auto concat = cast<ConcatOp>(b.clone(*rows.concat));
  concat->setOperand(0, value);
  concat->removeAttr("onnx.outs");
  rows.concat = concat;
  rows.constant = own;
  replaceOperand(use, concat->getResult(0));
  eraseUnused(shared);
  return own;
}

FailureOr<std::pair<Value, Value>> basin::sink::ownRows(SinkRowsPlace &at,
                                                        llvm::function_ref<bool(int64_t)> isZero,
                                                        ParameterNames &names) {
  sink::AttentionOp op = at.place.op;
  std::string stem = getStreamValueName(op.getResult()).str();
  FailureOr<Value> key =
      ownOperand(op.getKeyMutable(), at.key, at.place.kvHeads, stem + ".prefix_key", isZero, names);
  if (failed(key))
    return failure();
  FailureOr<Value> value = ownOperand(op.getValueMutable(), at.value, at.place.kvHeads,
                                      stem + ".prefix_value", isZero, names);
  if (failed(value))
    return failure();
  return std::pair(*key, *value);
}

//===----------------------------------------------------------------------===//
// Removal
//===----------------------------------------------------------------------===//

/// What is added to or multiplied with the scores.
static SmallVector<OpOperand *> getSummands(sink::AttentionOp op) {
  SmallVector<OpOperand *> out;
  for (MutableOperandRange range :
       {op.getMaskMutable(), op.getBiasMutable(), op.getScoreFactorMutable()})
    for (OpOperand &use : range)
      out.push_back(&use);
  return out;
}

/// Returns whether a summand of known rank has a column for each key, and not one for all.
static bool hasColumns(Value summand) {
  TensorInfo info = getTensorInfo(summand);
  return info.rank() > 0 && !info[info.rank() - 1].is(1);
}

bool basin::sink::canRemoveRows(const SinkRowsPlace &at) {
  sink::AttentionOp op = at.place.op;
  OpBuilder b(op);
  // The first version of Slice whose bounds are operands.
  constexpr int64_t kLeastOpset = 10;
  if (op.getLastKey() || checkDropsForm(op) || NodeBuilder(b, op.getLoc()).getOpset() < kLeastOpset)
    return false;
  TensorInfo key = getTensorInfo(op.getKey());
  Dim keys = key[getSequenceAxis(op.getKeyLayout())];
  return llvm::all_of(getSummands(op), [&](OpOperand *use) {
    TensorInfo info = getTensorInfo(use->get());
    if (!info.hasRank())
      return false;
    return !hasColumns(use->get()) || info[info.rank() - 1].provablyEquals(keys);
  });
}

void basin::sink::removeRows(SinkRowsPlace &at) {
  at.place.op = dropForm(at.place.op);
  sink::AttentionOp op = at.place.op;
  OpBuilder b(op);
  NodeBuilder n(b, op.getLoc());
  for (OpOperand *use : getSummands(op))
    if (hasColumns(use->get()))
      use->set(n.slice(use->get(), getTensorInfo(use->get()).rank() - 1, at.count,
                       std::numeric_limits<int64_t>::max()));
  op.getKeyMutable().set(at.key.concat->getOperand(1));
  op.getValueMutable().set(at.value.concat->getOperand(1));
  // Key and value may be one Concat.
  bool isOne = at.key.concat == at.value.concat;
  eraseUnused(at.key);
  if (!isOne)
    eraseUnused(at.value);
  at.key.concat = at.value.concat = {};
}

Value basin::sink::setFirstRow(SinkRowsPlace &at, ParameterNames &names) {
  at.place.op = dropForm(at.place.op);
  sink::AttentionOp op = at.place.op;
  OpBuilder b(op->getContext());
  b.setInsertionPointToStart(&op->getParentOfType<GraphOp>().getBody().front());
  auto type = RankedTensorType::get({1}, b.getI64Type());
  Value first = ParameterOp::create(
      b, op.getLoc(), type, names.make((getStreamValueName(op.getResult()) + ".first_row").str()),
      DenseElementsAttr::get(type, static_cast<int64_t>(0)));
  b.setInsertionPoint(op);
  NodeBuilder n(b, op.getLoc());
  auto cut = [&](OpOperand &use, int64_t axis) {
    use.set(n.slice(use.get(), axis, first, n.constant({std::numeric_limits<int64_t>::max()})));
  };
  for (OpOperand *use : getSummands(op))
    if (hasColumns(use->get()))
      cut(*use, getTensorInfo(use->get()).rank() - 1);
  cut(op.getKeyMutable(), getSequenceAxis(op.getKeyLayout()));
  cut(op.getValueMutable(), getSequenceAxis(op.getValueLayout()));
  return first;
}

//===----------------------------------------------------------------------===//
// Logits and values
//===----------------------------------------------------------------------===//

/// Returns the shape with which [heads, dim] is broadcast to a tensor of the layout, or nothing if
/// heads and batch share an axis.
static std::optional<SmallVector<int64_t>> getHeadShape(Layout layout, int64_t heads, int64_t dim) {
  if (layout == Layout::bsd)
    return SmallVector<int64_t>{heads * dim};
  std::optional<unsigned> headAxis = getHeadAxis(layout);
  if (!headAxis)
    return std::nullopt;
  SmallVector<int64_t> shape(*getRankOf(layout), 1);
  shape[*headAxis] = heads;
  shape[getHeadDimAxis(layout)] = dim;
  return shape;
}

/// Returns whether `value` is known to have the type `element` and the axes of the layout.
static bool hasHeadsOf(Value value, Layout layout, int64_t heads, int64_t dim, Type element) {
  TensorInfo info = getTensorInfo(value);
  std::optional<SmallVector<int64_t>> shape = getHeadShape(layout, heads, dim);
  if (!shape || !info.hasRank() || info.rank() != *getRankOf(layout) || info.element != element)
    return false;
  // A flat shape has the last axis alone.
  int64_t offset = info.rank() - static_cast<int64_t>(shape->size());
  for (auto [axis, size] : llvm::enumerate(*shape))
    if (size != 1 && !info[axis + offset].is(size))
      return false;
  return true;
}

bool basin::sink::canTakeValue(const SinkRowsPlace &at) {
  const SinkPlace &place = at.place;
  sink::AttentionOp op = place.op;
  // A gate would multiply the value, too.
  return !op.getGate() &&
         hasHeadsOf(at.value.concat->getOperand(1), op.getValueLayout(), place.kvHeads,
                    *place.valueDim, place.element) &&
         hasHeadsOf(op.getResult(), op.getResultLayout(), place.heads, *place.valueDim,
                    place.element);
}

/// Returns the sink's value as it is added to the result: each key head's one for its queries.
static Value repeatForQueries(NodeBuilder &n, Value value, const SinkPlace &place) {
  SmallVector<int64_t> shape =
      *getHeadShape(sink::AttentionOp(place.op).getResultLayout(), place.heads, *place.valueDim);
  int64_t groups = place.kvHeads, dim = *place.valueDim;
  if (groups != place.heads)
    value = n.expand(n.reshape(value, {groups, 1, dim}),
                     n.constant({groups, place.heads / groups, dim}));
  return cast<RankedTensorType>(value.getType()).getShape() == ArrayRef(shape)
             ? value
             : n.reshape(value, shape);
}

Value basin::sink::setSinkValue(SinkRowsPlace &at, ArrayRef<double> values, ParameterNames &names) {
  sink::AttentionOp op = at.place.op;
  Value sink = makeSinkParameter(
      at.place, "sink_value",
      *getHeadShape(op.getValueLayout(), at.place.kvHeads, *at.place.valueDim), values, names);
  OpBuilder b(op);
  NodeBuilder n(b, op.getLoc());
  if (ConcatOp concat = at.value.concat) {
    b.setInsertionPoint(concat);
    concat->setOperand(1, n.node<SubOp>({concat->getOperand(1), sink}));
  } else {
    op.getValueMutable().set(n.node<SubOp>({op.getValue(), sink}));
  }
  b.setInsertionPointAfter(op);
  Value added = repeatForQueries(n, sink, at.place);
  Value sum = n.node<AddOp>({op.getResult(), added});
  sum.setType(op.getResult().getType());
  setValueName(cast<OpResult>(sum),
               names.make((getStreamValueName(op.getResult()) + ".sum").str()));
  op.getResult().replaceAllUsesExcept(sum, sum.getDefiningOp());
  return sink;
}

double basin::sink::getLowestLogit(const SinkPlace &place) {
  return APFloat::getLargest(place.element.getFloatSemantics(), /*Negative=*/true)
      .convertToDouble();
}
