//===- NormParts.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reading and changing what RMSNorm and LayerNorm ops have in common.
//
//===----------------------------------------------------------------------===//

#include "PowerOfTwo.h"
#include "StreamScaling.h"
#include "WeightScaling.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

template <typename Fn> static auto visitNorm(Operation *op, Fn fn) {
  if (auto norm = dyn_cast<RMSNormOp>(op))
    return fn(norm);
  return fn(cast<LayerNormOp>(op));
}

Value basin::sink::getPreAffine(Operation *op) {
  return visitNorm(op, [](auto norm) { return norm.getPreAffine(); });
}

Value basin::sink::getNormWeight(Operation *op) {
  return visitNorm(op, [](auto norm) { return norm.getWeight(); });
}

Value basin::sink::getNormBias(Operation *op) {
  auto norm = dyn_cast<LayerNormOp>(op);
  return norm ? norm.getBias() : Value();
}

static std::optional<int64_t> lastDim(Value value) {
  auto type = value ? dyn_cast<RankedTensorType>(value.getType()) : RankedTensorType();
  if (!type || type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
    return std::nullopt;
  return type.getShape().back();
}

std::optional<int64_t> basin::sink::getNormDim(Operation *op) {
  if (std::optional<int64_t> dim = lastDim(op->getOperand(0)))
    return dim;
  if (std::optional<int64_t> dim = lastDim(op->getResult(0)))
    return dim;
  // A weight of one element is broadcast: it says nothing of the axis.
  std::optional<int64_t> dim = lastDim(getNormWeight(op));
  return dim == 1 ? std::nullopt : dim;
}

ParameterNames::ParameterNames(ModuleOp module) {
  module.walk([&](Operation *op) {
    if (auto parameter = dyn_cast<ParameterOp>(op))
      used.insert(parameter.getName());
    for (Value result : op->getResults())
      if (StringRef name = getValueName(result); !name.empty())
        used.insert(name);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument arg : block.getArguments())
          used.insert(getValueName(arg));
  });
}

std::string ParameterNames::make(StringRef wanted) {
  std::string name = wanted.str();
  if (used.insert(name).second)
    return name;
  // Counted on, since thousands of norms may ask for the same name.
  unsigned &count = counts[wanted];
  do
    name = (wanted + "_" + Twine(++count)).str();
  while (!used.insert(name).second);
  return name;
}

/// "model.norm.weight" names the parameter "model.norm.pre_affine".
static std::string parameterName(Operation *norm) {
  StringRef stem;
  if (Value weight = getNormWeight(norm))
    stem = getStreamValueName(weight);
  if (!stem.consume_back(".weight") && !stem.consume_back(".gamma"))
    stem = getStreamValueName(norm->getResult(0));
  return (stem + ".pre_affine").str();
}

/// Multiplies the values of a parameter that only `norm` reads.
static LogicalResult scaleParameter(Operation *norm, ParameterOp parameter,
                                    ArrayRef<int> exponents) {
  FailureOr<TensorBytes> data = getTensorBytes(parameter.getValue(), parameter);
  if (failed(data))
    return failure();
  auto type = cast<RankedTensorType>(parameter.getType());
  auto bytes = std::make_shared<std::vector<char>>(data->bytes.begin(), data->bytes.end());
  if (scaleByPowersOfTwo(*bytes, type.getElementType(), type.getShape(), -1, exponents))
    return norm->emitError("the pre-affine vector '")
           << parameter.getName() << "' would leave the normal range of " << type.getElementType();
  parameter.setValueAttr(makeElements(type, *bytes, bytes, parameter.getName()));
  return success();
}

/// A vector that others use too, times 2^exponents, as a parameter of the norm's
/// own.
static LogicalResult replaceVector(Operation *norm, Value vector, ArrayRef<int> exponents,
                                   ParameterNames &names) {
  Attribute value = getConstantAttr(vector);
  auto type = dyn_cast<RankedTensorType>(vector.getType());
  auto graph = norm->getParentOfType<GraphOp>();
  if (!value || !type || !type.hasStaticShape() || !isScalable(type.getElementType()) || !graph ||
      type.getShape().back() != static_cast<int64_t>(exponents.size()))
    return norm->emitError("norm '") << getStreamValueName(norm->getResult(0))
                                     << "' has a pre-affine vector that is no constant of its size";
  FailureOr<TensorBytes> data = getTensorBytes(value, vector.getDefiningOp());
  if (failed(data))
    return failure();
  auto bytes = std::make_shared<std::vector<char>>(data->bytes.begin(), data->bytes.end());
  if (scaleByPowersOfTwo(*bytes, type.getElementType(), type.getShape(), -1, exponents))
    return norm->emitError("the pre-affine vector '")
           << getValueName(vector) << "' would leave the normal range of " << type.getElementType();
  OpBuilder b(norm->getContext());
  b.setInsertionPointToStart(&graph.getBody().front());
  std::string name = names.make(parameterName(norm));
  auto parameter =
      ParameterOp::create(b, norm->getLoc(), type, name, makeElements(type, *bytes, bytes, name));
  visitNorm(norm, [&](auto op) { op.getPreAffineMutable().assign(parameter); });
  return success();
}

