//===- LowerOp.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowers one op to the onnx ops of its form, or else of its decomposition.
//
//===----------------------------------------------------------------------===//

#include "LowerOp.h"

#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// Decomposes the op and gives the results its names.
static FailureOr<SmallVector<Value>> decompose(Operation *op, OpBuilder &b) {
  FailureOr<SmallVector<Value>> values = cast<sink::DecomposableInterface>(op).decompose(b);
  if (failed(values))
    return failure();
  for (auto [i, value] : llvm::enumerate(*values)) {
    StringRef name = sink::getResultName(op, i);
    if (!name.empty() && !llvm::is_contained(op->getOperands(), value))
      setValueName(cast<OpResult>(value), name);
  }
  return values;
}

FailureOr<SmallVector<Value>> basin::lowerSinkOp(Operation *op, OpBuilder &b) {
  auto raised = dyn_cast<sink::RaisedInterface>(op);
  if (raised && sink::Form(raised)) {
    if (std::optional<SmallVector<Value>> values = sink::Form(raised).inlineAt(b))
      return std::move(*values);
    if (sink::Form(raised).rounds())
      return op->emitOpError(
          "rounds to quantized types inside, and its form cannot take the change "
          "that was made to it");
  }
  return decompose(op, b);
}

LogicalResult basin::replaceInline(Operation *op, OpBuilder &b) {
  FailureOr<SmallVector<Value>> values = lowerSinkOp(op, b);
  if (failed(values))
    return failure();
  op->replaceAllUsesWith(*values);
  op->erase();
  return success();
}

void basin::settleMadeOps(Operation *root) {
  SmallVector<Operation *> made;
  root->walk([&](Operation *op) {
    if (op->removeAttr(sink::kMadeAttr))
      made.push_back(op);
  });
  for (Operation *op : llvm::reverse(made))
    if (op->use_empty())
      op->erase();
}
