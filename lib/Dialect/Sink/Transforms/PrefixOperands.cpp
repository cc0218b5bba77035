//===- PrefixOperands.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The new keys and values stand in front of the op's operands, so that a form of the exporter's
// own nodes need not change: it repeats, scales and multiplies more keys than before. Sizes that it
// takes from outside for a Reshape or Expand of the keys become those of the whole sequence.
//
// A form that hides later keys itself counts them from the wrong end (`is_causal` of ONNX Runtime's
// Attention does), and one that reshapes the scores may need both sizes. Such a form is dropped,
// and the op's meaning, in which queries are the last of the keys, remains.
//
//===----------------------------------------------------------------------===//

#include "PrefixOperands.h"

#include "PrefixAttentions.h"
#include "SinkParameters.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

static void replaceInForm(RaisedInterface op, Value old, Value with) {
  op.getFormRegion().walk([&](Operation *inner) { inner->replaceUsesOfWith(old, with); });
}

void basin::sink::replaceOperand(OpOperand &use, Value with) {
  Value old = use.get();
  use.set(with);
  auto raised = dyn_cast<RaisedInterface>(use.getOwner());
  if (!raised || raised.getFormRegion().empty())
    return;
  if (use.getOperandNumber() < raised.getFormRegion().getNumArguments())
    raised.getFormRegion().getArgument(use.getOperandNumber()).setType(with.getType());
  else
    replaceInForm(raised, old, with);
}

//===----------------------------------------------------------------------===//
// Keys and values
//===----------------------------------------------------------------------===//

/// Returns the axis of the batch, which counts heads as well in some layouts.
static unsigned getBatchAxis(Layout layout) { return layout == Layout::sbhd ? 1 : 0; }

static bool joinsHeads(Layout layout) { return layout == Layout::hsd || layout == Layout::hds; }

/// Returns the prefix's keys or values in front of `present`.
FailureOr<Value> PrefixInserter::makeRows(sink::AttentionOp op, Value present, Layout layout,
                                          const std::string &name) {
  auto found = states.find(name);
  if (found == states.end())
    return op.emitError("option 'states': the file has no tensor '") << name << "'";
  const StoredTensor &state = found->second;
  RankedTensorType type = state.type;
  TensorInfo info = getTensorInfo(present);
  unsigned axis = getSequenceAxis(layout), batch = getBatchAxis(layout);
  bool fits = info.hasRank() && type.getRank() == info.rank() &&
              type.getElementType() == info.element && type.getDimSize(axis) == size;
  for (int64_t i = 0; fits && i < type.getRank(); ++i) {
    bool isFree = i == axis || (i == batch && joinsHeads(layout));
    int64_t wanted = i == batch ? 1 : info[i].size;
    fits = isFree || type.getDimSize(i) == wanted;
  }
  if (!fits)
    return op.emitError("option 'states': tensor '")
           << name << "' " << type << " does not fit " << size << " rows of '"
           << getStreamValueName(present) << "' " << present.getType()
           << ", with one batch element and static heads";
  OpBuilder b(op->getContext());
  b.setInsertionPointToStart(&op->getParentOfType<GraphOp>().getBody().front());
  int64_t heads = type.getDimSize(0);
  if (joinsHeads(layout)) {
    // [heads, rows, d] becomes [1, heads, rows, d], because the batch is the major factor.
    SmallVector<int64_t> shape(type.getShape());
    shape.insert(shape.begin(), 1);
    type = RankedTensorType::get(shape, type.getElementType());
  }
  std::string unique = names.make(name);
  Value front = ParameterOp::create(b, op.getLoc(), type, unique,
                                    makeElements(type, *state.bytes, state.bytes, unique));
  b.setInsertionPoint(op);
  NodeBuilder n(b, op.getLoc());
  Value count = n.dims(present, batch, batch + 1);
  if (joinsHeads(layout))
    count = n.node<DivOp>({count, n.constant({heads})});
  SmallVector<Value> sizes(type.getRank(), n.constant({1}));
  sizes[batch] = count;
  if (joinsHeads(layout) || !info[batch].is(1))
    front = n.expand(front, n.concat(sizes, 0));
  if (joinsHeads(layout))
    front = n.reshape(front, {-1, type.getDimSize(2), type.getDimSize(3)});
  return n.concat({front, present}, axis);
}

