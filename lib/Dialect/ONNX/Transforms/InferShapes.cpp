//===- InferShapes.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One walk visits the nodes in their order, which is topological in ONNX as in SSA, so operand
// types are final when a rule reads them. Subgraphs come before the node that holds them, because
// an If takes its types from them.
//
// A function has no types of its own. The results of a call are those of a copy of the body whose
// inputs have the call's types. There is one copy for each list of types. In the end the body
// itself gets the types that hold in every call.
//
// A dim without a name gets one of its own, "?0", "?1" and so on, so that two values that inherit
// it are known to have the same size.
//
//===----------------------------------------------------------------------===//

#include "DimNames.h"

#include "basin/Dialect/ONNX/IR/QuoteName.h"
#include "basin/Dialect/ONNX/Transforms/Passes.h"
#include "basin/Dialect/ONNX/Utils/Functions.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/ScopeExit.h"

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
  LogicalResult inferGraphs();
  LogicalResult inferFunctions();
  LogicalResult inferBlock(Block &block, GraphInfoAttr info);
  void inferArguments(InferTypesInterface op);
  LogicalResult inferResults(InferTypesInterface op);
  LogicalResult inferCall(FunctionOp function, NodeInterface call, SmallVectorImpl<Type> &types);
  void noteCall(FunctionOp function, TypeRange arguments);
  Type nameDims(Type type);
  LogicalResult inferResultTypes(InferTypesInterface op, SmallVectorImpl<Type> &types);
  LogicalResult refine(OpResult value, Type inferred);
  LogicalResult checkOutputs(Block &block, GraphInfoAttr info);
  bool isStale(Type inferred, Type stated);
  Type dropStatement(OpResult value, Type inferred, Type stated, StringRef source);
  InFlightDiagnostic report(Operation *op);

  /// The declared types of values that graphs return.
  llvm::DenseMap<Value, Type> declared;
  std::optional<FunctionTable> functions;
  /// The types of a function's results, by function and operand types (as inputs of a function
  /// type).
  llvm::DenseMap<std::pair<Operation *, Type>, SmallVector<Type>> calls;
  /// What is known about a function's operands in all of its calls.
  llvm::MapVector<Operation *, SmallVector<Type>> arguments;
  /// The functions whose bodies are being inferred for a call. No function may call itself.
  SmallVector<Operation *> callStack;
  /// Set while the bodies themselves are inferred. Their calls were already noted.
  bool isFinal = false;
  unsigned copiesLeft = 0, nextName = 0;
  /// The number of values for which the model states a wrong shape.
  unsigned numDropped = 0;
};
} // namespace

/// The number of bodies that may be inferred, one for each list of types. It is limited because a
/// model of n functions can make 2^n calls.
static constexpr unsigned kMaxCopies = 4096;

/// The number of warnings about wrong statements that are shown. A changed model can have one for
/// each of its values.
static constexpr unsigned kShown = 10;

void InferShapesPass::runOnOperation() {
  declared.clear();
  calls.clear();
  arguments.clear();
  functions.reset();
  isFinal = false;
  copiesLeft = kMaxCopies;
  numDropped = 0;
  nextName = getFirstFreeNumber(getOperation());
  if (auto module = dyn_cast<ModuleOp>(getOperation()))
    functions.emplace(module);
  if (failed(inferGraphs()) || failed(inferFunctions()))
    return signalPassFailure();
  if (numDropped > kShown)
    getOperation()->emitWarning("the model states wrong shapes for ")
        << numDropped - kShown << " more values: the statements are dropped";
}

LogicalResult InferShapesPass::inferGraphs() {
  // Graphs do not nest. Their subgraphs are visited with the nodes.
  WalkResult result = getOperation()->walk<WalkOrder::PreOrder>([&](Operation *op) {
    auto graph = dyn_cast<GraphOp>(op);
    if (!graph)
      return isa<FunctionOp>(op) ? WalkResult::skip() : WalkResult::advance();
    for (BlockArgument argument : graph.getBody().getArguments())
      argument.setType(nameDims(argument.getType()));
    if (failed(inferBlock(graph.getBody().front(), graph.getInfo())))
      return WalkResult::interrupt();
    return WalkResult::skip();
  });
  return failure(result.wasInterrupted());
}

