//===- AbsorbPrefix.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A causal model computes the same keys and values for the first tokens of all sequences that start
// with them. They become parameters, and the tokens are left out. All else that depends on the
// tokens' number is computed as it was for the whole sequence, and loses the first rows.
//
//===----------------------------------------------------------------------===//

#include "PrefixAttentions.h"
#include "PrefixOperands.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_ABSORBPREFIXPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {

class AbsorbPrefixPass : public basin::sink::impl::AbsorbPrefixPassBase<AbsorbPrefixPass> {
public:
  using AbsorbPrefixPassBase::AbsorbPrefixPassBase;
  void runOnOperation() override;

private:
  LogicalResult absorb(GraphOp graph);
  FailureOr<sink::StoredTensors> readStates();
};

} // namespace

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

FailureOr<sink::StoredTensors> AbsorbPrefixPass::readStates() {
  ModuleOp module = getOperation();
  if (states.empty())
    return module.emitError("option 'states': expected a file with the prefix's keys and values");
  return sink::readTensorFile(module, states);
}

//===----------------------------------------------------------------------===//
// Rewrite
//===----------------------------------------------------------------------===//

/// Returns the ops, besides attentions, from which the outputs and attentions get the tokens' rows.
static SmallVector<Operation *> findTokenOps(GraphOp graph, const TokenRows &rows) {
  SetVector<Operation *> ops;
  SmallVector<Value> open(graph.getBody().front().getTerminator()->getOperands());
  while (!open.empty()) {
    Value value = open.pop_back_val();
    Operation *op = value.getDefiningOp();
    TokenRow::Kind kind = rows.get(value).kind;
    if (!op || (kind != TokenRow::Rows && kind != TokenRow::Last) || !ops.insert(op))
      continue;
    llvm::append_range(open, op->getOperands());
  }
  return ops.takeVector();
}

/// Fails if a form captures a number that depends on the count of tokens and is no operand.
static LogicalResult checkCaptured(sink::RaisedInterface op, const TokenRows &rows) {
  SmallVector<Value> operands(op->getOperands());
  WalkResult walked = op.getFormRegion().walk([&](Operation *inner) {
    for (Value value : inner->getOperands()) {
      bool isOuter = value.getParentBlock() == op->getBlock();
      // Sizes are integers of those rows that are left, and right as they are.
      Type element = getTensorInfo(value).element;
      if (isOuter && rows.get(value).kind != TokenRow::Same &&
          !isa_and_nonnull<IntegerType>(element) && !llvm::is_contained(operands, value)) {
        op->emitError("'") << getStreamValueName(op->getResult(0)) << "' reads '"
                           << getStreamValueName(value)
                           << "', which depends on the number of tokens";
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

/// Removes what the model states about the types of the values. A runtime that believes that equal
/// names of sizes are equal sizes would plan its memory by it.
static void dropValueInfo(GraphOp graph, const llvm::StringSet<> &names) {
  GraphInfoAttr info = graph.getInfo();
  SmallVector<Attribute> kept;
  for (Attribute one : info.getValueInfo())
    if (!names.contains(cast<ValueInfoAttr>(one).getName().getValue()))
      kept.push_back(one);
  graph.setInfoAttr(GraphInfoAttr::get(graph.getContext(), info.getInputs(), info.getOutputs(),
                                       ArrayAttr::get(graph.getContext(), kept), info.getInfo()));
}

static bool isUnused(Operation *op) {
  return isa<NodeInterface>(op) && isMemoryEffectFree(op) && op->use_empty();
}

/// Erases the nodes that nothing uses any more. Those in `before` were unused in the model.
static void eraseUnused(Block &block, const DenseSet<Operation *> &before) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isUnused(&op) && !before.contains(&op))
      op.erase();
}

LogicalResult AbsorbPrefixPass::absorb(GraphOp graph) {
  FailureOr<SmallVector<int64_t>> prefix = sink::readPrefix(getOperation(), ids);
  if (failed(prefix))
    return failure();
  FailureOr<sink::PrefixInputs> inputs =
      sink::findPrefixInputs(graph, tokens, mask, positions, *prefix);
  if (failed(inputs))
    return failure();
  sink::refineTypes(graph, *inputs);
  TokenRows rows(graph, inputs->list());
  auto attentions = sink::findPrefixAttentions(graph, rows, *inputs);
  if (failed(attentions))
    return failure();
  FailureOr<sink::StoredTensors> elements = readStates();
  if (failed(elements))
    return failure();
  SmallVector<Operation *> ops = findTokenOps(graph, rows);
  DenseSet<Operation *> unused;
  for (Operation &op : graph.getBody().front())
    if (isUnused(&op))
      unused.insert(&op);
  sink::ParameterNames names(getOperation());
  sink::WholeSequence whole(rows, *inputs);
  sink::PrefixInserter inserter(rows, whole, *elements, names, inputs->size());
  SmallVector<std::pair<OpOperand *, Value>> changes;
  for (Operation *op : ops) {
    if (auto raised = dyn_cast<sink::RaisedInterface>(op);
        raised && !isa<sink::AttentionOp>(op) && failed(checkCaptured(raised, rows)))
      return failure();
    for (const TokenRowOperand &operand : rows.getWholeOperands(op)) {
      Value value = operand.use->get();
      std::string what = "'" + getStreamValueName(op->getResult(0)).str() + "'";
      FailureOr<Value> made =
          operand.axis ? whole.getRows(value, *operand.axis, what) : whole.get(value, what);
      if (failed(made))
        return failure();
      changes.emplace_back(operand.use, *made);
    }
    if (auto attention = dyn_cast<sink::AttentionOp>(op);
        attention && !llvm::is_contained(*attentions, attention) &&
        failed(inserter.updateSummands(attention)))
      return failure();
  }
  for (sink::AttentionOp op : *attentions) {
    if (failed(inserter.insert(op)))
      return failure();
    ++numAbsorbed;
  }
  // Clones are made of the ops as they were, so operands change last.
  for (auto &[use, with] : changes)
    sink::replaceOperand(*use, with);
  dropValueInfo(graph, inserter.getChangedNames());
  eraseUnused(graph.getBody().front(), unused);
  numDropped += inserter.getNumDropped();
  return sink::recordPrefix(getOperation(), *prefix);
}

void AbsorbPrefixPass::runOnOperation() {
  auto graphs = getOperation().getOps<GraphOp>();
  if (!llvm::hasSingleElement(graphs))
    return;
  if (failed(absorb(*graphs.begin())))
    return signalPassFailure();
}
