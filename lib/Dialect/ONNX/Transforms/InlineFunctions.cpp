//===- InlineFunctions.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Replaces calls in the main graph until none is left that can be replaced, because a body may hold
// calls itself. Functions that call themselves are found first. The number of nodes is limited,
// since n functions can make 2^n calls.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/TypedOps.h"
#include "basin/Dialect/ONNX/Transforms/Passes.h"
#include "basin/Dialect/ONNX/Utils/Functions.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace basin::onnx {
#define GEN_PASS_DEF_INLINEFUNCTIONSPASS
#include "basin/Dialect/ONNX/Transforms/Passes.h.inc"
} // namespace basin::onnx

using namespace mlir;
using namespace basin::onnx;

namespace {

class InlineFunctionsPass : public basin::onnx::impl::InlineFunctionsPassBase<InlineFunctionsPass> {
public:
  void runOnOperation() override;

private:
  bool callsItself(FunctionOp function);
  bool importsFit(FunctionOp function);
  LogicalResult inlineCall(NodeOp call, FunctionOp function);
  void eraseUnused(const FunctionTable &table);

  enum class Visit { Running, Fine, Recursive };
  llvm::DenseMap<Operation *, Visit> visits;
  std::optional<FunctionTable> table;
  size_t nodesLeft = 0;
};

} // namespace

static constexpr size_t kMaxNodes = size_t(1) << 22;

/// Returns whether a chain of calls leads from `function` back to itself or to another such
/// function.
bool InlineFunctionsPass::callsItself(FunctionOp function) {
  auto [visit, isNew] = visits.try_emplace(function, Visit::Running);
  if (!isNew)
    return visit->second != Visit::Fine;
  bool recursive = false;
  function.walk([&](NodeOp node) {
    if (FunctionOp callee = table->lookup(node))
      recursive |= callsItself(callee);
  });
  visits[function] = recursive ? Visit::Recursive : Visit::Fine;
  return recursive;
}

/// Returns whether the model imports the same versions of operator sets as the function. If it
/// imports none of a domain, the function's import is added to the model.
bool InlineFunctionsPass::importsFit(FunctionOp function) {
  ModuleOp module = getOperation();
  SmallVector<Attribute> missing;
  for (auto entry : function.getOpsets().getAsRange<DictionaryAttr>()) {
    auto domain = entry.getAs<StringAttr>("domain");
    auto version = entry.getAs<IntegerAttr>("version");
    StringRef name = domain ? domain.getValue() : "";
    int64_t imported = getOpsetVersion(module, name == "ai.onnx" ? "" : name);
    if (imported == 0)
      missing.push_back(entry);
    else if (version && version.getInt() != imported)
      return false;
  }
  auto model = module->getAttrOfType<DictionaryAttr>(kModelAttr);
  if (missing.empty() || !model)
    return missing.empty();
  NamedAttrList attrs(model);
  auto imports = dyn_cast_or_null<ArrayAttr>(attrs.get("opset_import"));
  if (imports)
    missing.insert(missing.begin(), imports.begin(), imports.end());
  attrs.set("opset_import", ArrayAttr::get(&getContext(), missing));
  module->setAttr(kModelAttr, attrs.getDictionary(&getContext()));
  return true;
}

//===----------------------------------------------------------------------===//
// One call
//===----------------------------------------------------------------------===//

/// Returns the value of attribute `name` in a call, which is the call's own or the default. Null if
/// there is neither.
static Attribute lookupAttr(NodeOp call, FunctionOp function, StringRef name) {
  if (Attribute given = call.getAttrs().get(name))
    return given;
  for (auto entry : function.getAttrDefaults().getAsRange<DictionaryAttr>())
    if (auto known = entry.getAs<StringAttr>("name"); known && known.getValue() == name)
      return entry.get("value");
  return {};
}

/// Replaces references to the function's attributes by their values in the call. An attribute that
/// the call leaves out is dropped.
static void bindAttrs(Operation *root, NodeOp call, FunctionOp function) {
  SmallVector<NodeOp> bound;
  root->walk([&](NodeOp node) {
    NamedAttrList attrs;
    bool changed = false;
    for (NamedAttribute attr : node.getAttrs()) {
      auto ref = dyn_cast<RefAttr>(attr.getValue());
      changed |= static_cast<bool>(ref);
      Attribute value = ref ? lookupAttr(call, function, ref.getName()) : attr.getValue();
      if (value)
        attrs.set(attr.getName(), value);
    }
    if (!changed)
      return;
    node.setAttrsAttr(attrs.getDictionary(node.getContext()));
    bound.push_back(node);
  });
  for (NodeOp node : bound)
    toTypedOp(node);
}

/// Makes nodes generic whose required input the call leaves out, because they cannot be typed ops.
/// Returns the op that replaces `root`.
static Operation *dropIncompleteTypes(Operation *root) {
  SmallVector<Operation *> incomplete;
  root->walk([&](Operation *op) {
    if (llvm::any_of(op->getOperandTypes(), llvm::IsaPred<NoneType>))
      incomplete.push_back(op);
  });
  Operation *last = root;
  for (Operation *op : incomplete) {
    Operation *made = toGenericOpIfIncomplete(op);
    if (op == root)
      last = made;
  }
  return last;
}

