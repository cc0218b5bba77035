//===- CacheInPlace.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// As exported, the length of a past is that of its tensor. A buffer is longer, so each Shape of a
// past or present is replaced by the shape that it had. Anything else that reads one of them would
// see rows that are not in use, and is refused.
//
//===----------------------------------------------------------------------===//

#include "CacheInPlace.h"

#include "RuntimeAttention.h"
#include "WrittenSoftmax.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Imports.h"
#include "basin/Dialect/ONNX/Utils/Metadata.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// The metadata that names the input and the buffers, as JSON.
static constexpr llvm::StringLiteral kMetadata = "basin.caches";

//===----------------------------------------------------------------------===//
// Pasts and presents
//===----------------------------------------------------------------------===//

/// Returns the value that an Identity, or a Concat of one value, passes on, or null.
static Value findPassed(Operation *op) {
  bool passes = isa<IdentityOp>(op) || (isa<ConcatOp>(op) && op->getNumOperands() == 1);
  return passes ? op->getOperand(0) : Value();
}

/// Returns the input of the main graph that `value` passes on, or null.
static BlockArgument findInput(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    value = findPassed(op);
    if (!value)
      return {};
  }
  auto input = cast<BlockArgument>(value);
  return isa<GraphOp>(input.getOwner()->getParentOp()) ? input : BlockArgument();
}

/// Returns the Concat of an input and new rows, [batch, heads, sequence, dim], that `rows` in
/// `layout` is, or null.
static ConcatOp findConcat(Value rows, sink::Layout layout) {
  auto concat = rows.getDefiningOp<ConcatOp>();
  if (!concat || layout != sink::Layout::bhsd || concat->getNumOperands() != 2)
    return {};
  int64_t axis = concat.getAxis().value_or(0);
  bool isSequence = axis == 2 || (axis == -2 && findRank(rows) == 4);
  return isSequence && findInput(concat->getOperand(0)) ? concat : ConcatOp();
}

/// Returns whether the input has a default value, an initializer of its name.
static bool hasDefault(GraphOp graph, BlockArgument input) {
  auto info = cast<ValueInfoAttr>(graph.getInfo().getInputs()[input.getArgNumber()]);
  return llvm::any_of(graph.getBody().getOps<InitializerOp>(),
                      [&](InitializerOp op) { return op.getNameAttr() == info.getName(); });
}

/// A Shape of a past, a present or an inner value that is as long as one of those.
struct LengthReader {
  ShapeOp shape;
  bool isPresent;
};

/// Collects the Shapes of `value` and of what passes it on. Returns whether nothing but those and
/// `readers` reads it.
static bool collectShapes(Value value, bool isPresent, ArrayRef<Operation *> readers,
                          SmallVectorImpl<LengthReader> &shapes) {
  SmallVector<Value> pending{value};
  while (!pending.empty())
    for (Operation *user : pending.pop_back_val().getUsers()) {
      if (auto shape = dyn_cast<ShapeOp>(user))
        shapes.push_back({shape, isPresent});
      else if (findPassed(user))
        pending.push_back(user->getResult(0));
      else if (!llvm::is_contained(readers, user))
        return false;
    }
  return true;
}

/// Returns why the past cannot be a buffer.
static WhyNot checkPast(Value past, sink::AttentionOp op) {
  auto input = dyn_cast<BlockArgument>(past);
  auto graph = dyn_cast<GraphOp>(op->getParentOp());
  if (!graph || !input || input.getOwner() != &graph.getBody().front())
    return "its past is no input of the graph that it stands in";
  if (hasDefault(graph, input))
    return "its past has a default value";
  if (findSize(past, 2))
    return "the length of its past is fixed";
  return std::nullopt;
}

