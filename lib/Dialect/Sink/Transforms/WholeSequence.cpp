//===- WholeSequence.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Positions, masks and tables are computed from the inputs and their sizes alone. So their ops are
// cloned as they are, with ids that have the prefix in front, a mask that has ones there, and
// positions that count from zero. Any kind of position is right in this way, because nothing is
// assumed about what the ops mean.
//
//===----------------------------------------------------------------------===//

#include "WholeSequence.h"

#include "TapStatistics.h"

#include "basin/Dialect/ONNX/Utils/Metadata.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

SmallVector<Value> PrefixInputs::list() const {
  SmallVector<Value> out{ids};
  for (Value input : {mask, positions, types})
    if (input)
      out.push_back(input);
  return out;
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

static bool isIntegers(Value value) {
  TensorInfo info = getTensorInfo(value);
  return info.hasRank() && (info.rank() == 1 || info.rank() == 2) &&
         isa_and_nonnull<IntegerType>(info.element) && !info.element.isInteger(1);
}

/// Returns the input with ids, or null.
static Value findIds(GraphOp graph, StringRef name) {
  Value given = findInput(graph, name.empty() ? "input_ids" : name);
  if (given || !name.empty())
    return given && isIntegers(given) ? given : Value();
  Value found;
  int64_t most = 0;
  for (BlockArgument argument : graph.getBody().front().getArguments())
    if (isIntegers(argument) && countTableRows(argument) > most) {
      found = argument;
      most = countTableRows(argument);
    }
  return found;
}

/// Returns the input of that name if it has one element for each token.
static FailureOr<Value> findTokenInput(GraphOp graph, StringRef option, StringRef name,
                                       StringRef usual, Value ids) {
  Value input = findInput(graph, name.empty() ? usual : name);
  TensorInfo info = getTensorInfo(input), tokens = getTensorInfo(ids);
  bool fits = input && info.hasRank() && info.element && info.rank() >= 1 &&
              info.rank() <= tokens.rank() && info[info.rank() - 1].isSymbol();
  if (fits || (!input && name.empty()))
    return input;
  return graph.emitError("option '")
         << option << "': expected a graph input '" << (name.empty() ? usual : name)
         << "' with one element for each token, of a number that is not fixed"
         << (input ? ", but got " + (info.hasRank() ? toString(*info.dims) : "no rank")
                   : std::string(", but there is none"));
}

FailureOr<PrefixInputs> basin::sink::findPrefixInputs(GraphOp graph, StringRef ids, StringRef mask,
                                                      StringRef positions,
                                                      ArrayRef<int64_t> prefix) {
  // Expand and Shape of all sizes need it.
  constexpr int64_t kMinOpset = 10;
  if (int64_t opset = getOpsetVersion(graph.getBody().front().getTerminator()); opset < kMinOpset)
    return graph.emitError("expected opset ")
           << kMinOpset << " or later for tokens in front of sequences, but got " << opset;
  PrefixInputs out;
  out.prefix.assign(prefix.begin(), prefix.end());
  out.ids = findIds(graph, ids);
  if (!out.ids)
    return graph.emitError("option 'tokens': expected a graph input ")
           << (ids.empty() ? "with token ids" : "'" + ids.str() + "' with token ids")
           << ", integers of one or two axes, but there is none";
  TensorInfo info = getTensorInfo(out.ids);
  if (!info[info.rank() - 1].isSymbol())
    return graph.emitError("expected an input '")
           << getValueName(out.ids) << "' with a number of tokens that is not fixed, but got "
           << toString(*info.dims);
  int64_t rows = countTableRows(out.ids);
  for (int64_t id : prefix)
    if (id < 0 || (rows > 0 && id >= rows))
      return graph.emitError("option 'ids': the id ")
             << id << " is outside of the vocabulary, which has " << rows << " ids";
  FailureOr<Value> foundMask = findTokenInput(graph, "mask", mask, "attention_mask", out.ids);
  FailureOr<Value> foundPositions =
      findTokenInput(graph, "positions", positions, "position_ids", out.ids);
  if (failed(foundMask) || failed(foundPositions))
    return failure();
  out.mask = *foundMask;
  out.positions = *foundPositions;
  if (out.positions && getMetadata(graph->getParentOfType<ModuleOp>(), kPrefixKey))
    return graph.emitError("the model takes sequences without a prefix already, so its input '")
           << getValueName(out.positions) << "' may not count from zero";
  return out;
}

LogicalResult basin::sink::findTokenTypes(GraphOp graph, StringRef name, PrefixInputs &inputs) {
  FailureOr<Value> found = findTokenInput(graph, "types", name, "token_type_ids", inputs.ids);
  if (failed(found))
    return failure();
  inputs.types = *found;
  return success();
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

static void inferTypes(Operation *op) {
  auto inferable = dyn_cast<InferTypesInterface>(op);
  SmallVector<Type> types(op->getNumResults());
  ScopedDiagnosticHandler silence(op->getContext(), [](Diagnostic &) { return success(); });
  if (!inferable || failed(inferable.inferResultTypes(types)))
    types.assign(op->getNumResults(), Type());
  for (auto [result, type] : llvm::zip(op->getResults(), types)) {
    Type unranked = makeTensorType(getTensorInfo(result).element, std::nullopt);
    result.setType(type ? type : unranked ? unranked : UnknownType::get(op->getContext()));
  }
}

void basin::sink::inferTypesAgain(Block &block) {
  for (Operation &op : block)
    if (isa<NodeInterface>(op))
      inferTypes(&op);
}

/// Gives the value dims that replace those of the same axes. Returns whether its type changed.
static bool setDims(Value value, ArrayRef<std::pair<unsigned, Dim>> dims) {
  TensorInfo info = getTensorInfo(value);
  for (auto [axis, dim] : dims)
    if (info.hasRank() && axis < info.dims->size() && !info[axis].isStatic() && dim.isSymbol())
      (*info.dims)[axis] = dim;
  Type made = info.hasRank() ? makeTensorType(info) : Type();
  if (!made || made == value.getType())
    return false;
  value.setType(made);
  return true;
}

/// Gives the result the query's number of tokens and, if that axis counts nothing else, of batch
/// elements.
static bool refineResult(sink::AttentionOp op) {
  Layout from = op.getQueryLayout(), to = op.getResultLayout();
  TensorInfo query = getTensorInfo(op.getQuery());
  if (from == Layout::packed || to == Layout::packed || !query.hasRank())
    return false;
  return setDims(op.getResult(), {{getSequenceAxis(to), query[getSequenceAxis(from)]}});
}

/// Infers the op's types if it reads a value in `changed`, and adds the results whose type changes.
static void inferAfter(Operation *op, DenseSet<Value> &changed) {
  auto isChanged = [&](Value value) { return changed.contains(value); };
  auto inferable = dyn_cast<InferTypesInterface>(op);
  if (!inferable || llvm::none_of(op->getOperands(), isChanged))
    return;
  if (auto raised = dyn_cast<RaisedInterface>(op))
    if (Region &form = raised.getFormRegion(); !form.empty()) {
      for (BlockArgument argument : form.getArguments()) {
        argument.setType(op->getOperand(argument.getArgNumber()).getType());
        changed.insert(argument);
      }
      for (Operation &inner : form.front())
        inferAfter(&inner, changed);
    }
  SmallVector<Type> types(op->getNumResults());
  ScopedDiagnosticHandler silence(op->getContext(), [](Diagnostic &) { return success(); });
  if (failed(inferable.inferResultTypes(types)))
    return;
  for (auto [result, type] : llvm::zip(op->getResults(), types)) {
    Type merged = type ? mergeTypes(type, result.getType()) : Type();
    if (!merged || merged == result.getType())
      continue;
    result.setType(merged);
    changed.insert(result);
  }
}

void basin::sink::refineTypes(GraphOp graph, const PrefixInputs &inputs) {
  DenseSet<Value> changed;
  TensorInfo ids = getTensorInfo(inputs.ids);
  for (Value input : {inputs.mask, inputs.positions, inputs.types}) {
    if (!input)
      continue;
    int64_t shift = ids.rank() - getTensorInfo(input).rank();
    SmallVector<std::pair<unsigned, Dim>> dims;
    for (int64_t i = shift; i < ids.rank(); ++i)
      dims.emplace_back(i - shift, ids[i]);
    if (setDims(input, dims))
      changed.insert(input);
  }
  for (Operation &op : graph.getBody().front()) {
    auto attention = dyn_cast<sink::AttentionOp>(&op);
    inferAfter(&op, changed);
    if (attention && refineResult(attention))
      changed.insert(attention.getResult());
  }
}

/// Returns the type without names of sizes that are not in `fixed`.
static Type forgetSizes(Type type, const DenseSet<StringAttr> &fixed) {
  TensorInfo info = getTensorInfo(type);
  if (!info.hasRank())
    return type;
  for (Dim &dim : *info.dims)
    if (dim.isSymbol() && !fixed.contains(dim.name))
      dim = Dim();
  Type made = makeTensorType(info);
  return made ? made : type;
}

static void inferLonger(Operation *op, const DenseSet<StringAttr> &fixed) {
  auto inferable = dyn_cast<InferTypesInterface>(op);
  auto raised = dyn_cast<RaisedInterface>(op);
  if (raised && !raised.getFormRegion().empty()) {
    for (BlockArgument argument : raised.getFormRegion().getArguments())
      argument.setType(op->getOperand(argument.getArgNumber()).getType());
    for (Operation &inner : raised.getFormRegion().front())
      inferLonger(&inner, fixed);
  }
  for (Value result : op->getResults())
    result.setType(forgetSizes(result.getType(), fixed));
  SmallVector<Type> types(op->getNumResults());
  ScopedDiagnosticHandler silence(op->getContext(), [](Diagnostic &) { return success(); });
  if (!inferable || failed(inferable.inferResultTypes(types)))
    return;
  for (auto [result, type] : llvm::zip(op->getResults(), types))
    if (Type merged = type ? mergeTypes(type, result.getType()) : Type())
      result.setType(merged);
}

DenseSet<StringAttr> basin::sink::findFixedSizes(GraphOp graph, const PrefixInputs &inputs) {
  DenseSet<StringAttr> fixed;
  for (BlockArgument argument : graph.getBody().front().getArguments())
    if (TensorInfo info = getTensorInfo(argument); info.hasRank())
      for (const Dim &dim : *info.dims)
        if (dim.isSymbol())
          fixed.insert(dim.name);
  for (Value input : inputs.list())
    fixed.erase(getTensorInfo(input).dims->back().name);
  return fixed;
}

void basin::sink::inferLongerTypes(GraphOp graph, const PrefixInputs &inputs) {
  DenseSet<StringAttr> fixed = findFixedSizes(graph, inputs);
  for (Operation &op : graph.getBody().front())
    inferLonger(&op, fixed);
}

Value basin::sink::extendInput(const PrefixInputs &inputs, Value input, bool shift) {
  OpBuilder b = OpBuilder::atBlockBegin(input.getParentBlock());
  NodeBuilder n(b, input.getLoc());
  TensorInfo info = getTensorInfo(input);
  SmallVector<int64_t> values(inputs.prefix);
  if (input == inputs.mask || input == inputs.types)
    values.assign(inputs.size(), input == inputs.mask ? 1 : 0);
  else if (input == inputs.positions)
    values = llvm::to_vector(llvm::seq<int64_t>(0, inputs.size()));
  Value front = n.cast(n.constant(values), info.element);
  if (info.rank() == 2) {
    Value batch = n.concat({n.dims(input, 0, 1), n.constant({inputs.size()})}, 0);
    front = n.expand(front, batch);
  }
  Value rest = input;
  if (shift && input == inputs.positions)
    rest = n.node<AddOp>({input, n.scalar(double(inputs.size()), info.element)});
  return n.concat({front, rest}, info.rank() - 1);
}

/// Returns the result of a Shape of rows: the axis of the tokens is longer.
Value WholeSequence::extendShape(Operation *shape) {
  TensorInfo info = getTensorInfo(shape->getOperand(0));
  TokenRow row = rows.get(shape->getOperand(0));
  SmallVector<int64_t> more(info.rank(), 0);
  more[row.axis] = inputs.size();
  // From opset 15 on a Shape may give some of the axes alone.
  auto bound = [&](StringRef name, int64_t otherwise) {
    auto attr = shape->getAttrOfType<IntegerAttr>(name);
    int64_t at = attr ? attr.getInt() : otherwise;
    return std::clamp<int64_t>(at < 0 ? at + info.rank() : at, 0, info.rank());
  };
  int64_t start = bound("start", 0), end = std::max(start, bound("end", info.rank()));
  OpBuilder b(shape->getContext());
  b.setInsertionPointAfter(shape);
  NodeBuilder n(b, shape->getLoc());
  ArrayRef<int64_t> kept = ArrayRef<int64_t>(more).slice(start, end - start);
  if (llvm::all_of(kept, [](int64_t one) { return one == 0; }))
    return shape->getResult(0);
  return n.node<AddOp>({shape->getResult(0), n.constant(kept)});
}

FailureOr<Value> WholeSequence::make(Value value, const Twine &what) {
  if (rows.get(value).kind == TokenRow::Same)
    return value;
  if (llvm::is_contained(inputs.list(), value))
    return extendInput(inputs, value);
  Operation *op = value.getDefiningOp();
  TokenRow operand = op && op->getNumOperands() ? rows.get(op->getOperand(0)) : TokenRow();
  if (isa_and_nonnull<ShapeOp>(op) && operand.kind == TokenRow::Rows && !operand.isJoined &&
      getTensorInfo(op->getOperand(0)).hasRank())
    return extendShape(op);
  if (!op || !isa<NodeInterface>(op) || op->getNumRegions() != 0) {
    Location loc = op ? op->getLoc() : value.getLoc();
    return emitError(loc) << what << " depends on '" << getStreamValueName(value)
                          << "', whose rows for the prefix are not known";
  }
  // What computes positions is short. The limit protects the stack.
  constexpr unsigned kDeepest = 2000;
  if (depth == kDeepest)
    return op->emitError(what) << " depends on the number of tokens by too long a chain of nodes";
  SmallVector<Value> operands;
  for (Value one : op->getOperands()) {
    ++depth;
    FailureOr<Value> made = get(one, what);
    --depth;
    if (failed(made))
      return failure();
    operands.push_back(*made);
  }
  OpBuilder b(op->getContext());
  b.setInsertionPointAfter(op);
  Operation *clone = b.clone(*op);
  clone->setOperands(operands);
  // The exporter gives new names.
  clone->removeAttr(kNameAttr);
  clone->removeAttr(kOutsAttr);
  inferTypes(clone);
  for (auto [old, made] : llvm::zip(op->getResults(), clone->getResults()))
    whole[old] = made;
  return whole[value];
}

FailureOr<Value> WholeSequence::get(Value value, const Twine &what) {
  if (auto found = whole.find(value); found != whole.end())
    return found->second;
  FailureOr<Value> made = make(value, what);
  if (succeeded(made))
    whole[value] = *made;
  return made;
}

FailureOr<Value> WholeSequence::getRows(Value value, unsigned axis, const Twine &what) {
  if (auto found = cut.find({value, axis}); found != cut.end())
    return found->second;
  FailureOr<Value> made = get(value, what);
  if (failed(made))
    return failure();
  OpBuilder b(value.getContext());
  b.setInsertionPointAfterValue(*made);
  NodeBuilder n(b, made->getLoc());
  Value rest = n.slice(*made, axis, inputs.size(), std::numeric_limits<int64_t>::max());
  TensorInfo info = getTensorInfo(rest);
  if (info.hasRank()) {
    // As many rows are left as the value has that it replaces.
    (*info.dims)[axis] = getTensorInfo(value)[axis];
    rest.setType(makeTensorType(info));
  }
  return cut[{value, axis}] = rest;
}
