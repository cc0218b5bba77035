//===- InsertSinkTokens.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Learnable rows stand for the first tokens of each sequence, in place of their rows of the
// embedding. All else that counts tokens reads longer inputs: ids, ones in the mask, positions from
// zero. So the graph computes what it did for whole sequences, and its outputs lose the first rows.
//
//===----------------------------------------------------------------------===//

#include "LongerSequence.h"
#include "NormRewrites.h"
#include "PrefixAttentions.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_INSERTSINKTOKENSPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {

class InsertSinkTokensPass
    : public basin::sink::impl::InsertSinkTokensPassBase<InsertSinkTokensPass> {
public:
  using InsertSinkTokensPassBase::InsertSinkTokensPassBase;
  void runOnOperation() override;

private:
  LogicalResult insert(GraphOp graph);
  FailureOr<Value> makeTokens(GatherOp embedding, ArrayRef<int64_t> prefix);
  std::vector<char> drawRows(ArrayRef<char> rows, RankedTensorType type);

  std::optional<sink::ParameterNames> names;
};

} // namespace

//===----------------------------------------------------------------------===//
// The embedding
//===----------------------------------------------------------------------===//

/// Returns whether the op passes ids on.
static bool isView(Operation *op) { return isa<CastOp, IdentityOp, ReshapeOp>(op); }

/// Returns the Gather of a table of weights by the ids. Fails with a diagnostic if there is none,
/// or several.
static FailureOr<GatherOp> findEmbedding(GraphOp graph, Value ids) {
  SmallVector<Value> open{ids};
  GatherOp found;
  for (size_t i = 0; i < open.size(); ++i)
    for (OpOperand &use : open[i].getUses()) {
      if (isView(use.getOwner()) && use.getOperandNumber() == 0)
        open.push_back(use.getOwner()->getResult(0));
      auto gather = dyn_cast<GatherOp>(use.getOwner());
      if (!gather || use.getOperandNumber() != 1)
        continue;
      if (found)
        return gather.emitError("expected one embedding by the ids '")
               << getValueName(ids) << "', but got '" << getStreamValueName(found.getResult())
               << "' and '" << getStreamValueName(gather.getResult()) << "'";
      found = gather;
    }
  if (!found)
    return graph.emitError("expected a Gather of a table by the ids '")
           << getValueName(ids) << "', but there is none";
  auto table = dyn_cast<RankedTensorType>(found.getData().getType());
  int64_t axis = found.getAxis().value_or(0);
  if (!isWeight(found.getData()) || !table || table.getRank() != 2 || !table.hasStaticShape() ||
      !isScalable(table.getElementType()) || (axis != 0 && axis != -2))
    return found.emitError("embedding '")
           << getStreamValueName(found.getResult()) << "': expected rows of a constant table of "
           << "f16, bf16, f32 or f64, but got axis " << axis << " of "
           << (isWeight(found.getData()) ? "" : "computed ") << found.getData().getType();
  return found;
}