/// Returns why attention with past and present operands cannot update buffers.
static WhyNot checkAttention(sink::AttentionOp op) {
  for (Value past : {op.getPastKey(), op.getPastValue()})
    if (WhyNot why = checkPast(past, op))
      return why;
  if (op.getPastKey() == op.getPastValue())
    return "its past has another reader";
  for (unsigned i : {1, 2}) {
    auto isOutput = [](Operation *user) {
      return isa<ReturnOp>(user) && isa<GraphOp>(user->getParentOp());
    };
    if (!op.getHasPresent() || llvm::count_if(op->getResult(i).getUsers(), isOutput) != 1)
      return "its present keys and values are not one output each";
  }
  AttentionPlan plan;
  if (WhyNot why = plan.read(op))
    return why;
  return checkGroupQuery(plan, /*isInPlace=*/true);
}

/// Makes attention that has past and new rows as operands, and presents, of one over their Concats.
/// It has no form, so that further results stay with the old op.
static sink::AttentionOp takePasts(sink::AttentionOp op, ConcatOp keys, ConcatOp values) {
  sink::AttentionParts parts(op);
  parts.pastKey = findInput(keys->getOperand(0));
  parts.pastValue = findInput(values->getOperand(0));
  parts.key = keys->getOperand(1);
  parts.value = values->getOperand(1);
  parts.hasPresent = true;
  OpBuilder b(op);
  SmallVector<Type> types{op.getResult().getType(), keys->getResult(0).getType(),
                          values->getResult(0).getType()};
  auto made = sink::AttentionOp::create(b, op.getLoc(), types, parts);
  setValueName(cast<OpResult>(made.getResult()), sink::getResultName(op, 0));
  op.getResult().replaceAllUsesWith(made.getResult());
  for (auto [i, concat] : llvm::enumerate(SmallVector<ConcatOp>{keys, values})) {
    auto present = cast<OpResult>(made->getResult(i + 1));
    setValueName(present, getValueName(concat->getResult(0)));
    concat->getResult(0).replaceUsesWithIf(
        present, [&](OpOperand &use) { return isa<ReturnOp>(use.getOwner()); });
  }
  return made;
}

namespace {

/// Attention with a past, as exported and as it is converted. Both are the same op if that had a
/// past as operand.
struct CachedAttention {
  sink::AttentionOp before, op;
  ConcatOp keys, values;
  SmallVector<LengthReader> shapes;

  /// Finds the past, and makes `op`. Returns why it cannot be in a buffer. Leaves `op` null if
  /// there is none.
  WhyNot find();
  /// Replaces the Shapes by the shapes that the tensors had. Returns whether they are known.
  bool replaceShapes(Value pastLength);
  void eraseBefore();

private:
  bool collect();
};

} // namespace

WhyNot CachedAttention::find() {
  if (!before.getPastKey()) {
    keys = findConcat(before.getKey(), before.getKeyLayout());
    values = findConcat(before.getValue(), before.getValueLayout());
    if (!keys && !values)
      return std::nullopt;
    if (!keys || !values || keys == values)
      return "its keys and its values do not follow a past of their own";
  }
  // The op that is made has no form that would tell.
  if (mayOverflow(before))
    return "its exponentials may overflow where an operator's do not";
  op = keys ? takePasts(before, keys, values) : before;
  if (WhyNot why = checkAttention(op))
    return why;
  return collect() ? std::nullopt : WhyNot("its past or present has another reader");
}

bool CachedAttention::collect() {
  bool isOnly = true;
  for (auto [past, concat] : {std::pair<Value, ConcatOp>{op.getPastKey(), keys},
                              std::pair<Value, ConcatOp>{op.getPastValue(), values}}) {
    isOnly &= collectShapes(past, /*isPresent=*/false, {op, concat}, shapes);
    if (concat)
      isOnly &= collectShapes(concat->getResult(0), /*isPresent=*/true, {before}, shapes);
  }
  Operation *end = op->getBlock()->getTerminator();
  for (Value present : op->getResults().slice(1, 2))
    isOnly &= collectShapes(present, /*isPresent=*/true, {end}, shapes);
  // An inner value of the form, such as the keys with repeated heads, may be as long as a present.
  for (Value more : before->getResults().drop_front(keys ? 1 : 3))
    isOnly &= collectShapes(more, /*isPresent=*/true, {}, shapes);
  return isOnly;
}

