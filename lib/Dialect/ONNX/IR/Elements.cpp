//===- Elements.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/Elements.h"

#include "basin/Dialect/ONNX/IR/TensorData.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::onnx;

Attribute basin::onnx::getConstantAttr(Value value) {
  Operation *op = value ? value.getDefiningOp() : nullptr;
  if (auto initializer = dyn_cast_or_null<InitializerOp>(op))
    return initializer.getValue();
  auto constant = dyn_cast_or_null<ConstantOp>(op);
  if (!constant)
    return {};
  if (Attribute elements = constant.getValueAttr())
    return elements;
  Builder b(op->getContext());
  auto type = [&](ArrayRef<int64_t> shape, Type element) {
    return RankedTensorType::get(shape, element);
  };
  if (std::optional<uint64_t> number = constant.getValueInt())
    return DenseElementsAttr::get(type({}, b.getI64Type()), {int64_t(*number)});
  if (auto numbers = constant.getValueInts())
    return DenseElementsAttr::get(type({int64_t(numbers->size())}, b.getI64Type()), *numbers);
  if (std::optional<APFloat> number = constant.getValueFloat())
    return DenseElementsAttr::get(type({}, b.getF32Type()), {*number});
  if (auto numbers = constant.getValueFloats())
    return DenseElementsAttr::get(type({int64_t(numbers->size())}, b.getF32Type()), *numbers);
  return {};
}

RankedTensorType basin::onnx::getElementsType(Attribute value) {
  value = value ? stripTensorInfo(value) : value;
  auto typed = dyn_cast_or_null<TypedAttr>(value);
  return typed ? dyn_cast<RankedTensorType>(typed.getType()) : RankedTensorType();
}

/// Calls `visit` with the bits of each element. Returns false if they cannot be read or `visit`
/// does.
static bool forEachElement(Attribute value, RankedTensorType type, Operation *from,
                           function_ref<bool(const APInt &)> visit) {
  unsigned bits = getElementBits(type.getElementType());
  std::optional<uint64_t> size = getRawByteSize(type.getShape(), type.getElementType());
  if (!llvm::isPowerOf2_32(bits) || bits > 64 || !size)
    return false;
  FailureOr<TensorBytes> data = getTensorBytes(value, from);
  if (failed(data) || data->bytes.size() < *size)
    return false;
  for (uint64_t i = 0, e = type.getNumElements(); i < e; ++i) {
    uint64_t word = 0;
    uint64_t firstBit = i * bits;
    // Packed types put the first element into the low bits of a byte.
    for (unsigned b = 0; b < (bits + 7) / 8; ++b)
      word |= uint64_t(uint8_t(data->bytes[firstBit / 8 + b])) << (8 * b);
    APInt element(64, word >> (firstBit % 8));
    if (!visit(element.trunc(bits)))
      return false;
  }
  return true;
}

static RankedTensorType getReadableType(Attribute value, size_t maxElements) {
  RankedTensorType type = getElementsType(value);
  // getRawByteSize comes first, because it fails if the product of the dims overflows.
  if (!type || !type.hasStaticShape() || !getRawByteSize(type.getShape(), type.getElementType()) ||
      uint64_t(type.getNumElements()) > maxElements)
    return {};
  return type;
}

std::optional<SmallVector<int64_t>> basin::onnx::readIntElements(Attribute value, Operation *from,
                                                                 size_t maxElements) {
  RankedTensorType type = getReadableType(value, maxElements);
  auto element = type ? dyn_cast<IntegerType>(type.getElementType()) : IntegerType();
  if (!element)
    return std::nullopt;
  bool isUnsigned = element.isUnsigned() || element.getWidth() == 1;
  SmallVector<int64_t> result;
  bool read = forEachElement(value, type, from, [&](const APInt &bits) {
    if (element.getWidth() == 1)
      result.push_back(!bits.isZero());
    else if (isUnsigned && bits.getActiveBits() > 63)
      return false;
    else
      result.push_back(isUnsigned ? bits.getZExtValue() : bits.getSExtValue());
    return true;
  });
  return read ? std::optional(std::move(result)) : std::nullopt;
}

std::optional<SmallVector<double>> basin::onnx::readFloatElements(Attribute value, Operation *from,
                                                                  size_t maxElements) {
  RankedTensorType type = getReadableType(value, maxElements);
  if (!type)
    return std::nullopt;
  auto element = dyn_cast<FloatType>(type.getElementType());
  if (!element) {
    auto ints = readIntElements(value, from, maxElements);
    if (!ints)
      return std::nullopt;
    return SmallVector<double>(ints->begin(), ints->end());
  }
  SmallVector<double> result;
  bool read = forEachElement(value, type, from, [&](const APInt &bits) {
    if (bits.getBitWidth() != element.getWidth())
      return false;
    APFloat number(element.getFloatSemantics(), bits);
    bool losesInfo;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    result.push_back(number.convertToDouble());
    return true;
  });
  return read ? std::optional(std::move(result)) : std::nullopt;
}