/// Returns the bytes of normal numbers, with the deviation of those in `rows`.
std::vector<char> InsertSinkTokensPass::drawRows(ArrayRef<char> rows, RankedTensorType type) {
  Type element = type.getElementType();
  int64_t width = type.getShape().back(), bytes = getElementBits(element) / 8;
  double sum = 0, squares = 0, count = double(rows.size()) / double(bytes);
  visitElements(rows, element, {int64_t(rows.size()) / bytes / width, width}, -1,
                [&](double value, int64_t) {
                  sum += value;
                  squares += value * value;
                });
  double deviation = std::sqrt(std::max(0.0, squares / count - sum / count * (sum / count)));
  std::mt19937_64 generator(static_cast<uint64_t>(seed));
  std::vector<char> out;
  for (double normal : sink::drawNormal(generator, type.getNumElements(), /*dim=*/1)) {
    APFloat value(normal * deviation);
    bool losesInfo;
    value.convert(cast<FloatType>(element).getFloatSemantics(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    uint64_t bits = value.bitcastToAPInt().getZExtValue();
    for (int64_t byte = 0; byte < bytes; ++byte)
      out.push_back(char(bits >> (8 * byte)));
  }
  return out;
}

/// Makes the parameter with the tokens' rows, [n, d] or [1, n, d].
FailureOr<Value> InsertSinkTokensPass::makeTokens(GatherOp embedding, ArrayRef<int64_t> prefix) {
  Value table = embedding.getData();
  auto tableType = cast<RankedTensorType>(table.getType());
  int64_t width = tableType.getDimSize(1), rows = tableType.getDimSize(0);
  Attribute elements = getConstantAttr(table);
  FailureOr<TensorBytes> data = failure();
  if (elements)
    data = getTensorBytes(elements, table.getDefiningOp());
  if (failed(data))
    return embedding.emitError("embedding '") << getStreamValueName(embedding.getResult())
                                              << "': the data of its table could not be read";
  for (int64_t id : prefix)
    if (id >= rows)
      return embedding.emitError("option 'ids': the id ")
             << id << " is outside of the vocabulary, which has " << rows << " ids";
  bool hasBatch = getTensorInfo(embedding.getIndices()).rank() == 2;
  SmallVector<int64_t> shape{int64_t(prefix.size()), width};
  if (hasBatch)
    shape.insert(shape.begin(), 1);
  auto type = RankedTensorType::get(shape, tableType.getElementType());
  size_t size = width * getElementBits(type.getElementType()) / 8;
  auto bytes = std::make_shared<std::vector<char>>();
  if (init == "embedding") {
    for (int64_t id : prefix)
      llvm::append_range(*bytes, data->bytes.slice(id * size, size));
  } else if (init == "zeros") {
    bytes->assign(prefix.size() * size, 0);
  } else {
    constexpr int64_t kMostRows = 1024;
    *bytes = drawRows(data->bytes.take_front(std::min(rows, kMostRows) * size), type);
  }
  OpBuilder b(embedding->getContext());
  b.setInsertionPointToStart(embedding->getBlock());
  std::string name = names->make("sink_tokens");
  return Value(sink::ParameterOp::create(b, embedding.getLoc(), type, name,
                                         makeElements(type, *bytes, bytes, name)));
}

//===----------------------------------------------------------------------===//
// Rewrite
//===----------------------------------------------------------------------===//

/// Makes all readers of the inputs read those of the longer sequence, except for the graph's
/// outputs.
static void extendInputs(GraphOp graph, const sink::PrefixInputs &inputs, bool takeOver) {
  Operation *terminator = graph.getBody().front().getTerminator();
  for (Value input : inputs.list()) {
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : input.getUses())
      if (use.getOwner() != terminator)
        uses.push_back(&use);
    if (uses.empty())
      continue;
    Value longer = sink::extendInput(inputs, input, /*shift=*/!takeOver);
    for (OpOperand *use : uses)
      use->set(longer);
  }
}

/// Erases the nodes that compute `value`, as far as nothing else reads them.
static void eraseUnused(Value value) {
  SetVector<Operation *> ops;
  SmallVector<Value> open{value};
  while (!open.empty()) {
    Operation *op = open.pop_back_val().getDefiningOp();
    if (isa_and_nonnull<NodeInterface>(op) && isMemoryEffectFree(op) && ops.insert(op))
      llvm::append_range(open, op->getOperands());
  }
  SmallVector<Operation *> sorted = ops.takeVector();
  llvm::sort(sorted, [](Operation *a, Operation *b) { return b->isBeforeInBlock(a); });
  for (Operation *op : sorted)
    if (op->use_empty())
      op->erase();
}

/// Makes the embedding read ids without the first ones, if nothing but Casts stands between it and
/// the graph's input. Returns whether that is so.
static bool shortenIds(GatherOp embedding, Value ids) {
  SmallVector<Operation *> between;
  Operation *op = embedding.getIndices().getDefiningOp();
  for (; op && isView(op); op = op->getOperand(0).getDefiningOp())
    between.push_back(op);
  if (llvm::any_of(between, llvm::IsaPred<ReshapeOp>))
    return false;
  OpBuilder b(embedding);
  for (Operation *view : llvm::reverse(between)) {
    Operation *clone = b.clone(*view);
    clone->setOperand(0, ids);
    clone->removeAttr(kNameAttr);
    clone->removeAttr(kOutsAttr);
    ids = clone->getResult(0);
  }
  Value before = embedding.getIndices();
  embedding->setOperand(1, ids);
  eraseUnused(before);
  return true;
}

/// Puts the tokens in front of the rows of the embedding, or in place of its first ones.
static void insertRows(GatherOp embedding, Value tokens, bool replaces,
                       sink::ParameterNames &names) {
  OpBuilder b(embedding->getContext());
  b.setInsertionPointAfter(embedding);
  NodeBuilder n(b, embedding.getLoc());
  Value x = embedding.getResult(), front = tokens;
  TensorInfo info = getTensorInfo(embedding.getIndices());
  auto type = cast<RankedTensorType>(tokens.getType());
  if (info.rank() == 2 && !info[0].is(1)) {
    Value batch = n.dims(embedding.getIndices(), 0, 1);
    front = n.expand(tokens, n.concat({batch, n.constant(type.getShape().drop_front())}, 0));
  }
  Operation *reader = nullptr;
  Value rest = x;
  if (replaces) {
    rest = n.slice(x, info.rank() - 1, type.getShape()[info.rank() - 1],
                   std::numeric_limits<int64_t>::max());
    reader = rest.getDefiningOp();
  }
  Value longer = n.concat({front, rest}, info.rank() - 1);
  reader = reader ? reader : longer.getDefiningOp();
  setValueName(cast<OpResult>(longer), names.make((getStreamValueName(x) + ".tokens").str()));
  x.replaceUsesWithIf(longer, [&](OpOperand &use) { return use.getOwner() != reader; });
}

/// Gives a value another ONNX name, also where it stands in a form.
static void rename(Value value, StringRef name) {
  auto result = cast<OpResult>(value);
  auto raised = dyn_cast<sink::RaisedInterface>(result.getOwner());
  if (raised && !raised.getFormRegion().empty())
    rename(raised.getFormRegion().front().getTerminator()->getOperand(result.getResultNumber()),
           name);
  else
    setValueName(result, name);
}

namespace {

/// An output with a row for each token, as it is before the rewrite.
struct RowOutput {
  unsigned number, axis;
  Value value;
  Type type;
};

} // namespace

/// Leaves the first `size` rows out of the outputs that have a row for each token.
static void cutOutputs(GraphOp graph, ArrayRef<RowOutput> outputs, int64_t size,
                       sink::ParameterNames &names) {
  Operation *terminator = graph.getBody().front().getTerminator();
  OpBuilder b(terminator);
  NodeBuilder n(b, graph.getLoc());
  for (const RowOutput &output : outputs) {
    // The embedding's own name may be an output's, and another value stands in its place.
    auto declared = cast<ValueInfoAttr>(graph.getInfo().getOutputs()[output.number]);
    std::string name = declared.getName().str();
    if (getStreamValueName(output.value) == name)
      rename(output.value, names.make(name + ".longer"));
    Value whole = terminator->getOperand(output.number);
    Value rest = n.slice(whole, output.axis, size, std::numeric_limits<int64_t>::max());
    rest.setType(output.type);
    setValueName(cast<OpResult>(rest), name);
    terminator->setOperand(output.number, rest);
  }
}

LogicalResult InsertSinkTokensPass::insert(GraphOp graph) {
  FailureOr<SmallVector<int64_t>> prefix = sink::readPrefix(getOperation(), ids);
  if (failed(prefix))
    return failure();
  FailureOr<sink::PrefixInputs> inputs =
      sink::findPrefixInputs(graph, tokens, mask, positions, *prefix);
  if (failed(inputs) || failed(sink::findTokenTypes(graph, types, *inputs)))
    return failure();
  FailureOr<GatherOp> embedding = findEmbedding(graph, inputs->ids);
  if (failed(embedding))
    return failure();
  sink::refineTypes(graph, *inputs);
  TokenRows rows(graph, inputs->list());
  TensorInfo indices = getTensorInfo(embedding->getIndices());
  if (!indices.hasRank() || indices.rank() > 2 ||
      !rows.get(embedding->getResult()).isRowsAlong(indices.rank() - 1))
    return embedding->emitError("embedding '")
           << getStreamValueName(embedding->getResult())
           << "' is not proven to have a row for each token along its second to last axis";
  if (failed(sink::checkLongerSequence(graph, rows, *inputs)))
    return failure();
  auto axes = sink::findTokenAxes(graph, rows, *inputs);
  if (failed(axes))
    return failure();
  SmallVector<RowOutput> outputs;
  Operation *terminator = graph.getBody().front().getTerminator();
  for (auto [number, axis] : llvm::enumerate(*axes))
    if (Value value = terminator->getOperand(number); axis && value.getDefiningOp())
      outputs.push_back({unsigned(number), *axis, value, value.getType()});
  names.emplace(getOperation());
  FailureOr<Value> made = makeTokens(*embedding, *prefix);
  if (failed(made))
    return failure();
  extendInputs(graph, *inputs, takeOver);
  bool isShort = shortenIds(*embedding, inputs->ids);
  insertRows(*embedding, *made, /*replaces=*/!isShort, *names);
  sink::inferLongerTypes(graph, *inputs);
  cutOutputs(graph, outputs, prefix->size(), *names);
  // A runtime that believes that equal names of sizes are equal sizes would plan its memory by it.
  GraphInfoAttr info = graph.getInfo();
  graph.setInfoAttr(GraphInfoAttr::get(graph.getContext(), info.getInputs(), info.getOutputs(),
                                       ArrayAttr::get(graph.getContext(), {}), info.getInfo()));
  numInserted += prefix->size();
  return takeOver ? sink::recordPrefix(getOperation(), *prefix) : success();
}

void InsertSinkTokensPass::runOnOperation() {
  if (init != "embedding" && init != "zeros" && init != "normal") {
    getOperation().emitError("option 'init': expected 'embedding', 'zeros' or 'normal', but got '")
        << init << "'";
    return signalPassFailure();
  }
  auto graphs = getOperation().getOps<GraphOp>();
  if (!llvm::hasSingleElement(graphs))
    return;
  if (failed(insert(*graphs.begin())))
    return signalPassFailure();
}
