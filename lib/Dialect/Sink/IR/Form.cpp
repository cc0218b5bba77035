//===- Form.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A form is inlined as it stands: its arguments become the op's operands, a
// norm's first one multiplied by the pre-affine vector before. Where the form
// adds the residual itself, the vector has to come between the sum and the
// norm:
//
//   Add, norm          the product takes the sum's place after the Add
//   Skip operator      the sum (and the operator's bias) written out, the
//                      operator given the product, and zeros for its skip
//   the same in f16    the product of each summand in its place; where the sum
//                      is used, a copy of the operator gives it
//
// The operator stays because its arithmetic is its own. In ONNX Runtime 1.32,
// f32 on the CPU, Add + LayerNormalization or SimplifiedLayerNormalization
// differs from the Skip operator in most elements, by some ulps, while the
// operator applied to a product of powers of two and the sum gives each bit of
// what it gives for scaled operands, and its sum output is (x + skip) + bias in
// that order. The zeros are negative: x + -0 is x for every x, +0 included.
//
// In f16 that operator adds and normalizes in f32, and rounds the sum for its
// output alone: a sum written out rounds before the norm, and a quarter of the
// elements differ. Products of the summands by powers of two are exact, and so is
// the sum of them, rounded or not.
//
// Any other form with a residual is dropped for the decomposition.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Sink/IR/Form.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Support/WhyNot.h"

#include <cmath>

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

/// Why the op cannot stand in the slot of that form.
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
      return refuse("expected a slot");
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

/// Gives the product in the slot `factor`, which comes from outside; false if the
/// form has no such product.
bool Form::setFactor(Slot slot, Value factor) {
  auto product = dyn_cast_or_null<MulOp>(find(slot));
  if (!product)
    return false;
  unsigned index = op.getFormRegion().isAncestor(product.getA().getParentRegion()) ? 1 : 0;
  product->setOperand(index, factor);
  return true;
}

//===----------------------------------------------------------------------===//
// Epsilon
//===----------------------------------------------------------------------===//

LogicalResult Form::refuseEpsilon(Type type, int exponent) {
  double epsilon = cast<NormInterface>(op.getOperation()).getEpsilon().convertToDouble();
  return op->emitError("norm '") << getResultName(op, 0) << "': its eps " << epsilon << " times 2^"
                                 << exponent << " would leave the normal range of " << type;
}

/// The constant operand of the Add becomes a new constant.
LogicalResult Form::scaleEpsilonOperand(Operation *add, int exponent) {
  for (OpOperand &operand : add->getOpOperands()) {
    if (!getConstantScalar(operand.get()))
      continue;
    OpBuilder b(add);
    Value scaled = makeScaledScalar(b, operand.get(), exponent);
    if (!scaled)
      return refuseEpsilon(cast<TensorType>(operand.get().getType()).getElementType(), exponent);
    operand.set(scaled);
    return success();
  }
  return op->emitError("norm '") << getResultName(op, 0)
                                 << "': its eps is computed, which cannot be scaled";
}

/// A fused operator: eps is its attribute, in f32.
LogicalResult Form::scaleEpsilonAttribute(double epsilon, int exponent) {
  Builder b(op->getContext());
  float scaled = std::ldexp(static_cast<float>(epsilon), exponent);
  if (!std::isnormal(scaled))
    return refuseEpsilon(b.getF32Type(), exponent);
  bool found = false;
  for (Operation &inner : op.getFormRegion().front())
    if (isa<LayerNormalizationOp, RMSNormalizationOp, SimplifiedLayerNormalizationOp,
            MSSimplifiedLayerNormalizationOp, MSSkipLayerNormalizationOp,
            MSSkipSimplifiedLayerNormalizationOp>(inner)) {
      inner.setAttr("epsilon", b.getF32FloatAttr(scaled));
      found = true;
    }
  if (found)
    return success();
  return op->emitError("norm '") << getResultName(op, 0)
                                 << "': its form has no eps that is understood";
}

LogicalResult Form::scaleEpsilon(int exponent) {
  double epsilon = cast<NormInterface>(op.getOperation()).getEpsilon().convertToDouble();
  if (Operation *add = find(Slot::epsilon))
    return scaleEpsilonOperand(add, exponent);
  return scaleEpsilonAttribute(epsilon, exponent);
}

//===----------------------------------------------------------------------===//
// Norms with a pre-affine vector
//===----------------------------------------------------------------------===//