bool CachedAttention::replaceShapes(Value pastLength) {
  Value past = op.getPastKey(), present = keys ? keys->getResult(0) : op->getResult(1);
  int64_t axis = sink::getSequenceAxis(op.getKeyLayout());
  for (auto [shape, isPresent] : shapes) {
    Value value = shape.getData();
    TensorInfo info = getTensorInfo(value);
    if (!info.hasRank() || info.rank() != 4 || !info[1].isStatic() || !info[3].isStatic() ||
        !isSameSize(value, 0, past, 0) || (isPresent && !isSameSize(value, 2, present, 2)))
      return false;
    OpBuilder b(shape);
    NodeBuilder n(b, shape.getLoc());
    Value length = n.unsqueeze(pastLength, {0});
    if (isPresent)
      length = n.node<AddOp>({length, n.dims(op.getKey(), axis, axis + 1)});
    Value sizes = n.concat(
        {n.dims(past, 0, 1), n.constant({info[1].size}), length, n.constant({info[3].size})}, 0);
    int64_t begin = shape.getStart().value_or(0), end = shape.getEnd().value_or(4);
    if (begin != 0 || end != 4)
      sizes = n.slice(sizes, 0, begin, end);
    shape.getResult().replaceAllUsesWith(sizes);
    shape.erase();
  }
  return true;
}

/// Erases the ops that pass `value` on to nobody.
static void erasePassing(Value value) {
  for (Operation *user : llvm::to_vector(value.getUsers())) {
    if (!findPassed(user))
      continue;
    erasePassing(user->getResult(0));
    if (user->use_empty())
      user->erase();
  }
}

void CachedAttention::eraseBefore() {
  if (op != before)
    before->erase();
  for (ConcatOp concat : {keys, values}) {
    if (!concat)
      continue;
    erasePassing(concat->getResult(0));
    concat->erase();
  }
  for (Value value :
       SmallVector<Value>{op.getPastKey(), op.getPastValue(), op->getResult(1), op->getResult(2)})
    erasePassing(value);
}

//===----------------------------------------------------------------------===//
// The model's interface
//===----------------------------------------------------------------------===//

/// Returns a name that no value of the graph, and no dim of an input, has.
static StringAttr makeName(GraphOp graph, StringRef stem) {
  llvm::StringSet<> taken;
  auto take = [&](Type type) {
    TensorInfo info = getTensorInfo(type);
    for (int64_t i = 0; info.hasRank() && i < info.rank(); ++i)
      if (info[i].name)
        taken.insert(info[i].name.getValue());
  };
  for (auto input : graph.getInfo().getInputs().getAsRange<ValueInfoAttr>()) {
    taken.insert(input.getName().getValue());
    take(input.getType());
  }
  graph.walk([&](Operation *op) {
    for (Value result : op->getResults()) {
      taken.insert(getValueName(result));
      take(result.getType());
    }
    if (auto initializer = dyn_cast<InitializerOp>(op))
      taken.insert(initializer.getName());
  });
  std::string name = stem.str();
  for (unsigned i = 1; taken.contains(name); ++i)
    name = (stem + "_" + Twine(i)).str();
  return StringAttr::get(graph.getContext(), name);
}

/// Returns the entry of an input or output with another type.
static ValueInfoAttr withType(ValueInfoAttr info, Type type) {
  NamedAttrList more(info.getInfo());
  more.erase("verbatim");
  MLIRContext *ctx = info.getContext();
  return ValueInfoAttr::get(ctx, info.getName(), type, more.getDictionary(ctx));
}

/// Returns the type of a past or present whose length is the buffer's.
static Type withLength(Type type, StringAttr capacity) {
  TensorInfo info = getTensorInfo(type);
  (*info.dims)[2] = Dim(capacity);
  return makeTensorType(info);
}

