//===- WeightScaling.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WeightScaling.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

/// The length of the longest vector that is copied for some of its uses.
static constexpr int64_t kMaxCopied = 1 << 20;

/// Returns the type of a weight's data if it can be scaled, and null otherwise. The data must be
/// dense, real, and of the weight's own type.
static RankedTensorType getScalableType(const WeightScale &scale) {
  Attribute value = getConstantAttr(scale.weight);
  RankedTensorType type = value ? getElementsType(value) : RankedTensorType();
  if (!type || isa<SparseAttr>(value) || !type.hasStaticShape() ||
      !isScalable(type.getElementType()) ||
      type.getElementType() != cast<TensorType>(scale.weight.getType()).getElementType())
    return {};
  if (scale.exponents.size() == 1)
    return type;
  int64_t axis = scale.axis < 0 ? scale.axis + type.getRank() : scale.axis;
  bool fits = axis >= 0 && axis < type.getRank() &&
              type.getDimSize(axis) == static_cast<int64_t>(scale.exponents.size());
  return fits ? type : RankedTensorType();
}

static FailureOr<TensorBytes> getData(Value weight) {
  FailureOr<TensorBytes> data = getTensorBytes(getConstantAttr(weight), weight.getDefiningOp());
  if (failed(data))
    return emitError(weight.getLoc(), "the data of weight '")
           << getValueName(weight) << "' cannot be read";
  return data;
}

WeightScaler::Known *WeightScaler::findKnown(const WeightScale &scale) {
  for (Known &entry : known[scale.weight])
    if (entry.scale.axis == scale.axis && entry.scale.exponents == scale.exponents)
      return &entry;
  return nullptr;
}

FailureOr<bool> WeightScaler::canTake(const WeightScale &scale) {
  if (Known *entry = findKnown(scale))
    return entry->canTake;
  bool fits = false;
  if (RankedTensorType type = getScalableType(scale)) {
    FailureOr<TensorBytes> data = getData(scale.weight);
    if (failed(data))
      return failure();
    fits = !findRangeLoss(data->bytes, type.getElementType(), type.getShape(), scale.axis,
                          scale.exponents);
    if (!fits && bound > 0) {
      std::vector<char> bytes(data->bytes.begin(), data->bytes.end());
      double error = roundByPowersOfTwo(bytes, type.getElementType(), type.getShape(), scale.axis,
                                        scale.exponents);
      StringRef name = getValueName(scale.weight);
      if (!(error <= bound))
        return emitError(scale.weight.getLoc(), "weight '")
               << name << "' would take the scale with a relative error of " << error
               << ", above the bound of " << bound;
      if (error > largestError) {
        largestError = error;
        largestErrorName = name;
      }
      fits = true;
    }
  }
  known[scale.weight].push_back({scale, fits, Value()});
  return fits;
}

bool WeightScaler::isCopyable(const WeightScale &scale) {
  RankedTensorType type = getScalableType(scale);
  if (!type || type.getNumElements() > kMaxCopied)
    return false;
  return type.getRank() == 0 || type.getNumElements() == type.getShape().back();
}

FailureOr<TypedAttr> WeightScaler::makeScaled(const WeightScale &scale) {
  RankedTensorType type = getScalableType(scale);
  FailureOr<TensorBytes> data = getData(scale.weight);
  if (failed(data))
    return failure();
  auto bytes = std::make_shared<std::vector<char>>(data->bytes.begin(), data->bytes.end());
  Type element = type.getElementType();
  if (findRangeLoss(*bytes, element, type.getShape(), scale.axis, scale.exponents))
    roundByPowersOfTwo(*bytes, element, type.getShape(), scale.axis, scale.exponents);
  else
    scaleByPowersOfTwo(*bytes, element, type.getShape(), scale.axis, scale.exponents);
  return makeElements(type, *bytes, bytes, getValueName(scale.weight));
}

/// Sets the value of a Constant, and removes the other attributes that may have held it.
static void setConstant(Operation *op, TypedAttr value) {
  for (StringRef name : {"value_float", "value_floats", "value_int", "value_ints"})
    op->removeAttr(name);
  op->setAttr("value", value);
}

StringRef basin::sink::getWeightName(Value weight) {
  if (auto parameter = weight.getDefiningOp<ParameterOp>())
    return parameter.getName();
  return getValueName(weight);
}

Attribute basin::sink::getWeightData(Value weight) {
  if (auto parameter = weight.getDefiningOp<ParameterOp>())
    return parameter.getValue();
  return getConstantAttr(weight);
}

void basin::sink::setWeightData(Value weight, TypedAttr data) {
  Operation *op = weight.getDefiningOp();
  if (auto parameter = dyn_cast<ParameterOp>(op)) {
    parameter.setValueAttr(data);
    return;
  }
  auto initializer = dyn_cast<InitializerOp>(op);
  if (!initializer) {
    setConstant(op, data);
    return;
  }
  if (isa<ExternalAttr>(getConstantAttr(weight))) {
    // The old data was in a file of its own, so the new data goes into one.
    NamedAttrList info(initializer.getInfoAttr());
    info.set("spill", UnitAttr::get(op->getContext()));
    initializer.setInfoAttr(info.getDictionary(op->getContext()));
  }
  initializer.setValueAttr(data);
}

Value basin::sink::copyWeight(Value weight, TypedAttr data, StringRef name) {
  OpBuilder b(weight.getContext());
  b.setInsertionPointAfterValue(weight);
  Operation *op = b.clone(*weight.getDefiningOp());
  if (auto initializer = dyn_cast<InitializerOp>(op)) {
    initializer.setName(name);
    initializer.setValueAttr(data);
    initializer.removeInfoAttr();
  } else {
    op->removeAttr(kNameAttr);
    setConstant(op, data);
    setValueName(op->getResult(0), name);
  }
  return op->getResult(0);
}

LogicalResult WeightScaler::change(const WeightScale &scale) {
  FailureOr<TypedAttr> scaled = makeScaled(scale);
  if (failed(scaled))
    return failure();
  setWeightData(scale.weight, *scaled);
  return success();
}

FailureOr<Value> WeightScaler::copy(const WeightScale &scale) {
  Known *entry = findKnown(scale);
  assert(entry && entry->canTake && "asked before");
  if (entry->copy)
    return entry->copy;
  FailureOr<TypedAttr> scaled = makeScaled(scale);
  if (failed(scaled))
    return failure();
  std::string name = names.make((getValueName(scale.weight) + ".scaled").str());
  entry->copy = copyWeight(scale.weight, *scaled, name);
  return entry->copy;
}
