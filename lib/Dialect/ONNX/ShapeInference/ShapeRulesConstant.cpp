//===- ShapeRulesConstant.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rules of ops that make values from attributes and shapes.
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

#include "basin/Dialect/ONNX/IR/SizeSum.h"

#include "mlir/IR/Builders.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

LogicalResult infer::constant(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  auto constant = cast<ConstantOp>(op);
  if (auto sparse = dyn_cast_or_null<SparseAttr>(constant.getValueAttr())) {
    RankedTensorType values = getElementsType(sparse.getValues());
    ArrayRef<int64_t> dims = sparse.getDims().asArrayRef();
    if (values)
      setResult(op, types, 0, {values.getElementType(), Dims(dims)});
    return success();
  }
  auto text = StringType::get(op->getContext());
  if (constant.getValueString())
    setResult(op, types, 0, {text, Dims()});
  else if (auto texts = constant.getValueStrings())
    setResult(op, types, 0, {text, Dims{int64_t(texts->size())}});
  else
    types[0] = getElementsType(getConstantAttr(constant.getResult()));
  return success();
}

LogicalResult infer::constantOfShape(Operation *op, Types &types) {
  TensorInfo shape = getInput(op, 0), output;
  if (failed(requireRank(op, shape, 1, "a shape")))
    return failure();
  output.element = Builder(op->getContext()).getF32Type();
  if (Attribute value = cast<ConstantOfShapeOp>(op).getValueAttr()) {
    RankedTensorType type = getElementsType(value);
    output.element = type ? type.getElementType() : Type();
  }
  if (std::optional<ShapeValue> sizes = evaluateShapeValue(getInputOrNull(op, 0))) {
    output.dims = Dims();
    for (const ShapeEntry &size : *sizes) {
      if (size.constant && *size.constant < 0)
        return op->emitOpError("expected sizes of at least 0, but got ") << *size.constant;
      output.dims->push_back(size.toDim());
    }
  } else if (shape.hasRank() && shape[0].isStatic() && shape[0].size <= 1024) {
    output.dims = Dims(shape[0].size, Dim());
  }
  setResult(op, types, 0, output);
  return success();
}

LogicalResult infer::eyeLike(Operation *op, Types &types) {
  TensorInfo info = getInput(op, 0);
  if (failed(requireRank(op, info, 2, "a matrix")))
    return failure();
  if (int64_t code = getIntAttr(op, "dtype", 0))
    info.element = getElementType(op->getContext(), int32_t(code));
  setResult(op, types, 0, info);
  return success();
}

/// Returns the number of elements of a Range over integers.
static Dim countIntegers(const ShapeEntry &start, const ShapeEntry &limit,
                         const ShapeEntry &delta) {
  if (start.is(0) && delta.is(1))
    return limit.constant ? Dim(std::max<int64_t>(*limit.constant, 0)) : limit.toDim();
  if (delta.is(1) && !(start.constant && limit.constant)) {
    std::optional<SizeSum> begin = SizeSum::get(start.toDim()), end = SizeSum::get(limit.toDim());
    std::optional<SizeSum> count =
        begin && end ? SizeSum::subtract(*end, *begin) : std::optional<SizeSum>();
    return count ? count->toDim() : Dim();
  }
  if (!start.constant || !limit.constant || !delta.constant || delta.is(0))
    return {};
  int64_t distance;
  if (llvm::SubOverflow(*limit.constant, *start.constant, distance))
    return {};
  if (distance == 0 || (distance > 0) != (*delta.constant > 0))
    return 0;
  uint64_t span = distance > 0 ? uint64_t(distance) : -uint64_t(distance);
  uint64_t step = *delta.constant > 0 ? uint64_t(*delta.constant) : -uint64_t(*delta.constant);
  uint64_t count = (span - 1) / step + 1;
  return count <= uint64_t(INT64_MAX) ? Dim(int64_t(count)) : Dim();
}

static Dim countRange(Operation *op, Type element) {
  if (!element)
    return {};
  if (isa<IntegerType>(element)) {
    ShapeEntry entries[3];
    for (unsigned i = 0; i < 3; ++i)
      if (auto value = evaluateShapeValue(getInputOrNull(op, i)); value && value->size() == 1)
        entries[i] = value->front();
    return countIntegers(entries[0], entries[1], entries[2]);
  }
  double numbers[3];
  for (unsigned i = 0; i < 3; ++i) {
    auto value = readFloatElements(getConstantAttr(getInputOrNull(op, i)), op, 1);
    if (!value || value->size() != 1)
      return {};
    numbers[i] = value->front();
  }
  double count = std::ceil((numbers[1] - numbers[0]) / numbers[2]);
  // NaN fails both tests.
  if (count <= 0)
    return 0;
  return count < 1e15 ? Dim(int64_t(count)) : Dim();
}

LogicalResult infer::range(Operation *op, Types &types) {
  FailureOr<Type> element = getCommonElement(op, 0, 2);
  if (failed(element))
    return failure();
  setResult(op, types, 0, {*element, Dims{countRange(op, *element)}});
  return success();
}

LogicalResult infer::shape(Operation *op, Types &types) {
  TensorInfo data = getInput(op, 0);
  Dim size;
  if (data.hasRank())
    size =
        clampSlice(getIntAttr(op, "start", 0), getIntAttr(op, "end", data.rank()), 1, data.rank())
            .length;
  setResult(op, types, 0, {Builder(op->getContext()).getI64Type(), Dims{size}});
  return success();
}

LogicalResult infer::size(Operation *op, Types &types) {
  setResult(op, types, 0, {Builder(op->getContext()).getI64Type(), Dims()});
  return success();
}
