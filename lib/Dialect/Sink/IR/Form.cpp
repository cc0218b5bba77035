//===- Form.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What all forms have in common: their slots, how recognition builds a form, and how
// it is put back. NormForm.cpp has what only norms have.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Sink/IR/Form.h"

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Support/WhyNot.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

static constexpr StringLiteral kSlotAttr = "sink.slot";

void Form::mark(Operation *inner, Slot slot) {
  inner->setAttr(kSlotAttr, SlotAttr::get(inner->getContext(), slot));
}

std::optional<Slot> Form::getSlot(Operation *inner) {
  auto attr = inner->getAttrOfType<SlotAttr>(kSlotAttr);
  return attr ? std::optional(attr.getValue()) : std::nullopt;
}

Operation *Form::find(Slot slot) {
  for (Block &block : op.getFormRegion())
    for (Operation &inner : block)
      if (getSlot(&inner) == slot)
        return &inner;
  return nullptr;
}

void Form::unmark(Slot slot) {
  if (Operation *inner = find(slot))
    inner->removeAttr(kSlotAttr);
}

bool Form::rounds() {
  return op.getFormRegion()
      .walk([](QuantizeLinearOp) { return WalkResult::interrupt(); })
      .wasInterrupted();
}

/// Returns why the op cannot stand in that slot of the form.
static WhyNot checkSlot(RaisedInterface op, Operation *inner, Slot slot) {
  auto norm = dyn_cast<NormInterface>(op.getOperation());
  auto attention = dyn_cast<sink::AttentionOp>(op.getOperation());
  switch (slot) {
  case Slot::epsilon:
    if (!norm || !isa<AddOp>(inner))
      return "expected an onnx.Add in the form of a norm";
    return std::nullopt;
  case Slot::pre_affine:
    if (!norm || !norm.getPreAffine() || !isa<MulOp>(inner))
      return "expected an onnx.Mul in the form of a norm with a pre_affine operand";
    return std::nullopt;
  case Slot::gate:
    if (!attention || !attention.getGate() || !isa<MulOp>(inner))
      return "expected an onnx.Mul in the form of attention with a gate operand";
    return std::nullopt;
  }
  llvm_unreachable("a slot of no kind");
}

LogicalResult Form::verifySlots() {
  std::optional<LogicalResult> failed;
  unsigned seen = 0;
  op.getFormRegion().walk([&](Operation *inner) {
    if (!inner->hasAttr(kSlotAttr))
      return WalkResult::advance();
    std::optional<Slot> slot = getSlot(inner);
    auto refuse = [&](StringRef why) {
      failed = inner->emitOpError("has the attribute ")
               << kSlotAttr << " = " << inner->getAttr(kSlotAttr) << ": " << why;
      return WalkResult::interrupt();
    };
    if (!slot)
      return refuse("expected a #sink.slot");
    if (inner->getParentOp() != op.getOperation())
      return refuse("expected it at the top level of a form");
    if (seen & (1u << static_cast<unsigned>(*slot)))
      return refuse("expected one op in that slot");
    seen |= 1u << static_cast<unsigned>(*slot);
    WhyNot why = checkSlot(op, inner, *slot);
    return why ? refuse(*why) : WalkResult::advance();
  });
  return failed.value_or(success());
}

/// Gives the product in the slot the new factor `factor`, which comes from outside of the form.
/// Returns false if the form has no such product.
bool Form::setFactor(Slot slot, Value factor) {
  auto product = dyn_cast_or_null<MulOp>(find(slot));
  if (!product)
    return false;
  unsigned index = op.getFormRegion().isAncestor(product.getA().getParentRegion()) ? 1 : 0;
  product->setOperand(index, factor);
  return true;
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

/// Makes uses of `inner` outside of the form use `outer` instead.
static void replaceOutside(Region &form, Value inner, Value outer) {
  inner.replaceUsesWithIf(
      outer, [&](OpOperand &use) { return !form.isAncestor(use.getOwner()->getParentRegion()); });
}

/// Makes uses of `outer` inside the form use `inner` instead. The form is searched and not the uses
/// of `outer`, because a stream may be read by each norm of a model.
static void replaceInside(Region &form, Value outer, Value inner) {
  for (Operation &op : llvm::reverse(form.front()))
    op.walk([&](Operation *user) { user->replaceUsesOfWith(outer, inner); });
}

void Form::fill(ArrayRef<Value> arguments, ArrayRef<Operation *> ops, ArrayRef<Value> results) {
  Region &form = op.getFormRegion();
  Block &body = form.emplaceBlock();
  for (Value argument : arguments)
    body.addArgument(argument.getType(), argument.getLoc());
  for (Operation *inner : ops)
    inner->moveBefore(&body, body.end());
  OpBuilder b = OpBuilder::atBlockEnd(&body);
  sink::YieldOp::create(b, op->getLoc(), results);
  for (auto [outer, inner] : llvm::zip_equal(arguments, body.getArguments()))
    replaceInside(form, outer, inner);
  for (auto [inner, outer] : llvm::zip_equal(results, op->getResults()))
    replaceOutside(form, inner, outer);
}

void Form::append(ArrayRef<Operation *> ops, Value result) {
  Region &form = op.getFormRegion();
  Operation *yield = form.front().getTerminator();
  op->moveBefore(ops.back());
  for (Operation *inner : ops)
    inner->moveBefore(yield);
  for (auto [outer, inner] : llvm::zip_equal(op->getResults(), yield->getOperands()))
    replaceInside(form, outer, inner);
  op->getResult(0).setType(result.getType());
  replaceOutside(form, result, op->getResult(0));
  yield->setOperand(0, result);
}

//===----------------------------------------------------------------------===//
// Inlining
//===----------------------------------------------------------------------===//

SmallVector<Value> Form::inlineForm(ValueRange operands, OpBuilder &b) {
  Block &body = op.getFormRegion().front();
  for (auto [argument, operand] :
       llvm::zip_equal(body.getArguments(), operands.take_front(body.getNumArguments())))
    argument.replaceAllUsesWith(operand);
  Operation *yield = body.getTerminator();
  SmallVector<Value> values = llvm::to_vector_of<Value>(yield->getOperands());
  yield->erase();
  for (Operation &inner : llvm::make_early_inc_range(body)) {
    inner.removeAttr(kSlotAttr);
    inner.moveBefore(b.getInsertionBlock(), b.getInsertionPoint());
  }
  return values;
}

/// Multiplies the result by the op's gate, which was added after recognition.
static Value applyGate(sink::AttentionOp op, Value result, OpBuilder &b) {
  StringRef name = getValueName(result);
  NodeBuilder n(b, op.getLoc(), name);
  Value gated = n.node<MulOp>({result, op.getGate()});
  if (!name.empty()) {
    std::string kept = name.str();
    setValueName(cast<OpResult>(result), kept + "_ungated");
    setValueName(cast<OpResult>(gated), kept);
  }
  return gated;
}

std::optional<SmallVector<Value>> Form::inlineAt(OpBuilder &b) {
  if (auto norm = dyn_cast<NormInterface>(op.getOperation()); norm && norm.getPreAffine())
    return inlineScaled(norm, b);
  auto attention = dyn_cast<sink::AttentionOp>(op.getOperation());
  Value gate = attention ? attention.getGate() : Value();
  bool isInside = gate && setFactor(Slot::gate, gate);
  SmallVector<Value> values = inlineForm(op->getOperands(), b);
  if (gate && !isInside)
    values[0] = applyGate(attention, values[0], b);
  return values;
}