void InPlaceCaches::declareLength(GraphOp graph) {
  MLIRContext *ctx = graph.getContext();
  Type type = RankedTensorType::get({}, IntegerType::get(ctx, 64));
  StringAttr name = makeName(graph, "past_length");
  capacity = makeName(graph, "cache_capacity");
  pastLength = graph.getBody().front().addArgument(type, graph.getLoc());
  GraphInfoAttr info = graph.getInfo();
  SmallVector<Attribute> inputs(info.getInputs().begin(), info.getInputs().end());
  inputs.push_back(ValueInfoAttr::get(ctx, name, type, DictionaryAttr::get(ctx)));
  graph.setInfoAttr(GraphInfoAttr::get(ctx, ArrayAttr::get(ctx, inputs), info.getOutputs(),
                                       info.getValueInfo(), info.getInfo()));
}

void InPlaceCaches::declareBuffers(sink::AttentionOp op) {
  auto graph = cast<GraphOp>(op->getParentOp());
  GraphInfoAttr info = graph.getInfo();
  SmallVector<Attribute> inputs(info.getInputs().begin(), info.getInputs().end());
  SmallVector<Attribute> outputs(info.getOutputs().begin(), info.getOutputs().end());
  for (auto [i, past] : llvm::enumerate(SmallVector<Value>{op.getPastKey(), op.getPastValue()})) {
    Value present = op->getResult(i + 1);
    Type type = withLength(past.getType(), capacity);
    past.setType(type);
    present.setType(type);
    unsigned number = cast<BlockArgument>(past).getArgNumber();
    inputs[number] = withType(cast<ValueInfoAttr>(inputs[number]), type);
    number = present.use_begin()->getOperandNumber();
    outputs[number] = withType(cast<ValueInfoAttr>(outputs[number]), type);
  }
  MLIRContext *ctx = graph.getContext();
  graph.setInfoAttr(GraphInfoAttr::get(ctx, ArrayAttr::get(ctx, inputs),
                                       ArrayAttr::get(ctx, outputs), info.getValueInfo(),
                                       info.getInfo()));
}

void InPlaceCaches::recordNames(ModuleOp module, GraphOp graph) {
  GraphInfoAttr info = graph.getInfo();
  auto getName = [](Attribute entry) { return cast<ValueInfoAttr>(entry).getName().getValue(); };
  llvm::json::Object buffers;
  for (sink::AttentionOp op : attentions)
    for (auto [i, past] : llvm::enumerate(SmallVector<Value>{op.getPastKey(), op.getPastValue()})) {
      OpOperand &use = *op->getResult(i + 1).use_begin();
      buffers[getName(info.getInputs()[cast<BlockArgument>(past).getArgNumber()])] =
          getName(info.getOutputs()[use.getOperandNumber()]);
    }
  llvm::json::Object all{{"length", getValueName(pastLength)}, {"buffers", std::move(buffers)}};
  setMetadata(module, kMetadata, llvm::formatv("{0}", llvm::json::Value(std::move(all))).str());
}

static LogicalResult refuse(sink::AttentionOp op, StringRef why) {
  return mlir::emitError(op.getLoc()) << "the cache of attention '" << sink::getResultName(op, 0)
                                      << "' cannot be updated in place: " << why;
}

LogicalResult InPlaceCaches::prepare(ModuleOp module, SmallVectorImpl<Operation *> &ops) {
  SmallVector<CachedAttention> found;
  for (Operation *&candidate : ops) {
    auto before = dyn_cast<sink::AttentionOp>(candidate);
    if (!before)
      continue;
    CachedAttention cached;
    cached.before = before;
    if (WhyNot why = cached.find())
      return refuse(before, *why);
    if (!cached.op)
      continue;
    candidate = cached.op;
    attentions.insert(cached.op);
    found.push_back(std::move(cached));
  }
  if (attentions.empty())
    return mlir::emitError(module.getLoc())
           << "expected attention whose keys follow a past among the model's inputs, to update its "
              "cache in place, but got none";
  auto graph = found.front().op->getParentOfType<GraphOp>();
  declareLength(graph);
  for (CachedAttention &cached : found)
    if (!cached.replaceShapes(pastLength))
      return refuse(cached.op, "the shape of its past or present is read, and not known");
  for (CachedAttention &cached : found) {
    cached.eraseBefore();
    declareBuffers(cached.op);
  }
  recordNames(module, graph);
  return success();
}