//===----------------------------------------------------------------------===//
// Masks and biases
//===----------------------------------------------------------------------===//

/// Returns a summand or factor of the scores for fewer queries and as many keys as before.
FailureOr<Value> PrefixInserter::makeSummand(sink::AttentionOp op, Value summand) {
  std::string what = "attention '" + getStreamValueName(op.getResult()).str() + "': '" +
                     getStreamValueName(summand).str() + "'";
  TensorInfo info = getTensorInfo(summand), query = getTensorInfo(op.getQuery());
  if (!info.hasRank())
    return op.emitError(what) << " has no known rank";
  bool isOfToken = info.rank() >= 2 && !info[info.rank() - 2].is(1);
  if (rows.get(summand).kind == TokenRow::Same) {
    bool isOfKey = info.rank() >= 1 && !info[info.rank() - 1].is(1);
    if (!isOfToken && !isOfKey)
      return summand;
    return op.emitError(what) << " has sizes that are not proven to be 1 or those of the tokens: "
                              << toString(*info.dims);
  }
  if (rows.get(summand).kind == TokenRow::Other)
    return rows.refuse(summand, what);
  Dim tokens = query[getSequenceAxis(op.getQueryLayout())];
  if (!isOfToken)
    return whole.get(summand, what);
  if (info[info.rank() - 2].provablyEquals(tokens))
    return whole.getRows(summand, info.rank() - 2, what);
  if (info[info.rank() - 2].isStatic())
    return op.emitError(what) << " is not proven to have a row for each query: "
                              << toString(*info.dims);
  // It has a row for each query, or one for all of them: the last rows are right for both.
  FailureOr<Value> made = whole.get(summand, what);
  if (failed(made))
    return failure();
  OpBuilder b(op);
  NodeBuilder n(b, op.getLoc());
  unsigned axis = getSequenceAxis(op.getQueryLayout());
  Value begin = n.node<NegOp>({n.dims(op.getQuery(), axis, axis + 1)});
  return n.slice(*made, info.rank() - 2, begin, n.constant({std::numeric_limits<int64_t>::max()}));
}