/// Renames all that has a name to "call/name". The caller then gives results of the body the call's
/// names.
static void renameBody(Operation *root, StringRef prefix) {
  Builder b(root->getContext());
  auto rename = [&](StringAttr name) {
    return name.empty() ? name : b.getStringAttr(prefix + "/" + name.getValue());
  };
  auto renameInfos = [&](ArrayAttr infos) {
    return b.getArrayAttr(llvm::map_to_vector(
        infos.getAsRange<ValueInfoAttr>(), [&](ValueInfoAttr info) -> Attribute {
          return ValueInfoAttr::get(b.getContext(), rename(info.getName()), info.getType(),
                                    info.getInfo());
        }));
  };
  root->walk([&](Operation *op) {
    if (auto init = dyn_cast<InitializerOp>(op))
      init.setNameAttr(rename(init.getNameAttr()));
    if (auto name = op->getAttrOfType<StringAttr>(kNameAttr))
      op->setAttr(kNameAttr, rename(name));
    if (auto outs = op->getAttrOfType<ArrayAttr>(kOutsAttr))
      op->setAttr(kOutsAttr, b.getArrayAttr(llvm::map_to_vector(
                                 outs.getAsRange<StringAttr>(),
                                 [&](StringAttr name) -> Attribute { return rename(name); })));
    if (auto graphs = op->getAttrOfType<ArrayAttr>(kSubgraphsAttr))
      op->setAttr(kSubgraphsAttr,
                  b.getArrayAttr(llvm::map_to_vector(
                      graphs.getAsRange<GraphInfoAttr>(), [&](GraphInfoAttr info) -> Attribute {
                        return GraphInfoAttr::get(b.getContext(), renameInfos(info.getInputs()),
                                                  renameInfos(info.getOutputs()),
                                                  renameInfos(info.getValueInfo()), info.getInfo());
                      })));
  });
}

LogicalResult InlineFunctionsPass::inlineCall(NodeOp call, FunctionOp function) {
  OpBuilder b(call);
  Block &body = function.getBody().front();
  if (call->getNumOperands() > body.getNumArguments() ||
      call->getNumResults() > body.getTerminator()->getNumOperands())
    return call.emitError("expected at most ")
           << body.getNumArguments() << " inputs and " << body.getTerminator()->getNumOperands()
           << " outputs as function '" << function.getName() << "' has, but got "
           << call->getNumOperands() << " and " << call->getNumResults();
  IRMapping mapping;
  for (auto [i, argument] : llvm::enumerate(body.getArguments()))
    mapping.map(argument, i < call->getNumOperands()
                              ? call->getOperand(i)
                              : AbsentOp::create(b, call.getLoc(), b.getNoneType()).getResult());
  std::string prefix = getNodeName(call).str();
  SmallVector<Operation *> cloned;
  for (Operation &op : body.without_terminator()) {
    size_t size = 0;
    op.walk([&](Operation *) { ++size; });
    if (size > nodesLeft)
      return call.emitError("the model has more than ")
             << kMaxNodes << " nodes when its functions are inlined";
    nodesLeft -= size;
    cloned.push_back(b.clone(op, mapping));
  }
  for (Operation *op : cloned)
    renameBody(op, prefix);
  SmallVector<Value> results;
  for (Value result : call.getResults()) {
    Value inner = mapping.lookup(body.getTerminator()->getOperand(results.size()));
    if (isa<NoneType>(inner.getType()))
      return call.emitError("function '")
             << function.getName() << "' returns an input that the call leaves out";
    if (auto made = dyn_cast<OpResult>(inner);
        made && llvm::is_contained(cloned, made.getOwner()) && !getValueName(result).empty())
      setValueName(made, getValueName(result));
    results.push_back(inner);
  }
  call->replaceAllUsesWith(results);
  // This comes last, because nodes may become other ops.
  for (Operation *&op : cloned)
    op = dropIncompleteTypes(op);
  for (Operation *op : cloned)
    bindAttrs(op, call, function);
  call.erase();
  ++numInlined;
  return success();
}

//===----------------------------------------------------------------------===//
// All calls
//===----------------------------------------------------------------------===//

/// Erases functions that nothing calls any more.
void InlineFunctionsPass::eraseUnused(const FunctionTable &table) {
  llvm::DenseSet<Operation *> called;
  SmallVector<Operation *> work;
  auto collect = [&](Operation *root) {
    root->walk([&](NodeOp node) {
      FunctionOp callee = table.lookup(node);
      if (callee && called.insert(callee).second)
        work.push_back(callee);
    });
  };
  for (auto graph : getOperation().getOps<GraphOp>())
    collect(graph);
  while (!work.empty())
    collect(work.pop_back_val());
  for (auto function : llvm::make_early_inc_range(getOperation().getOps<FunctionOp>()))
    if (!called.contains(function))
      function.erase();
}

void InlineFunctionsPass::runOnOperation() {
  visits.clear();
  table.emplace(getOperation());
  nodesLeft = kMaxNodes;
  if (getOperation().getOps<FunctionOp>().empty())
    return;
  llvm::DenseMap<Operation *, bool> fits;
  // Each round replaces the calls that the round before added.
  for (bool changed = true; changed;) {
    changed = false;
    SmallVector<NodeOp> nodes;
    for (auto graph : getOperation().getOps<GraphOp>())
      graph.walk([&](NodeOp node) { nodes.push_back(node); });
    for (NodeOp node : nodes) {
      FunctionOp function = table->lookup(node);
      if (!function || callsItself(function))
        continue;
      auto [known, isNew] = fits.try_emplace(function, false);
      if (isNew)
        known->second = importsFit(function);
      if (!known->second)
        continue;
      if (failed(inlineCall(node, function)))
        return signalPassFailure();
      changed = true;
    }
  }
  eraseUnused(*table);
}
