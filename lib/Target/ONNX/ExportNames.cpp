//===- ExportNames.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Chooses names of values at export. A value keeps its recorded name if that still is unique, and
// gets a new one otherwise. A graph's outputs are named first, because they are its interface.
// Sibling subgraphs may use the same name. A subgraph may hide an outer name only if it does not
// use the outer value.
//
//===----------------------------------------------------------------------===//

#include "Exporter.h"

using namespace mlir;
using namespace basin::onnx;

StringRef Exporter::nameOf(Value value) const {
  auto it = valueNames.find(value);
  return it == valueNames.end() ? StringRef() : StringRef(it->second);
}

bool Exporter::isFree(StringRef name) const {
  Region *region = scopes.back().region;
  for (const NameScope &scope : scopes) {
    auto it = scope.names.find(name);
    if (it == scope.names.end())
      continue;
    if (scope.region == region)
      return false;
    for (Operation *user : it->second.getUsers())
      if (region->isAncestor(user->getParentRegion()))
        return false;
  }
  return true;
}

void Exporter::assign(Value value, StringRef wanted) {
  std::string name = wanted.str();
  while (name.empty() || !isFree(name))
    name = (wanted.empty() ? "basin" : wanted.str()) + "_" + std::to_string(nextName++);
  scopes.back().names[name] = value;
  valueNames[value] = name;
}

/// Returns whether a value can simply take the name of an output: a node of this block computes
/// it, or it already has that name.
static bool canTakeOutputName(Value value, StringRef name, Block &block) {
  if (getValueName(value) == name)
    return true;
  Operation *op = value.getDefiningOp();
  return op && op->getBlock() == &block && isa<NodeInterface>(op);
}

void Exporter::nameValues(Block &block, GraphInfoAttr info) {
  scopes.push_back({{}, block.getParent()});
  for (BlockArgument arg : block.getArguments())
    assign(arg, getValueName(arg));
  auto ret = cast<ReturnOp>(block.getTerminator());
  for (auto [value, output] :
       llvm::zip_equal(ret.getOperands(), info.getOutputs().getAsRange<ValueInfoAttr>())) {
    StringRef name = output.getName();
    bool isLocal = value.getParentBlock() == &block;
    if (isLocal && !valueNames.contains(value) && canTakeOutputName(value, name, block) &&
        isFree(name))
      assign(value, name);
    else if (isFree(name) && !name.empty() && nameOf(value) != name)
      scopes.back().names[name] = value; // taken by the Identity to come
  }
  for (Operation &op : block)
    for (OpResult result : op.getResults()) {
      if (valueNames.contains(result) || isa<AbsentOp>(op))
        continue;
      StringRef recorded = getValueName(result);
      // An optional output that the node leaves out keeps its empty name.
      bool leftOut = recorded.empty() && result.use_empty() && op.hasAttr(kOutsAttr);
      // By ONNX's rule, an initializer with the name of an input is the input's default value.
      auto it = scopes.back().names.find(recorded);
      bool isDefault = isa<InitializerOp>(op) && it != scopes.back().names.end() &&
                       isa<BlockArgument>(it->second);
      if (isDefault)
        valueNames[result] = recorded.str();
      else if (!leftOut)
        assign(result, recorded);
    }
}
