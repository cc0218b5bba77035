//===- ConvertNorms.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Converts norms and dynamic tanh. A norm's kernel also computes the residual, the pre-affine
// vector and the bias, and the gate if nothing else reads the norm's result.
//
//===----------------------------------------------------------------------===//

#include "Launches.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using kernels::GateActivation;
using kernels::NormSpec;

/// Reads the types and the dim of a norm. Returns why it has no kernel.
static WhyNot readTypes(Operation *norm, ArrayRef<Value> parameters, NormSpec &spec) {
  onnx::TensorInfo x = onnx::getTensorInfo(norm->getOperand(0));
  if (!x.element || !(x.element.isF16() || x.element.isBF16() || x.element.isF32()))
    return "expected f16, bf16 or f32, but got " + toString(x.element);
  if (!x.hasRank() || x.rank() < 1 || !x[x.rank() - 1].isStatic())
    return "expected a last axis of known size";
  spec.dim = x[x.rank() - 1].size;
  if (spec.dim < 1 || spec.dim > 65536)
    return "expected a last axis of at most 65536, but got " + std::to_string(spec.dim);
  spec.type = x.element;
  spec.resultType = elementOf(norm->getResult(0));
  spec.parameterType = Type();
  for (Value parameter : parameters) {
    if (!parameter)
      continue;
    onnx::TensorInfo info = onnx::getTensorInfo(parameter);
    if (!info.hasRank() || info.rank() != 1 || !info[0].is(spec.dim))
      return "expected parameters of " + std::to_string(spec.dim) + " elements";
    if (spec.parameterType && spec.parameterType != info.element)
      return "expected parameters of one type, but got " + toString(spec.parameterType) + " and " +
             toString(info.element);
    spec.parameterType = info.element;
  }
  spec.parameterType = spec.parameterType ? spec.parameterType : spec.type;
  for (Type type : {spec.parameterType, spec.resultType})
    if (!type || !(type.isF16() || type.isBF16() || type.isF32()))
      return "expected f16, bf16 or f32 of all its tensors, but got " + toString(type);
  return std::nullopt;
}

/// Returns the gate that is the only reader of the norm's result, or null.
static sink::GateOp findGate(Value result) {
  if (!result.hasOneUse())
    return {};
  auto gate = dyn_cast<sink::GateOp>(*result.user_begin());
  return gate && gate.getX() == result ? gate : sink::GateOp();
}

/// Converts the enum by name, because its order may differ from that of the kernels' enum.
static GateActivation toKernel(sink::Activation activation) {
  switch (activation) {
  case sink::Activation::sigmoid:
    return GateActivation::Sigmoid;
  case sink::Activation::tanh:
    return GateActivation::Tanh;
  case sink::Activation::silu:
    return GateActivation::Silu;
  case sink::Activation::identity:
    return GateActivation::Identity;
  }
  llvm_unreachable("an activation that the verifier of sink.gate refuses");
}

static WhyNot readGate(sink::GateOp gate, NormSpec &spec) {
  if (gate.getBiasDown() || gate.getBiasUp())
    return "expected projections without biases in its gate";
  onnx::TensorInfo down = onnx::getTensorInfo(gate.getWDown());
  onnx::TensorInfo up = onnx::getTensorInfo(gate.getWUp());
  if (!down.hasRank() || !up.hasRank() || down.rank() != 2 || up.rank() != 2 ||
      !down[1].isStatic() || !up[1].isStatic())
    return "expected matrices of known sizes in its gate";
  if (down.element != spec.type || up.element != spec.type)
    return "expected matrices of the norm's type in its gate: " + toString(spec.type);
  // The launch takes the norm's place, which comes before the gate. The matrices must exist
  // there. It takes them transposed.
  for (Value matrix : {gate.getWDown(), gate.getWUp()})
    if (!isa<BlockArgument>(matrix) && !onnx::isConstant(matrix))
      return "expected constants or arguments as the matrices of its gate";
  spec.gateRank = down[1].size;
  spec.tensorwise = up[1].is(1);
  spec.activation = toKernel(gate.getActivation());
  spec.resultType = elementOf(gate.getResult());
  return std::nullopt;
}

static Value getBias(sink::RMSNormOp) { return {}; }
static Value getBias(sink::LayerNormOp norm) { return norm.getBias(); }

template <typename NormOp> static WhyNot convert(NormOp norm, const KernelModule &module) {
  NormSpec spec;
  spec.layer = std::is_same_v<NormOp, sink::LayerNormOp>;
  spec.epsilon = norm.getEpsilon().convertToDouble();
  Value bias = getBias(norm);
  if (WhyNot why = readTypes(
          norm, {norm.getResidualBias(), norm.getPreAffine(), norm.getWeight(), bias}, spec))
    return why;
  SmallVector<Operation *> ops = {norm};
  sink::GateOp gate = findGate(norm.getResult());
  if (gate) {
    if (WhyNot why = readGate(gate, spec))
      return why;
    ops.push_back(gate);
  }
  LaunchBuilder launch(norm.getContext());
  launch.input("x", norm.getX());
  spec.residual = launch.input("residual", norm.getResidual());
  spec.residualBias = launch.input("residual_bias", norm.getResidualBias());
  spec.preAffine = launch.input("pre_affine", norm.getPreAffine());
  spec.weight = launch.input("weight", norm.getWeight());
  spec.bias = launch.input("bias", bias);
  if (gate) {
    launch.input("gate_down", gate.getWDown(), /*transposed=*/true);
    launch.input("gate_up", gate.getWUp(), /*transposed=*/true);
  }
  int64_t rank = onnx::getTensorInfo(norm.getX()).rank();
  launch.output("y", ops.back()->getResult(0), launch.shapeOf("x", rank));
  spec.sum = launch.output("sum", norm.getSum(), launch.shapeOf("x", rank));
  launch.rows("x", rank);
  return launch.replace(ops, spec, module);
}

WhyNot basin::convertToLaunch(sink::RMSNormOp op, const KernelModule &module) {
  return convert(op, module);
}
WhyNot basin::convertToLaunch(sink::LayerNormOp op, const KernelModule &module) {
  return convert(op, module);
}

WhyNot basin::convertToLaunch(sink::DyTOp op, const KernelModule &module) {
  if (op.getSquash() != sink::Squash::tanh || op.getShift())
    return "expected tanh without a shift, but got " + sink::stringifySquash(op.getSquash()).str() +
           (op.getShift() ? " with one" : "");
  NormSpec types;
  if (WhyNot why = readTypes(op, {op.getGamma(), op.getBeta()}, types))
    return why;
  if (Type alpha = elementOf(op.getAlpha()); alpha != types.parameterType)
    return "expected alpha of gamma's type " + toString(types.parameterType) + ", but got " +
           toString(alpha);
  kernels::DyTSpec spec{types.dim, static_cast<bool>(op.getBeta()), types.type, types.parameterType,
                        types.resultType};
  LaunchBuilder launch(op.getContext());
  launch.input("x", op.getX());
  launch.input("alpha", op.getAlpha());
  launch.input("gamma", op.getGamma());
  launch.input("beta", op.getBeta());
  int64_t rank = onnx::getTensorInfo(op.getX()).rank();
  launch.output("y", op.getResult(), launch.shapeOf("x", rank));
  launch.rows("x", rank);
  return launch.replace({op}, spec, module);
}
