//===- NodeForm.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes operators that stand for several nodes as these nodes, for runtimes that lack them. An
// operator stays if its meaning has no decomposition, if a value is read that the decomposition
// does not have, or if it rounds to quantized types.
//
//===----------------------------------------------------------------------===//

#include "ExportForms.h"
#include "LowerOp.h"

#include "basin/Dialect/ONNX/IR/QuoteName.h"
#include "basin/Dialect/Sink/IR/Form.h"
#include "basin/Support/WhyNot.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// Returns whether the node is an operator for several others.
static bool isFused(Operation &op) {
  auto node = dyn_cast<NodeInterface>(op);
  if (!node)
    return false;
  constexpr StringLiteral kFused[] = {"Attention", "LayerNormalization", "RMSNormalization",
                                      "RotaryEmbedding", "SimplifiedLayerNormalization"};
  return !node.getOpDomain().empty() || llvm::is_contained(kFused, node.getOpType());
}

/// Returns the operator in the form of `op`, or null.
static Operation *findOperator(Operation *op) {
  auto raised = dyn_cast<sink::RaisedInterface>(op);
  if (!raised || raised.getFormRegion().empty())
    return nullptr;
  for (Operation &inner : raised.getFormRegion().front())
    if (isFused(inner))
      return &inner;
  return nullptr;
}

/// Replaces the op by its decomposition, or says why it has none.
static WhyNot replaceByNodes(Operation *op) {
  if (sink::Form(cast<sink::RaisedInterface>(op)).rounds())
    return "it rounds to quantized types";
  unsigned count = countMeantResults(op);
  for (OpResult result : op->getResults().drop_front(count))
    if (!result.use_empty())
      return "a value inside it is read";
  std::string reason;
  OpBuilder b(op);
  Operation *last = op->getPrevNode();
  FailureOr<SmallVector<Value>> values = failure();
  {
    ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() == DiagnosticSeverity::Error && reason.empty())
        reason = diagnostic.str();
      return success();
    });
    auto types = llvm::to_vector(op->getResults().take_front(count).getTypes());
    Operation *bare = createBare(op, op->getOperands(), types, b);
    bool keepsForm = isa<sink::RaisedInterface>(bare) &&
                     !cast<sink::RaisedInterface>(bare).getFormRegion().empty();
    if (!keepsForm)
      values = cast<sink::DecomposableInterface>(bare).decompose(b);
    bare->erase();
  }
  if (failed(values)) {
    while (op->getPrevNode() != last) {
      op->getPrevNode()->dropAllUses();
      op->getPrevNode()->erase();
    }
    return reason.empty() ? "its meaning has no decomposition" : reason;
  }
  for (auto [i, value] : llvm::enumerate(*values)) {
    StringRef name = sink::getResultName(op, i);
    if (!name.empty() && !llvm::is_contained(op->getOperands(), value))
      setValueName(cast<OpResult>(value), name);
    op->getResult(i).replaceAllUsesWith(value);
  }
  op->erase();
  return std::nullopt;
}

LogicalResult basin::convertToNodes(ModuleOp, ArrayRef<Operation *> ops) {
  for (Operation *op : ops) {
    if (Operation *fused = findOperator(op)) {
      std::string type = cast<NodeInterface>(fused).getOpType().str();
      std::string name = sink::getResultName(op, 0).str();
      Location loc = op->getLoc();
      WhyNot why = replaceByNodes(op);
      if (!why)
        continue;
      emitRemark(loc) << type << " " << quoteName(name) << " is left as an operator: " << *why;
    }
    OpBuilder b(op);
    if (failed(replaceInline(op, b)))
      return failure();
  }
  return success();
}
