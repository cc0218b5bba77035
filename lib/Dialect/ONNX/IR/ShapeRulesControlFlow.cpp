//===- ShapeRulesControlFlow.cpp --------------------------------------*- C++
//-*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information. SPDX-License-Identifier:
// Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

LogicalResult infer::unknown(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  return success();
}

/// If: what holds of both branches' results.
LogicalResult infer::subgraphs(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  if (op->getNumRegions() != 2)
    return success();
  auto yields = [&](unsigned region) {
    return op->getRegion(region).front().getTerminator()->getOperands();
  };
  OperandRange first = yields(0), second = yields(1);
  for (OperandRange branch : {first, second})
    if (branch.size() != op->getNumResults())
      return op->emitOpError("expected ")
             << op->getNumResults() << " results of each branch, but got " << branch.size();
  for (auto [i, a, b] : llvm::enumerate(first.getTypes(), second.getTypes())) {
    Type elementA = getTensorInfo(a).element, elementB = getTensorInfo(b).element;
    if (elementA && elementB && elementA != elementB)
      return op->emitOpError("expected branches of one element type, but got ")
             << elementA << " and " << elementB << " for result " << i;
    types[i] = joinTypes(a, b);
  }
  return success();
}
