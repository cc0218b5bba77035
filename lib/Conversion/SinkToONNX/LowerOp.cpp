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
#include "basin/Dialect/Sink/IR/Parts.h"

#include "mlir/IR/IRMapping.h"

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

unsigned basin::countMeantResults(Operation *op) {
  if (auto attention = dyn_cast<sink::AttentionOp>(op))
    return attention.getHasPresent() ? 3 : 1;
  return op->getNumResults();
}

/// Returns whether the op's meaning can only be read from the operator in its form.
static bool needsForm(Operation *op) {
  auto attention = dyn_cast<sink::AttentionOp>(op);
  return attention && sink::AttentionParts(attention).needsForm();
}

Operation *basin::createBare(Operation *op, ValueRange operands, TypeRange results, OpBuilder &b) {
  OperationState state(op->getLoc(), op->getName(), operands, results,
                       llvm::to_vector(op->getDiscardableAttrs()));
  state.attributes.erase(kOutsAttr);
  state.propertiesAttr = op->getPropertiesAsAttribute();
  for (unsigned i = 0; i < op->getNumRegions(); ++i)
    state.addRegion();
  Operation *bare = b.create(state);
  if (!needsForm(op))
    return bare;
  IRMapping mapping;
  for (auto [from, to] : llvm::zip_equal(op->getRegions(), bare->getRegions()))
    from.cloneInto(&to, mapping);
  // The form also yields inner values, which are dropped.
  for (Region &form : bare->getRegions())
    for (Block &block : form)
      block.getTerminator()->eraseOperands(results.size(), block.getTerminator()->getNumOperands() -
                                                               results.size());
  return bare;
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
