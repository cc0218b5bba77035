//===- InferShapes.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information. SPDX-License-Identifier:
// Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One walk in the order of the nodes, which is topological in ONNX and in SSA
// alike: a rule sees operand types that are final. Subgraphs come before the
// node that holds them, as an If takes its types from them.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/QuoteName.h"
#include "basin/Dialect/ONNX/Transforms/Passes.h"

namespace basin::onnx {
#define GEN_PASS_DEF_INFERSHAPESPASS
#include "basin/Dialect/ONNX/Transforms/Passes.h.inc"
} // namespace basin::onnx

using namespace mlir;
using namespace basin::onnx;

namespace {
class InferShapesPass : public basin::onnx::impl::InferShapesPassBase<InferShapesPass> {
public:
  using InferShapesPassBase::InferShapesPassBase;
  void runOnOperation() override;

private:
  LogicalResult inferBlock(Block &block, GraphInfoAttr info);
  LogicalResult inferNode(NodeInterface node);
  LogicalResult inferResultTypes(NodeInterface node, SmallVectorImpl<Type> &types);
  LogicalResult refine(OpResult value, Type inferred);
  LogicalResult checkOutputs(Block &block, GraphInfoAttr info);
  InFlightDiagnostic report(Operation *op);

  /// Declared types of values that graphs return.
  llvm::DenseMap<Value, Type> declared;
};
} // namespace

void InferShapesPass::runOnOperation() {
  declared.clear();
  auto run = [&](auto graph) {
    return WalkResult(inferBlock(graph.getBody().front(), graph.getInfo()));
  };
  // Graphs do not nest; their subgraphs are visited with the nodes.
  WalkResult result = getOperation()->walk<WalkOrder::PreOrder>([&](Operation *op) {
    WalkResult inferred = WalkResult::advance();
    if (auto graph = dyn_cast<GraphOp>(op))
      inferred = run(graph);
    else if (auto function = dyn_cast<FunctionOp>(op))
      inferred = run(function);
    else
      return inferred;
    return inferred.wasInterrupted() ? inferred : WalkResult::skip();
  });
  if (result.wasInterrupted())
    signalPassFailure();
}

InFlightDiagnostic InferShapesPass::report(Operation *op) {
  return onConflict == ConflictAction::Error ? op->emitOpError() : op->emitWarning();
}

static GraphInfoAttr getSubgraphInfo(Region &region) {
  auto infos = region.getParentOp()->getAttrOfType<ArrayAttr>(kSubgraphsAttr);
  if (!infos || region.getRegionNumber() >= infos.size())
    return {};
  return dyn_cast<GraphInfoAttr>(infos[region.getRegionNumber()]);
}

LogicalResult InferShapesPass::inferBlock(Block &block, GraphInfoAttr info) {
  // A value's declared type is known before its consumers are visited.
  if (info && info.getOutputs().size() == block.getTerminator()->getNumOperands())
    for (auto [value, attr] : llvm::zip(block.getTerminator()->getOperands(), info.getOutputs()))
      if (auto output = dyn_cast<ValueInfoAttr>(attr))
        declared.try_emplace(value, output.getType());
  for (Operation &op : block) {
    for (Region &region : op.getRegions())
      if (failed(inferBlock(region.front(), getSubgraphInfo(region))))
        return failure();
    if (auto node = dyn_cast<NodeInterface>(op); node && failed(inferNode(node)))
      return failure();
  }
  return checkOutputs(block, info);
}

/// Whether `op` may never run: it stands in a subgraph. Exporters guard a
/// Squeeze by an If on the dim's size; the branch not taken is invalid in
/// itself, in a valid model. There, contradictions leave a type as it is.
static bool isConditional(Operation *op) {
  return !isa_and_nonnull<GraphOp, FunctionOp>(op->getParentOp());
}

/// The rule's types. Contradictory operands become warnings where the user
/// asked for that; the results then keep the types they have.
LogicalResult InferShapesPass::inferResultTypes(NodeInterface node, SmallVectorImpl<Type> &types) {
  bool conditional = isConditional(node);
  if (onConflict == ConflictAction::Error && !conditional)
    return node.inferResultTypes(types);
  SmallVector<std::pair<Location, std::string>> messages;
  LogicalResult result = failure();
  {
    ScopedDiagnosticHandler handler(&getContext(), [&](Diagnostic &diagnostic) {
      messages.emplace_back(diagnostic.getLocation(), diagnostic.str());
    });
    result = node.inferResultTypes(types);
  }
  if (!conditional)
    for (auto &[loc, message] : messages)
      emitWarning(loc) << message;
  if (failed(result))
    types.assign(node->getNumResults(), Type());
  return success();
}

LogicalResult InferShapesPass::inferNode(NodeInterface node) {
  SmallVector<Type> types;
  if (failed(inferResultTypes(node, types)))
    return failure();
  types.resize(node->getNumResults());
  for (auto [value, type] : llvm::zip(node->getResults(), types)) {
    if (failed(refine(value, type)))
      return failure();
    if (!getTensorInfo(value).hasRank())
      ++numUnknown;
  }
  return success();
}

static std::string describe(Value value, Operation *op) {
  std::string text = quoteName(getValueName(value));
  if (StringRef node = getNodeName(op); !node.empty())
    text += " of node " + quoteName(node);
  return text;
}

LogicalResult InferShapesPass::refine(OpResult value, Type inferred) {
  Type stated = value.getType();
  if (isa<NoneType>(stated)) // an output that the model leaves out
    return success();
  Operation *op = value.getOwner();
  auto merge = [&](Type preferred, Type other, StringRef source) -> FailureOr<Type> {
    if (Type merged = mergeTypes(preferred, other))
      return merged;
    if (isConditional(op))
      return other;
    report(op) << "expected " << describe(value, op) << " to be " << other << " as " << source
               << ", but got " << preferred;
    if (onConflict == ConflictAction::Error)
      return failure();
    return other;
  };
  FailureOr<Type> type = inferred ? merge(inferred, stated, "the model states") : stated;
  if (failed(type))
    return failure();
  if (Type output = declared.lookup(value)) {
    type = merge(*type, output, "the output is declared");
    if (failed(type))
      return failure();
  }
  if (*type != stated) {
    value.setType(*type);
    ++numRefined;
  }
  return success();
}

/// Outputs that no node of the block makes (inputs, initializers, values of an
/// outer graph) are only checked.
LogicalResult InferShapesPass::checkOutputs(Block &block, GraphInfoAttr info) {
  Operation *terminator = block.getTerminator();
  if (!info || isConditional(terminator) ||
      info.getOutputs().size() != terminator->getNumOperands())
    return success();
  for (auto [value, attr] : llvm::zip(terminator->getOperands(), info.getOutputs())) {
    auto output = dyn_cast<ValueInfoAttr>(attr);
    if (!output || isa<NoneType>(value.getType()) || mergeTypes(value.getType(), output.getType()))
      continue;
    Operation *owner = value.getDefiningOp();
    if (onConflict == ConflictAction::Warn && isa_and_nonnull<NodeInterface>(owner))
      continue; // `refine` has warned
    report(terminator) << "expected output " << quoteName(output.getName()) << " to be "
                       << output.getType() << " as declared, but got " << value.getType();
    if (onConflict == ConflictAction::Error)
      return failure();
  }
  return success();
}
