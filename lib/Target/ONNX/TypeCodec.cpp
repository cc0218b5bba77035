//===- TypeCodec.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TypeCodec.h"
#include "Fields.h"

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
  out.integer(field::TensorType::elem_type, getElementTypeCode(type.getElementType()));
  auto ranked = llvm::dyn_cast<RankedTensorType>(type);
  if (!ranked)
    return out;
  auto names = llvm::dyn_cast_or_null<DimsAttr>(ranked.getEncoding());
  Rope shape;
  for (auto [i, size] : llvm::enumerate(ranked.getShape())) {
    Rope dim;
    if (!ShapedType::isDynamic(size))
      dim.integer(field::Dimension::dim_value, size);
    else if (names && i < names.getNames().size() && !names.getNames()[i].empty())
      dim.bytes(field::Dimension::dim_param, names.getNames()[i]);
    shape.message(field::TensorShape::dim, std::move(dim));
  }
  out.message(field::TensorType::shape, std::move(shape));
  return out;
}

Rope wire::encodeType(mlir::Type type) {
  Rope out;
  auto nested = [&](uint32_t tag, mlir::Type inner) {
    Rope body;
    body.message(field::ListType::elem_type, encodeType(inner));
    out.message(tag, std::move(body));
  };
  llvm::TypeSwitch<mlir::Type>(type)
      .Case([&](mlir::TensorType t) { out.message(field::Type::tensor_type, encodeTensor(t)); })
      .Case([&](SparseTensorType t) {
        out.message(field::Type::sparse_tensor_type,
                    encodeTensor(llvm::cast<mlir::TensorType>(t.getTensorType())));
      })
      .Case([&](SequenceType t) { nested(field::Type::sequence_type, t.getElementType()); })
      .Case([&](OptionalType t) { nested(field::Type::optional_type, t.getElementType()); })
      .Case([&](MapType t) {
        Rope body;
        body.integer(field::MapType::key_type, getElementTypeCode(t.getKeyType()));
        body.message(field::MapType::value_type, encodeType(t.getValueType()));
        out.message(field::Type::map_type, std::move(body));
      })
      .Case([&](OpaqueType t) {
        Rope body;
        if (!t.getDomain().empty())
          body.bytes(field::OpaqueType::domain, t.getDomain());
        body.bytes(field::OpaqueType::name, t.getName());
        out.message(field::Type::opaque_type, std::move(body));
      })
      .Default([](mlir::Type) {});
  return out;
}
