//===- DecomposeNorm.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decomposes rms_norm, layer_norm, dyt and gate into onnx ops. Statistics of f16 and bf16 values
// are in f32, where a square does not overflow. Everything from step 2 on stays in f32 and is
// rounded once, at the end. dyt and gate compute in x's type.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::sink;

namespace {
/// The results of steps 1 and 2 of both norms.
struct NormInput {
  Value sum;       // (x + residual) + residual_bias, in x's type
  Value scaled;    // pre_affine * sum, in `compute`
  Type compute;    // f32, or x's type if it is no f16 and no bf16
  Type resultType; // element type of the result
};
} // namespace

static Type getComputeType(Type element) {
  return element.isF16() || element.isBF16() ? Float32Type::get(element.getContext()) : element;
}

static FailureOr<NormInput> startNorm(NormInterface op, NodeBuilder &n) {
  FailureOr<Type> element = requireElementType(op, op.getX(), "an x");
  if (failed(element))
    return failure();
  NormInput in;
  in.sum = op.getX();
  in.compute = getComputeType(*element);
  auto result = dyn_cast<TensorType>(op.getResult().getType());
  in.resultType = result ? result.getElementType() : *element;
  SmallVector<Value, 3> summands = op.getSummands();
  for (Value more : llvm::drop_begin(summands))
    in.sum = n.node<AddOp>({in.sum, more});
  in.scaled = n.cast(in.sum, in.compute);
  if (op.getPreAffine())
    in.scaled = n.node<MulOp>({in.scaled, n.cast(op.getPreAffine(), in.compute)});
  return in;
}

/// Computes value / sqrt(mean(value^2) + epsilon) * weight + bias, rounded to the result's type.
static SmallVector<Value> finishNorm(NormInterface op, NodeBuilder &n, const NormInput &in,
                                     Value value) {
  Value square = n.node<MulOp>({value, value});
  Value epsilon = n.scalar(op.getEpsilon().convertToDouble(), in.compute);
  Value variance = n.node<AddOp>({n.reduceMean(square, {-1}), epsilon});
  Value result = n.node<DivOp>({value, n.node<SqrtOp>({variance})});
  if (op.getWeight())
    result = n.node<MulOp>({result, n.cast(op.getWeight(), in.compute)});
  if (op.getBias())
    result = n.node<AddOp>({result, n.cast(op.getBias(), in.compute)});
  SmallVector<Value> results{n.cast(result, in.resultType)};
  if (op.getSum())
    results.push_back(in.sum);
  return results;
}

static FailureOr<SmallVector<Value>> decomposeNorm(NormInterface op, OpBuilder &b) {
  FailureOr<NodeBuilder> n = startDecomposition(op, b);
  if (failed(n))
    return failure();
  FailureOr<NormInput> in = startNorm(op, *n);
  if (failed(in))
    return failure();
  Value value = in->scaled;
  if (op.isCentring())
    value = n->node<SubOp>({value, n->reduceMean(value, {-1})});
  return finishNorm(op, *n, *in, value);
}

FailureOr<SmallVector<Value>> RMSNormOp::decompose(OpBuilder &b) { return decomposeNorm(*this, b); }

FailureOr<SmallVector<Value>> LayerNormOp::decompose(OpBuilder &b) {
  return decomposeNorm(*this, b);
}

/// Casts `value` to the element type of `type`, if both are known.
static Value castLike(NodeBuilder &n, Value value, Type type) {
  auto to = dyn_cast<TensorType>(type);
  return to && isa<TensorType>(value.getType()) ? n.cast(value, to.getElementType()) : value;
}

FailureOr<SmallVector<Value>> DyTOp::decompose(OpBuilder &b) {
  FailureOr<NodeBuilder> n = startDecomposition(*this, b);
  if (failed(n))
    return failure();
  Type type = getX().getType();
  Value scaled = n->node<MulOp>({getX(), castLike(*n, getAlpha(), type)});
  if (getShift())
    scaled = n->node<AddOp>({scaled, castLike(*n, getShift(), type)});
  Value squashed =
      getSquash() == Squash::erf ? n->node<ErfOp>({scaled}) : n->node<TanhOp>({scaled});
  Value result = n->node<MulOp>({squashed, castLike(*n, getGamma(), type)});
  if (getBeta())
    result = n->node<AddOp>({result, castLike(*n, getBeta(), type)});
  return SmallVector<Value>{castLike(*n, result, getResult().getType())};
}

static Value swish(NodeBuilder &n, Value x) { return n.node<MulOp>({x, n.node<SigmoidOp>({x})}); }

static Value activate(NodeBuilder &n, Value x, Activation activation) {
  switch (activation) {
  case Activation::sigmoid:
    return n.node<SigmoidOp>({x});
  case Activation::tanh:
    return n.node<TanhOp>({x});
  case Activation::silu:
    return swish(n, x);
  case Activation::identity:
    return x;
  }
  llvm_unreachable("an activation of no kind");
}

FailureOr<SmallVector<Value>> GateOp::decompose(OpBuilder &b) {
  FailureOr<NodeBuilder> n = startDecomposition(*this, b);
  if (failed(n))
    return failure();
  Type type = getX().getType();
  auto project = [&](Value input, Value matrix, Value bias) {
    Value product = n->node<MatMulOp>({input, castLike(*n, matrix, type)});
    return bias ? n->node<AddOp>({product, castLike(*n, bias, type)}) : product;
  };
  Value low = swish(*n, project(getX(), getWDown(), getBiasDown()));
  Value score = project(low, getWUp(), getBiasUp());
  Value result = n->node<MulOp>({activate(*n, score, getActivation()), getX()});
  return SmallVector<Value>{castLike(*n, result, getResult().getType())};
}