LogicalResult InferShapesPass::inferFunctions() {
  isFinal = true;
  WalkResult result = getOperation()->walk<WalkOrder::PreOrder>([&](FunctionOp function) {
    for (auto [argument, type] :
         llvm::zip(function.getBody().getArguments(), arguments.lookup(function)))
      if (type)
        argument.setType(nameDims(type));
    if (failed(inferBlock(function.getBody().front(), function.getInfo())))
      return WalkResult::interrupt();
    return WalkResult::skip();
  });
  return failure(result.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// Names of dims
//===----------------------------------------------------------------------===//

Type InferShapesPass::nameDims(Type type) {
  TensorInfo info = getTensorInfo(type);
  if (!nameUnknownDims || !info.hasRank())
    return type;
  for (Dim &dim : *info.dims)
    if (dim.isUnknown())
      dim = makeNumberedDim(&getContext(), nextName++);
  return makeTensorType(info);
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

/// Joins the types of a call with what is known from earlier calls.
void InferShapesPass::noteCall(FunctionOp function, TypeRange types) {
  if (isFinal)
    return;
  unsigned count = function.getBody().getNumArguments();
  auto [known, isFirst] = arguments.try_emplace(function);
  known->second.resize(count);
  for (unsigned i = 0; i < count; ++i) {
    // An input that a call leaves out may be anything.
    Type type = i < types.size() && !isa<NoneType, UnknownType>(types[i]) ? types[i] : Type();
    Type &joint = known->second[i];
    if (isFirst)
      joint = type;
    else
      joint = joint && type ? joinTypes(joint, type) : Type();
  }
}

LogicalResult InferShapesPass::inferCall(FunctionOp function, NodeInterface call,
                                         SmallVectorImpl<Type> &types) {
  types.assign(call->getNumResults(), Type());
  noteCall(function, call->getOperandTypes());
  auto key = std::pair<Operation *, Type>(
      function, FunctionType::get(&getContext(), call->getOperandTypes(), {}));
  auto known = calls.find(key);
  if (known == calls.end()) {
    if (copiesLeft == 0 || llvm::is_contained(callStack, function.getOperation()))
      return success();
    --copiesLeft;
    callStack.push_back(function);
    unsigned firstName = nextName;
    FunctionOp copy = function.clone();
    function->getBlock()->getOperations().insert(std::next(Block::iterator(function)), copy);
    llvm::scope_exit done([&] {
      callStack.pop_back();
      copy.erase();
    });
    for (auto [argument, type] : llvm::zip(copy.getBody().getArguments(), call->getOperandTypes()))
      if (!isa<NoneType>(type))
        argument.setType(type);
    if (failed(inferBlock(copy.getBody().front(), copy.getInfo())))
      return failure();
    SmallVector<Type> results =
        llvm::to_vector(copy.getBody().front().getTerminator()->getOperandTypes());
    for (Type &type : results)
      type = forgetNames(type, firstName);
    known = calls.try_emplace(key, std::move(results)).first;
  }
  for (auto [type, inferred] : llvm::zip(types, known->second))
    if (!isa<NoneType, UnknownType>(inferred))
      type = inferred;
  return success();
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
  // The declared type of a value must be known before its users are visited. It is forgotten with
  // the block, which may be that of a copy.
  SmallVector<Value> added;
  llvm::scope_exit forget([&] {
    for (Value value : added)
      declared.erase(value);
  });
  if (info && info.getOutputs().size() == block.getTerminator()->getNumOperands())
    for (auto [value, attr] : llvm::zip(block.getTerminator()->getOperands(), info.getOutputs()))
      if (auto output = dyn_cast<ValueInfoAttr>(attr))
        if (declared.try_emplace(value, output.getType()).second)
          added.push_back(value);
  for (Operation &op : block) {
    auto typed = dyn_cast<InferTypesInterface>(op);
    if (typed)
      inferArguments(typed);
    for (Region &region : op.getRegions())
      if (!region.empty() && failed(inferBlock(region.front(), getSubgraphInfo(region))))
        return failure();
    if (typed && failed(inferResults(typed)))
      return failure();
  }
  return checkOutputs(block, info);
}

/// Returns whether `op` may never run because it is in a subgraph. Exporters guard a Squeeze by an
/// If on the dim's size, so the branch that is not taken is invalid although the model is valid.
/// Contradictions there leave a type as it is.
static bool isConditional(Operation *op) {
  return !isa_and_nonnull<GraphOp, FunctionOp>(op->getParentOp());
}

/// Gets the types from the op's rule. If the user asked for it, contradictions between operands
/// become warnings, and the results keep their types.
LogicalResult InferShapesPass::inferResultTypes(InferTypesInterface op,
                                                SmallVectorImpl<Type> &types) {
  if (auto node = dyn_cast<NodeInterface>(op.getOperation()); node && functions)
    if (FunctionOp function = functions->lookup(node))
      return inferCall(function, node, types);
  bool conditional = isConditional(op);
  if (onConflict == ConflictAction::Error && !conditional)
    return op.inferResultTypes(types);
  SmallVector<std::pair<Location, std::string>> messages;
  LogicalResult result = failure();
  {
    ScopedDiagnosticHandler handler(&getContext(), [&](Diagnostic &diagnostic) {
      messages.emplace_back(diagnostic.getLocation(), diagnostic.str());
    });
    result = op.inferResultTypes(types);
  }
  if (!conditional)
    for (auto &[loc, message] : messages)
      emitWarning(loc) << message;
  if (failed(result))
    types.assign(op->getNumResults(), Type());
  return success();
}

/// Refines the types of the body's arguments. If the model states another type, it stays, because a
/// runtime may shape the body's inputs as the body says.
void InferShapesPass::inferArguments(InferTypesInterface op) {
  SmallVector<Type> types;
  op.inferArgumentTypes(types);
  if (types.empty())
    return;
  for (auto [argument, type] : llvm::zip(op->getRegion(0).getArguments(), types)) {
    Type merged = type ? mergeTypes(type, argument.getType()) : Type();
    argument.setType(nameDims(merged ? merged : argument.getType()));
  }
}

LogicalResult InferShapesPass::inferResults(InferTypesInterface op) {
  SmallVector<Type> types;
  if (failed(inferResultTypes(op, types)))
    return failure();
  types.resize(op->getNumResults());
  for (auto [value, type] : llvm::zip(op->getResults(), types)) {
    if (failed(refine(value, type)))
      return failure();
    if (!getTensorInfo(value).hasRank() && callStack.empty())
      ++numUnknown;
  }
  return success();
}

static std::string describe(OpResult value, Operation *op) {
  StringRef name = getValueName(value);
  std::string text =
      name.empty() ? "result " + std::to_string(value.getResultNumber()) : quoteName(name);
  if (StringRef node = getNodeName(op); !node.empty())
    text += " of node " + quoteName(node);
  return text;
}

/// Returns whether `stated` may be dropped, which is so if only its shape differs. Runtimes drop it
/// as well.
bool InferShapesPass::isStale(Type inferred, Type stated) {
  auto a = dyn_cast<TensorType>(inferred), b = dyn_cast<TensorType>(stated);
  return !strict && a && b && a.getElementType() == b.getElementType() &&
         !mergeTypes(inferred, stated);
}

/// Warns and returns the inferred type. Inside a subgraph it returns the stated type.
Type InferShapesPass::dropStatement(OpResult value, Type inferred, Type stated, StringRef source) {
  Operation *op = value.getOwner();
  if (isConditional(op))
    return stated;
  if (callStack.empty() && ++numDropped <= kShown)
    op->emitWarning("expected ") << describe(value, op) << " to be " << stated << " as " << source
                                 << ", but it is " << inferred << ": the statement is dropped";
  return inferred;
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
  FailureOr<Type> type = stated;
  if (inferred && isStale(inferred, stated))
    type = dropStatement(value, inferred, stated, "the model states");
  else if (inferred)
    type = merge(inferred, stated, "the model states");
  if (failed(type))
    return failure();
  if (Type output = declared.lookup(value)) {
    type = inferred && isStale(*type, output)
               ? dropStatement(value, *type, output, "the output is declared")
               : merge(*type, output, "the output is declared");
    if (failed(type))
      return failure();
  }
  *type = nameDims(*type);
  if (*type != stated) {
    value.setType(*type);
    if (callStack.empty()) // not in a copy
      ++numRefined;
  }
  return success();
}

/// Checks outputs that no node of the block computes (inputs, initializers, values of an outer
/// graph). They are not refined.
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
    if (isStale(value.getType(), output.getType())) {
      if (!isa_and_nonnull<InferTypesInterface>(owner)) // else `refine` has warned
        terminator->emitWarning("expected output ")
            << quoteName(output.getName()) << " to be " << output.getType()
            << " as declared, but it is " << value.getType();
      continue;
    }
    if (onConflict == ConflictAction::Warn && isa_and_nonnull<NodeInterface>(owner))
      continue; // `refine` has warned
    report(terminator) << "expected output " << quoteName(output.getName()) << " to be "
                       << output.getType() << " as declared, but got " << value.getType();
    if (onConflict == ConflictAction::Error)
      return failure();
  }
  return success();
}
