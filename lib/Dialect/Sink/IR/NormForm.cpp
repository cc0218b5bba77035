//===- NormForm.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What only the forms of norms have: the eps that can be scaled, the parts that inner
// values play, and the pre-affine vector that a rewrite adds.
//
// A form is inlined as it is: the op's operands take the places of its arguments, and the first
// argument of a norm is multiplied by the pre-affine vector before. If the form adds the residual
// itself, the vector has to come between the sum and the norm:
//
//   Add, norm          the product takes the sum's place after the Add
//   Skip operator      the sum (and the operator's bias) is written out; the operator gets the
//                      product, and zeros as its skip
//   the same in f16    each summand is replaced by its product; if the sum is used, a copy of the
//                      operator computes it
//
// The operator stays because its arithmetic is its own. In ONNX Runtime 1.32, f32 on the CPU,
// Add + LayerNormalization or SimplifiedLayerNormalization differs from the Skip operator in most
// elements, by some ulps. The operator applied to the product of the sum and powers of two gives
// the same bits as applied to scaled operands, and its sum output is (x + skip) + bias in that
// order. The zeros are negative, because x + -0 is x for every x, also for +0.
//
// In f16 that operator adds and normalizes in f32, and rounds the sum only for its output. A sum
// that is written out would be rounded before the norm, and a quarter of the elements would differ.
// Products of the summands with powers of two are exact, and scale their sum exactly, rounded or
// not.
//
// For any other form with a residual, the decomposition is used instead of the form.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Sink/IR/Form.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

NormPart Form::getPart(OpOperand &operand) {
  auto norm = cast<NormInterface>(operand.getOwner());
  auto has = [&](MutableOperandRange range) { return !range.empty() && &range[0] == &operand; };
  if (has(norm.getPreAffineMutable()))
    return NormPart::PreAffine;
  if (has(norm.getWeightMutable()))
    return NormPart::Weight;
  if (has(norm.getResidualBiasMutable()))
    return NormPart::ResidualBias;
  return has(norm.getBiasMutable()) ? NormPart::Bias : NormPart::Other;
}

/// The vectors of an operator are its operands from `first` on, in this order.
static NormPart partAt(unsigned number, unsigned first, ArrayRef<NormPart> parts) {
  return number >= first && number - first < parts.size() ? parts[number - first] : NormPart::Other;
}

NormPart Form::getInnerPart(OpOperand &use) {
  Operation *inner = use.getOwner();
  unsigned number = use.getOperandNumber();
  if (isa<LayerNormalizationOp>(inner))
    return partAt(number, 1, {NormPart::Weight, NormPart::Bias});
  if (isa<RMSNormalizationOp, SimplifiedLayerNormalizationOp, MSSimplifiedLayerNormalizationOp>(
          inner))
    return partAt(number, 1, {NormPart::Weight});
  if (isa<MSSkipLayerNormalizationOp>(inner))
    return partAt(number, 2, {NormPart::Weight, NormPart::Bias, NormPart::ResidualBias});
  if (isa<MSSkipSimplifiedLayerNormalizationOp>(inner))
    return partAt(number, 2, {NormPart::Weight, NormPart::ResidualBias});
  if (!isa<MulOp, AddOp>(inner) || inner->getNumOperands() != 2 ||
      inner->getParentOp() != op.getOperation())
    return NormPart::Other;
  Value other = inner->getOperand(1 - number);
  if (other.getParentRegion() != inner->getParentRegion())
    return NormPart::Other;
  if (isa<MulOp>(inner))
    return getSlot(inner) == Slot::pre_affine ? NormPart::PreAffine : NormPart::Weight;
  if (getSlot(inner) == Slot::epsilon)
    return NormPart::Other;
  // A sum adds the one vector of the two that the norm's operands say the value is.
  bool isBias = false, isResidualBias = false;
  for (OpOperand &operand : op->getOpOperands())
    if (operand.get() == use.get()) {
      isBias |= getPart(operand) == NormPart::Bias;
      isResidualBias |= getPart(operand) == NormPart::ResidualBias;
    }
  if (isBias == isResidualBias)
    return NormPart::Other;
  return isBias ? NormPart::Bias : NormPart::ResidualBias;
}

//===----------------------------------------------------------------------===//
// Epsilon
//===----------------------------------------------------------------------===//

LogicalResult Form::refuseEpsilon(Type type, int exponent) {
  double epsilon = cast<NormInterface>(op.getOperation()).getEpsilon().convertToDouble();
  return op->emitError("norm '") << getResultName(op, 0) << "': its eps " << epsilon << " times 2^"
                                 << exponent << " would leave the normal range of " << type;
}

/// Replaces the constant operand of the Add by a new constant.
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
                                 << "': its eps is computed, so it cannot be scaled";
}

/// Scales the eps of a fused operator, which is an attribute in f32.
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
  return op->emitError("norm '") << getResultName(op, 0) << "': no eps was found in its form";
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

/// Multiplies `x` by the vector, in x's type.
static Value multiply(NodeBuilder &n, Value x, Value vector, StringRef suffix = "pre_affine") {
  if (auto type = dyn_cast<TensorType>(x.getType()))
    vector = n.cast(vector, type.getElementType());
  return n.named(n.node<MulOp>({x, vector}), suffix);
}

/// Returns the node of the form that adds the residual, an Add or a Skip operator, or null. It must
/// be the only one to read the form's two arguments. If both are the same value, the first argument
/// may stand for both.
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

/// Returns the Skip operator's bias, or null for other ops.
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

/// Multiplies the sum of an Add of x and the residual by the vector, for all readers of the sum.
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
  Value vector = norm.getPreAffine(), x = norm.getX();
  if (setFactor(Slot::pre_affine, vector))
    return inlineForm(op->getOperands(), b);
  NodeBuilder n(b, op->getLoc(), getResultName(op, 0));
  if (!norm.getResidual())
    return inlineForm({multiply(n, x, vector)}, b);
  Operation *sum = findSum();
  if (!sum || (!isa<TensorType>(x.getType()) && !isa<AddOp>(sum)))
    return std::nullopt;
  SmallVector<Value> values = inlineForm({x, norm.getResidual()}, b);
  if (isa<AddOp>(sum))
    scaleSum(sum, vector, n);
  else if (cast<TensorType>(x.getType()).getElementType().isF32())
    scaleSkipSum(sum, vector, n, values);
  else
    scaleSkipSummands(sum, vector, n, values, norm.getSum() && !norm.getSum().use_empty());
  return values;
}
