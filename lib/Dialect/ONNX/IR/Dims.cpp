//===- Dims.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/Dims.h"

#include "basin/Dialect/ONNX/IR/SizeSum.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::onnx;

//===----------------------------------------------------------------------===//
// Conversions between types and dims
//===----------------------------------------------------------------------===//

TensorInfo basin::onnx::getTensorInfo(Type type) {
  if (auto unranked = dyn_cast_or_null<UnrankedTensorType>(type))
    return {unranked.getElementType(), std::nullopt};
  auto ranked = dyn_cast_or_null<RankedTensorType>(type);
  if (!ranked)
    return {};
  Dims dims(ranked.getShape());
  if (auto encoding = dyn_cast_or_null<DimsAttr>(ranked.getEncoding()))
    for (auto [dim, name] : llvm::zip(dims, encoding.getNames()))
      if (!dim.isStatic() && name && !name.empty())
        dim.name = name;
  return {ranked.getElementType(), dims};
}

TensorInfo basin::onnx::getTensorInfo(Value value) {
  return value ? getTensorInfo(value.getType()) : TensorInfo();
}

Type basin::onnx::makeTensorType(Type element, const std::optional<Dims> &dims) {
  if (!element)
    return {};
  if (!dims)
    return UnrankedTensorType::get(element);
  auto none = StringAttr::get(element.getContext(), "");
  SmallVector<int64_t> shape;
  SmallVector<StringAttr> names;
  for (const Dim &dim : *dims) {
    shape.push_back(dim.size);
    names.push_back(dim.isSymbol() ? dim.name : none);
  }
  Attribute encoding;
  if (llvm::any_of(names, [&](StringAttr name) { return name != none; }))
    encoding = DimsAttr::get(element.getContext(), names);
  return RankedTensorType::get(shape, element, encoding);
}

//===----------------------------------------------------------------------===//
// Broadcast, merge, join
//===----------------------------------------------------------------------===//

std::optional<Dim> basin::onnx::broadcastDim(const Dim &a, const Dim &b) {
  if (a.is(1))
    return b;
  if (b.is(1) || a.provablyEquals(b))
    return a;
  if (a.isStatic() && b.isStatic())
    return std::nullopt;
  // A dynamic dim beside a static one other than 1 is 1 or equal to it.
  if (a.isStatic())
    return a;
  if (b.isStatic())
    return b;
  return Dim();
}

std::optional<Dims> basin::onnx::broadcastDims(ArrayRef<Dim> a, ArrayRef<Dim> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  Dims result(a);
  size_t offset = a.size() - b.size();
  for (auto [i, dim] : llvm::enumerate(b)) {
    std::optional<Dim> joint = broadcastDim(a[offset + i], dim);
    if (!joint)
      return std::nullopt;
    result[offset + i] = *joint;
  }
  return result;
}

std::optional<Dim> basin::onnx::mergeDim(const Dim &a, const Dim &b) {
  if (a.isStatic() && b.isStatic())
    return a.size == b.size ? std::optional(a) : std::nullopt;
  if (a.isStatic() || (a.isSymbol() && !b.isStatic()))
    return a;
  return b;
}

Dim basin::onnx::joinDim(const Dim &a, const Dim &b) { return a.provablyEquals(b) ? a : Dim(); }

Type basin::onnx::mergeTypes(Type preferred, Type other) {
  if (preferred == other || isa<UnknownType>(other))
    return preferred;
  if (isa<UnknownType>(preferred))
    return other;
  TensorInfo a = getTensorInfo(preferred), b = getTensorInfo(other);
  if (!a.element || !b.element)
    // Sequences and the like are only compared by kind, because no rule refines them.
    return preferred.getTypeID() == other.getTypeID() ? preferred : Type();
  if (a.element != b.element)
    return {};
  if (!a.hasRank() || !b.hasRank())
    return a.hasRank() ? preferred : other;
  if (a.rank() != b.rank())
    return {};
  for (auto [dim, stated] : llvm::zip(*a.dims, *b.dims)) {
    std::optional<Dim> merged = mergeDim(dim, stated);
    if (!merged)
      return {};
    dim = *merged;
  }
  return makeTensorType(a);
}

Type basin::onnx::joinTypes(Type a, Type b) {
  if (a == b)
    return isa<UnknownType>(a) ? Type() : a;
  TensorInfo first = getTensorInfo(a), second = getTensorInfo(b);
  if (!first.element || first.element != second.element)
    return {};
  if (!first.hasRank() || !second.hasRank() || first.rank() != second.rank())
    return UnrankedTensorType::get(first.element);
  for (auto [dim, peer] : llvm::zip(*first.dims, *second.dims))
    dim = joinDim(dim, peer);
  return makeTensorType(first);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

using SizeOperation = std::optional<SizeSum> (*)(const SizeSum &, const SizeSum &);

static Dim combine(const Dim &a, const Dim &b, SizeOperation operation) {
  std::optional<SizeSum> x = SizeSum::get(a), y = SizeSum::get(b);
  std::optional<SizeSum> result = x && y ? operation(*x, *y) : std::nullopt;
  return result ? result->toDim() : Dim();
}

Dim basin::onnx::addDims(const Dim &a, const Dim &b) {
  if (a.is(0))
    return b;
  if (b.is(0))
    return a;
  return combine(a, b, SizeSum::add);
}

Dim basin::onnx::multiplyDims(const Dim &a, const Dim &b) {
  if (a.is(0) || b.is(0))
    return 0;
  if (a.is(1))
    return b;
  if (b.is(1))
    return a;
  return combine(a, b, SizeSum::multiply);
}

Dim basin::onnx::multiplyDims(ArrayRef<Dim> dims) {
  // A zero anywhere makes the product 0, even if other factors are unknown.
  if (llvm::any_of(dims, [](const Dim &dim) { return dim.is(0); }))
    return 0;
  Dim product = 1;
  for (const Dim &dim : dims) {
    product = multiplyDims(product, dim);
    if (product.isUnknown())
      return {};
  }
  return product;
}

Dim basin::onnx::divideDim(const Dim &dim, int64_t divisor) {
  if (divisor == 1)
    return dim;
  return divisor > 0 ? combine(dim, divisor, SizeSum::divide) : Dim();
}

std::string basin::onnx::toString(const Dim &dim) {
  if (dim.isStatic())
    return std::to_string(dim.size);
  return dim.name ? dim.name.str() : "?";
}

std::string basin::onnx::toString(ArrayRef<Dim> dims) {
  auto texts = llvm::map_range(dims, [](const Dim &dim) { return toString(dim); });
  return "[" + llvm::join(texts, ", ") + "]";
}