/// Moves the form's nodes to the insertion point and returns what they yield.
static SmallVector<Value> inlineForm(Region &form, ValueRange operands, OpBuilder &b) {
  Block &body = form.front();
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

/// `x` times the vector, in x's type.
static Value multiply(NodeBuilder &n, Value x, Value vector, StringRef suffix = "pre_affine") {
  if (auto type = dyn_cast<TensorType>(x.getType()))
    vector = n.cast(vector, type.getElementType());
  return n.named(n.node<MulOp>({x, vector}), suffix);
}

/// The node of the form that adds the residual, and is the only one to read its
/// two arguments: an Add or a Skip operator. Where both are the same value, the
/// first argument may stand for both.
Operation *Form::findSum() {
  Block &form = op.getFormRegion().front();
  if (form.getNumArguments() != 2)
    return nullptr;
  bool isDoubled = op->getOperand(0) == op->getOperand(1);
  Value x = form.getArgument(0), residual = form.getArgument(1);
  SmallVector<OpOperand *, 2> uses;
  for (Value argument : {x, residual})
    for (OpOperand &use : argument.getUses())
      uses.push_back(&use);
  if (uses.size() != 2 || !(isDoubled || x.hasOneUse()))
    return nullptr;
  Operation *sum = uses[0]->getOwner();
  if (sum != uses[1]->getOwner() || sum->getBlock() != &form || uses[0]->getOperandNumber() > 1 ||
      uses[1]->getOperandNumber() > 1)
    return nullptr;
  bool adds = isa<AddOp, MSSkipLayerNormalizationOp, MSSkipSimplifiedLayerNormalizationOp>(sum);
  return adds ? sum : nullptr;
}

/// The Skip operator's bias; null for other ops.
static Value getSkipBias(Operation *op) {
  if (auto skip = dyn_cast<MSSkipLayerNormalizationOp>(op))
    return skip.getBias();
  if (auto skip = dyn_cast<MSSkipSimplifiedLayerNormalizationOp>(op))
    return skip.getBias();
  return {};
}

static Value makeNegativeZeros(NodeBuilder &n, Value like) {
  auto type = RankedTensorType::get({1}, cast<TensorType>(like.getType()).getElementType());
  APFloat zero = APFloat::getZero(cast<FloatType>(type.getElementType()).getFloatSemantics(),
                                  /*Negative=*/true);
  NamedAttribute value = n.getBuilder().getNamedAttr("value", DenseElementsAttr::get(type, zero));
  return n.node<ConstantOfShapeOp>({n.node<ShapeOp>({like})}, value);
}

/// Gives the Skip operator `skip` the product of its own sum and the vector.
/// `values` are the form's results.
static void scaleSkipSum(Operation *skip, Value vector, NodeBuilder &n,
                         MutableArrayRef<Value> values) {
  OpBuilder::InsertionGuard guard(n.getBuilder());
  n.getBuilder().setInsertionPoint(skip);
  Value sum = n.named(n.node<AddOp>({skip->getOperand(0), skip->getOperand(1)}), "sum");
  if (Value bias = getSkipBias(skip)) {
    sum = n.node<AddOp>({sum, bias});
    // The bias is the last operand of both operators.
    skip->eraseOperand(skip->getNumOperands() - 1);
  }
  Value product = multiply(n, sum, vector);
  skip->setOperands(0, 2, {product, makeNegativeZeros(n, product)});
  constexpr unsigned kSumOutput = 3;
  if (values.size() < 2 || skip->getNumResults() <= kSumOutput)
    return;
  OpResult given = skip->getResult(kSumOutput);
  setValueName(cast<OpResult>(sum), getValueName(given));
  setValueName(given, "");
  values[1] = sum;
}

/// Gives the Skip operator products of its summands and the vector. Its sum, if
/// used, comes from a copy that stays as it was.
static void scaleSkipSummands(Operation *skip, Value vector, NodeBuilder &n,
                              MutableArrayRef<Value> values, bool isSumUsed) {
  OpBuilder &b = n.getBuilder();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(skip);
  constexpr unsigned kSumOutput = 3;
  if (values.size() > 1 && isSumUsed) {
    Operation *copy = b.clone(*skip);
    std::string name = (getNodeName(skip) + "_sum").str();
    copy->setAttr(kNameAttr, b.getStringAttr(name));
    setValueName(copy->getResult(0), name + "_unused");
    setValueName(skip->getResult(kSumOutput), "");
    values[1] = copy->getResult(kSumOutput);
  }
  auto scale = [&](unsigned i, StringRef suffix) {
    skip->setOperand(i, multiply(n, skip->getOperand(i), vector, suffix));
  };
  scale(0, "pre_affine");
  scale(1, "pre_affine_skip");
  if (getSkipBias(skip))
    scale(skip->getNumOperands() - 1, "pre_affine_bias");
}

/// The same after an Add of x and the residual.
static void scaleSum(Operation *add, Value vector, NodeBuilder &n) {
  OpBuilder::InsertionGuard guard(n.getBuilder());
  n.getBuilder().setInsertionPointAfter(add);
  Value sum = add->getResult(0);
  SmallPtrSet<OpOperand *, 4> uses;
  for (OpOperand &use : sum.getUses())
    uses.insert(&use);
  Value product = multiply(n, sum, vector);
  sum.replaceUsesWithIf(product, [&](OpOperand &use) { return uses.contains(&use); });
}

std::optional<SmallVector<Value>> Form::inlineScaled(NormInterface norm, OpBuilder &b) {
  Region &form = op.getFormRegion();
  Value vector = norm.getPreAffine(), x = norm.getX();
  if (setFactor(Slot::pre_affine, vector))
    return inlineForm(form, op->getOperands(), b);
  NodeBuilder n(b, op->getLoc(), getResultName(op, 0));
  if (!norm.getResidual())
    return inlineForm(form, {multiply(n, x, vector)}, b);
  Operation *sum = findSum();
  if (!sum || (!isa<TensorType>(x.getType()) && !isa<AddOp>(sum)))
    return std::nullopt;
  SmallVector<Value> values = inlineForm(form, {x, norm.getResidual()}, b);
  if (isa<AddOp>(sum))
    scaleSum(sum, vector, n);
  else if (cast<TensorType>(x.getType()).getElementType().isF32())
    scaleSkipSum(sum, vector, n, values);
  else
    scaleSkipSummands(sum, vector, n, values, norm.getSum() && !norm.getSum().use_empty());
  return values;
}

//===----------------------------------------------------------------------===//
// Any op
//===----------------------------------------------------------------------===//

/// The gate was put there after recognition.
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
  SmallVector<Value> values = inlineForm(op.getFormRegion(), op->getOperands(), b);
  if (gate && !isInside)
    values[0] = applyGate(attention, values[0], b);
  return values;
}