LogicalResult basin::sink::setPreAffine(Operation *norm, ArrayRef<int> exponents,
                                        ParameterNames &names) {
  StringRef name = getStreamValueName(norm->getResult(0));
  if (Value existing = getPreAffine(norm)) {
    if (auto parameter = existing.getDefiningOp<ParameterOp>(); parameter && existing.hasOneUse())
      return scaleParameter(norm, parameter, exponents);
    return replaceVector(norm, existing, exponents, names);
  }
  auto xType = dyn_cast<TensorType>(norm->getOperand(0).getType());
  if (!xType || !isScalable(xType.getElementType()))
    return norm->emitError("norm '") << name << "': expected f16, bf16, f32 or f64, but got "
                                     << norm->getOperand(0).getType();
  auto graph = norm->getParentOfType<GraphOp>();
  if (!graph)
    return norm->emitError("norm '")
           << name << "' stands in a function, which has no parameters; inline functions first";
  auto type =
      RankedTensorType::get({static_cast<int64_t>(exponents.size())}, xType.getElementType());
  std::optional<std::vector<char>> powers = makePowersOfTwo(xType.getElementType(), exponents);
  if (!powers)
    return norm->emitError("norm '")
           << name << "': a scale leaves the normal range of " << xType.getElementType();
  auto bytes = std::make_shared<std::vector<char>>(std::move(*powers));
  TypedAttr value = makeElements(type, *bytes, bytes, "pre_affine");
  OpBuilder b(norm->getContext());
  // The graph's first block is seen from all of its subgraphs.
  b.setInsertionPointToStart(&graph.getBody().front());
  auto parameter =
      ParameterOp::create(b, norm->getLoc(), type, names.make(parameterName(norm)), value);
  visitNorm(norm, [&](auto op) { op.getPreAffineMutable().assign(parameter); });
  return success();
}

//===----------------------------------------------------------------------===//
// Epsilon
//===----------------------------------------------------------------------===//

/// The op inside the form that adds eps, if the form is decomposed.
static Operation *findEpsilonAdd(Region &form) {
  Operation *found = nullptr;
  form.walk([&](Operation *op) {
    if (hasRole(op, "epsilon"))
      found = op;
  });
  return found;
}

static LogicalResult refuseEpsilon(Operation *norm, Type type, int exponent) {
  return norm->emitError("norm '")
         << getStreamValueName(norm->getResult(0)) << "': its eps "
         << visitNorm(norm, [](auto op) { return op.getEpsilon().convertToDouble(); })
         << " times 2^" << exponent << " would leave the normal range of " << type;
}

/// The constant operand of the Add, scaled, as a new constant.
static LogicalResult scaleEpsilonAdd(Operation *norm, Operation *add, int exponent) {
  for (OpOperand &operand : add->getOpOperands()) {
    if (!getConstantScalar(operand.get()))
      continue;
    OpBuilder b(add);
    Value scaled = makeScaledScalar(b, operand.get(), exponent);
    if (!scaled)
      return refuseEpsilon(norm, cast<TensorType>(operand.get().getType()).getElementType(),
                           exponent);
    operand.set(scaled);
    return success();
  }
  return norm->emitError("norm '") << getStreamValueName(norm->getResult(0))
                                   << "': its eps is computed, which cannot be scaled";
}

/// A fused operator: eps is its attribute, in f32.
static LogicalResult scaleEpsilonAttr(Operation *norm, Block &form, double epsilon, int exponent) {
  Builder b(norm->getContext());
  float scaled = std::ldexp(static_cast<float>(epsilon), exponent);
  if (!std::isnormal(scaled))
    return refuseEpsilon(norm, b.getF32Type(), exponent);
  bool found = false;
  for (Operation &inner : form)
    if (isa<LayerNormalizationOp, RMSNormalizationOp, SimplifiedLayerNormalizationOp,
            MSSimplifiedLayerNormalizationOp, MSSkipLayerNormalizationOp,
            MSSkipSimplifiedLayerNormalizationOp>(inner)) {
      inner.setAttr("epsilon", b.getF32FloatAttr(scaled));
      found = true;
    }
  if (found)
    return success();
  return norm->emitError("norm '")
         << getStreamValueName(norm->getResult(0)) << "': its form has no eps that is understood";
}

LogicalResult basin::sink::scaleEpsilon(Operation *norm, int exponent) {
  double epsilon = visitNorm(norm, [](auto op) { return op.getEpsilon().convertToDouble(); });
  if (epsilon == 0 || exponent == 0)
    return success();
  Region &form = cast<RaisedInterface>(norm).getFormRegion();
  Operation *add = form.empty() ? nullptr : findEpsilonAdd(form);
  if (add && failed(scaleEpsilonAdd(norm, add, exponent)))
    return failure();
  if (!add && !form.empty() && failed(scaleEpsilonAttr(norm, form.front(), epsilon, exponent)))
    return failure();
  visitNorm(norm, [&](auto op) { op.setEpsilon(APFloat(std::ldexp(epsilon, exponent))); });
  return success();
}
