//===- BuildKernels.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A norm's kernel takes its residual, pre-affine vector and bias along, and its
// gate where nothing else reads the norm's result. Kernels are named after what
// they compute, so that equal ones are one.
//
//===----------------------------------------------------------------------===//

#include "basin/Conversion/SinkToGPU/SinkToGPU.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Kernels/AddKernel.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace basin;
using basin::kernels::NormSpec;

namespace {

class KernelSelector {
public:
  KernelSelector(gpu::GPUModuleOp kernels, StringRef chip, bool partial,
                 SmallVectorImpl<LaunchStep> &steps)
      : kernels(kernels), chip(chip), partial(partial), steps(steps) {}

  LogicalResult visit(Operation *op);

private:
  LogicalResult refuse(Operation *op, const Twine &why);
  template <typename NormOp> LogicalResult visitNorm(NormOp norm);
  LogicalResult visitDyT(sink::DyTOp op);
  std::string readTypes(Operation *norm, ArrayRef<Value> parameters, NormSpec &spec);
  std::string fuseGate(Value result, NormSpec &spec, LaunchStep &step);
  template <typename Spec> LogicalResult build(Operation *op, const Spec &spec, LaunchStep &step);

  gpu::GPUModuleOp kernels;
  StringRef chip;
  bool partial;
  SmallVectorImpl<LaunchStep> &steps;
  /// Gates that a norm's kernel computes.
  DenseSet<Operation *> fused;
};

} // namespace

LogicalResult KernelSelector::refuse(Operation *op, const Twine &why) {
  if (!partial)
    return op->emitOpError() << why;
  op->emitRemark() << "'" << op->getName() << "' op has no kernel: " << why;
  return success();
}

static Type elementOf(Value value) { return onnx::getTensorInfo(value).element; }

/// The element type's name for a message.
static std::string toString(Type type) {
  std::string text = "an unknown type";
  if (type) {
    text.clear();
    llvm::raw_string_ostream(text) << type;
  }
  return text;
}

/// Types and dim of a norm; why not where it has no kernel.
std::string KernelSelector::readTypes(Operation *norm, ArrayRef<Value> parameters, NormSpec &spec) {
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
  return {};
}

/// Takes a gate along that is the only reader of the norm's `result`.
std::string KernelSelector::fuseGate(Value result, NormSpec &spec, LaunchStep &step) {
  if (!result.hasOneUse())
    return {};
  auto gate = dyn_cast<sink::GateOp>(*result.user_begin());
  if (!gate || gate.getX() != result)
    return {};
  onnx::TensorInfo down = onnx::getTensorInfo(gate.getWDown());
  onnx::TensorInfo up = onnx::getTensorInfo(gate.getWUp());
  if (!down.hasRank() || !up.hasRank() || down.rank() != 2 || up.rank() != 2 ||
      !down[1].isStatic() || !up[1].isStatic())
    return "expected a gate of known rank";
  if (down.element != spec.type || up.element != spec.type)
    return "expected a gate's matrices of the norm's type " + toString(spec.type);
  if (!onnx::isConstant(gate.getWDown()) || !onnx::isConstant(gate.getWUp()))
    return "expected constant matrices of a gate";
  spec.gateRank = down[1].size;
  spec.tensorwise = up[1].is(1);
  spec.activation = static_cast<kernels::GateActivation>(gate.getActivation());
  spec.resultType = elementOf(gate.getResult());
  step.ops.push_back(gate);
  step.bindings.push_back({"gate_down", gate.getWDown(), /*transposed=*/true});
  step.bindings.push_back({"gate_up", gate.getWUp(), /*transposed=*/true});
  fused.insert(gate);
  return {};
}