LogicalResult PrefixInserter::updateSummands(sink::AttentionOp op) {
  SmallVector<OpOperand *> uses;
  for (MutableOperandRange range :
       {op.getMaskMutable(), op.getBiasMutable(), op.getScoreFactorMutable()})
    for (OpOperand &use : range)
      uses.push_back(&use);
  for (OpOperand *use : uses) {
    FailureOr<Value> made = makeSummand(op, use->get());
    if (failed(made))
      return failure();
    if (*made != use->get())
      replaceOperand(*use, *made);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

std::optional<SmallVector<unsigned>> basin::sink::findSizesOf(Value from, Value value) {
  TensorInfo have = getTensorInfo(from), want = getTensorInfo(value);
  if (!have.hasRank() || !want.hasRank() || want.rank() == 0)
    return std::nullopt;
  SmallVector<unsigned> axes;
  for (const Dim &dim : *want.dims) {
    auto *at = llvm::find_if(*have.dims, [&](const Dim &one) { return one.provablyEquals(dim); });
    if (!dim.isStatic() && at == have.dims->end())
      return std::nullopt;
    axes.push_back(at - have.dims->begin());
  }
  return axes;
}

namespace {

/// What a value of a form is computed from.
enum class Side { Outside, Query, Keys, Scores };

} // namespace

/// Makes the form compute with more keys. Returns false if that is not proven to be right.
bool PrefixInserter::adaptForm(sink::AttentionOp op) {
  Block &form = op.getForm().front();
  DenseMap<Value, Side> sides;
  // The first operands are the form's arguments, in order, and any other operand is captured.
  unsigned number = 0;
  for (OpOperand &operand : op->getOpOperands()) {
    Value inner = number < form.getNumArguments() ? Value(form.getArgument(number)) : operand.get();
    Side side = number == 0 ? Side::Query : number <= 2 ? Side::Keys : Side::Scores;
    if (auto [at, isNew] = sides.try_emplace(inner, side); !isNew && at->second != side)
      return false;
    ++number;
  }
  std::string what = "attention '" + getStreamValueName(op.getResult()).str() + "'";
  for (Operation &inner : form.without_terminator()) {
    if (inner.getNumRegions() != 0 || !isa<NodeInterface>(&inner))
      return false;
    bool hasQuery = false, hasKeys = false, hasScores = false;
    for (Value operand : inner.getOperands()) {
      Side side = sides.lookup(operand);
      hasQuery |= side == Side::Query;
      hasKeys |= side == Side::Keys;
      hasScores |= side == Side::Scores;
    }
    bool isProduct = isa<MatMulOp, EinsumOp, GemmOp, MSFusedMatMulOp>(inner);
    if (hasKeys && (hasQuery || hasScores) && !isProduct)
      return false;
    Side result = hasScores || (hasKeys && hasQuery) ? Side::Scores
                  : hasKeys                          ? Side::Keys
                  : hasQuery                         ? Side::Query
                                                     : Side::Outside;
    for (OpOperand &operand : inner.getOpOperands()) {
      Value value = operand.get();
      if (sides.contains(value) || rows.get(value).kind == TokenRow::Same)
        continue;
      if (value.getParentBlock() == &form)
        return false;
      // Sizes of the query are those of fewer tokens, and sizes of the keys are those of the whole
      // sequence. What else depends on the number of tokens is no operand of the op.
      bool isSize = isa_and_nonnull<IntegerType>(getTensorInfo(value).element);
      if (isSize && result == Side::Query)
        continue;
      if (!isSize || result != Side::Keys)
        return false;
      FailureOr<Value> made = whole.get(value, what);
      if (failed(made))
        return false;
      operand.set(*made);
    }
    for (Value value : inner.getResults())
      sides[value] = result;
  }
  inferTypesAgain(form);
  return true;
}

/// Inner values of the form whose sizes are read outside may have more rows than before. Makes the
/// readers read sizes of the query, which are proven to be equal.
static void fixSizesOfInnerValues(sink::AttentionOp op) {
  for (Value inner : op.getMore())
    for (Operation *user : llvm::make_early_inc_range(inner.getUsers())) {
      std::optional<SmallVector<unsigned>> axes = findSizesOf(op.getQuery(), inner);
      TensorInfo info = getTensorInfo(inner);
      OpBuilder b(user);
      NodeBuilder n(b, user->getLoc());
      SmallVector<Value> sizes;
      for (auto [i, axis] : llvm::enumerate(*axes))
        sizes.push_back(info[i].isStatic() ? n.constant({info[i].size})
                                           : n.dims(op.getQuery(), axis, axis + 1));
      user->getResult(0).replaceAllUsesWith(n.concat(sizes, 0));
      user->erase();
    }
}

LogicalResult PrefixInserter::insert(sink::AttentionOp op) {
  Value query = op.getQuery(), key = op.getKey(), value = op.getValue();
  FailureOr<Value> keys = makeRows(op, key, op.getKeyLayout(), getPrefixKeyName(op));
  if (failed(keys))
    return failure();
  FailureOr<Value> values = makeRows(op, value, op.getValueLayout(), getPrefixValueName(op));
  if (failed(values) || failed(updateSummands(op)))
    return failure();
  // Of equal operands a form may read one in place of the other.
  bool keepsForm = !op.getForm().empty() && key != value && key != query && value != query &&
                   !op.appliesCausal() && !op.appliesWindow();
  op.getForm().walk([&](Operation *inner) {
    for (Value result : inner->getResults())
      changedNames.insert(getValueName(result));
  });
  fixSizesOfInnerValues(op);
  replaceOperand(op.getKeyMutable(), *keys);
  replaceOperand(op.getValueMutable(), *values);
  if (op.getForm().empty() || (keepsForm && adaptForm(op)))
    return success();
  if (WhyNot why = checkDropsForm(op))
    return op.emitError("attention '")
           << getStreamValueName(op.getResult())
           << "' cannot take the prefix: its nodes hide later "
           << "keys or may compute something else with more keys, and " << *why;
  // Values of the whole sequence may serve other attentions, too.
  dropForm(op, /*keepsUnused=*/true);
  ++numDropped;
  return success();
}
