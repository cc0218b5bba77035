//===- TypeCodec.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TypeCodec.h"

#include "basin/Dialect/ONNX/IR/TensorData.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace basin::onnx;
using namespace basin::onnx::wire;
using mlir::MLIRContext;
using mlir::RankedTensorType;
using mlir::ShapedType;
using mlir::StringAttr;
using mlir::UnrankedTensorType;

static mlir::Type decodeTensor(MLIRContext *ctx, const Type &type, mlir::Type element) {
  if (!type.hasShape)
    return UnrankedTensorType::get(element);
  llvm::SmallVector<int64_t> shape;
  llvm::SmallVector<StringAttr> names;
  bool named = false;
  for (const Dim &dim : type.dims) {
    bool isStatic = dim.value && *dim.value >= 0;
    shape.push_back(isStatic ? *dim.value : ShapedType::kDynamic);
    names.push_back(StringAttr::get(ctx, dim.param.value_or("")));
    named |= !names.back().empty();
  }
  return RankedTensorType::get(shape, element,
                               named ? DimsAttr::get(ctx, names) : mlir::Attribute());
}

llvm::Expected<mlir::Type> wire::decodeType(MLIRContext *ctx, const Type &type) {
  mlir::Type element, inner;
  if (type.elementType != 0) {
    element = getElementType(ctx, type.elementType);
    if (!element)
      return llvm::createStringError("element type " + std::to_string(type.elementType) +
                                     " is not one of ONNX's");
  }
  if (type.inner) {
    auto decoded = decodeType(ctx, *type.inner);
    if (!decoded)
      return decoded.takeError();
    inner = *decoded;
  }
  mlir::Type unknown = UnknownType::get(ctx);
  switch (type.kind) {
  case Type::Tensor:
    return element ? decodeTensor(ctx, type, element) : unknown;
  case Type::Sparse:
    return element ? SparseTensorType::get(ctx, decodeTensor(ctx, type, element)) : unknown;
  case Type::Sequence:
    return inner ? SequenceType::get(ctx, inner) : unknown;
  case Type::Optional:
    return inner ? OptionalType::get(ctx, inner) : unknown;
  case Type::Map:
    return inner && element ? MapType::get(ctx, element, inner) : unknown;
  case Type::Opaque:
    return OpaqueType::get(ctx, type.domain, type.name);
  case Type::None:
    return unknown;
  }
  llvm_unreachable("a TypeProto of no kind");
}

static Rope encodeTensor(mlir::TensorType type) {
  Rope out;
  out.integer(1, getElementTypeCode(type.getElementType()));
  auto ranked = llvm::dyn_cast<RankedTensorType>(type);
  if (!ranked)
    return out;
  auto names = llvm::dyn_cast_or_null<DimsAttr>(ranked.getEncoding());
  Rope shape;
  for (auto [i, size] : llvm::enumerate(ranked.getShape())) {
    Rope dim;
    if (!ShapedType::isDynamic(size))
      dim.integer(1, size);
    else if (names && i < names.getNames().size() && !names.getNames()[i].empty())
      dim.bytes(2, names.getNames()[i]);
    shape.message(1, std::move(dim));
  }
  out.message(2, std::move(shape));
  return out;
}

Rope wire::encodeType(mlir::Type type) {
  Rope out;
  auto nested = [&](uint32_t tag, mlir::Type inner) {
    Rope body;
    body.message(1, encodeType(inner));
    out.message(tag, std::move(body));
  };
  llvm::TypeSwitch<mlir::Type>(type)
      .Case([&](mlir::TensorType t) { out.message(1, encodeTensor(t)); })
      .Case([&](SparseTensorType t) {
        out.message(8, encodeTensor(llvm::cast<mlir::TensorType>(t.getTensorType())));
      })
      .Case([&](SequenceType t) { nested(4, t.getElementType()); })
      .Case([&](OptionalType t) { nested(9, t.getElementType()); })
      .Case([&](MapType t) {
        Rope body;
        body.integer(1, getElementTypeCode(t.getKeyType()));
        body.message(2, encodeType(t.getValueType()));
        out.message(5, std::move(body));
      })
      .Case([&](OpaqueType t) {
        Rope body;
        if (!t.getDomain().empty())
          body.bytes(1, t.getDomain());
        body.bytes(2, t.getName());
        out.message(7, std::move(body));
      })
      .Default([](mlir::Type) {});
  return out;
}