/// Adds the kernel and the step; `op` is refused where there is none.
template <typename Spec>
LogicalResult KernelSelector::build(Operation *op, const Spec &spec, LaunchStep &step) {
  llvm::Expected<std::string> name = kernels::addKernel(kernels, spec, chip);
  if (!name)
    return refuse(op, llvm::toString(name.takeError()));
  step.kernel = std::move(*name);
  steps.push_back(std::move(step));
  return success();
}

template <typename NormOp> LogicalResult KernelSelector::visitNorm(NormOp norm) {
  NormSpec spec;
  LaunchStep step;
  spec.layer = std::is_same_v<NormOp, sink::LayerNormOp>;
  spec.epsilon = norm.getEpsilon().convertToDouble();
  Value bias;
  if constexpr (std::is_same_v<NormOp, sink::LayerNormOp>)
    bias = norm.getBias();
  std::string why =
      readTypes(norm, {norm.getResidualBias(), norm.getPreAffine(), norm.getWeight(), bias}, spec);
  if (!why.empty())
    return refuse(norm, why);
  step.ops.push_back(norm);
  auto bind = [&](StringRef name, Value value) {
    if (value)
      step.bindings.push_back({name.str(), value});
    return static_cast<bool>(value);
  };
  bind("x", norm.getX());
  spec.residual = bind("residual", norm.getResidual());
  spec.residualBias = bind("residual_bias", norm.getResidualBias());
  spec.preAffine = bind("pre_affine", norm.getPreAffine());
  spec.weight = bind("weight", norm.getWeight());
  spec.bias = bind("bias", bias);
  why = fuseGate(norm.getResult(), spec, step);
  if (!why.empty())
    return refuse(norm, why);
  bind("y", step.ops.back()->getResult(0));
  spec.sum = bind("sum", norm.getSum());
  return build(step.ops.back(), spec, step);
}

LogicalResult KernelSelector::visitDyT(sink::DyTOp op) {
  NormSpec types;
  std::string why = readTypes(op, {op.getGamma(), op.getBeta()}, types);
  if (!why.empty())
    return refuse(op, why);
  Type alpha = elementOf(op.getAlpha());
  if (alpha != types.parameterType)
    return refuse(op, "expected alpha of gamma's type " + toString(types.parameterType) +
                          ", but got " + toString(alpha));
  kernels::DyTSpec spec{types.dim, static_cast<bool>(op.getBeta()), types.type, types.parameterType,
                        types.resultType};
  LaunchStep step{{}, {op}, {{"x", op.getX()}, {"alpha", op.getAlpha()}, {"gamma", op.getGamma()}}};
  if (spec.bias)
    step.bindings.push_back({"beta", op.getBeta()});
  step.bindings.push_back({"y", op.getResult()});
  return build(op, spec, step);
}

LogicalResult KernelSelector::visit(Operation *op) {
  if (auto norm = dyn_cast<sink::RMSNormOp>(op))
    return visitNorm(norm);
  if (auto norm = dyn_cast<sink::LayerNormOp>(op))
    return visitNorm(norm);
  if (auto dyt = dyn_cast<sink::DyTOp>(op))
    return visitDyT(dyt);
  if (fused.contains(op) || partial)
    return success();
  // What holds ops or values and computes nothing.
  if (isa<ModuleOp, func::FuncOp, func::ReturnOp, onnx::GraphOp, onnx::ReturnOp,
          onnx::InitializerOp, onnx::ConstantOp, onnx::AbsentOp, sink::ParameterOp>(op))
    return success();
  return op->emitOpError("has no GPU lowering yet");
}

LogicalResult basin::buildKernels(Operation *root, gpu::GPUModuleOp kernels, StringRef chip,
                                  bool partial, SmallVectorImpl<LaunchStep> &steps) {
  KernelSelector selector(kernels, chip, partial, steps);
  WalkResult result = root->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op == kernels)
      return WalkResult::skip();
    if (failed(selector.visit(op)))
      return WalkResult::interrupt();
    return isa<sink::RaisedInterface>(op) ? WalkResult::skip() : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}
