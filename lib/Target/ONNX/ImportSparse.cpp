//===- ImportSparse.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Imports SparseTensorProto. Its values have shape [n]. Its indices are positions in the
// flattened tensor, [n], or coordinates, [n, rank]. Indices in a file of their own are not read,
// because import reads no external data.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "basin/Dialect/ONNX/IR/TensorData.h"

#include <cstring>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

/// Returns the type of elements, which may have tensor information around them.
static ShapedType typeOf(Attribute elements) {
  auto typed = dyn_cast<TypedAttr>(stripTensorInfo(elements));
  return typed ? dyn_cast<ShapedType>(typed.getType()) : ShapedType();
}

/// Returns why the indices are wrong, or nothing if each is inside `dims` and greater than the one
/// before it.
static WhyNot checkIndices(ArrayRef<char> bytes, ArrayRef<int64_t> dims, int64_t elements,
                           bool isLinear) {
  int64_t previous = -1;
  size_t each = isLinear ? 1 : dims.size();
  for (size_t at = 0; at + 8 * each <= bytes.size(); at += 8 * each) {
    int64_t linear = 0;
    std::string text;
    for (size_t i = 0; i < each; ++i) {
      int64_t index;
      std::memcpy(&index, bytes.data() + at + 8 * i, sizeof(index));
      text += (i ? ", " : "") + std::to_string(index);
      int64_t size = isLinear ? elements : dims[i];
      if (index < 0 || index >= size)
        return "index [" + text + "] is out of range";
      linear = linear * (isLinear ? 1 : size) + index;
    }
    if (linear <= previous)
      return "index [" + text + "] does not follow the one before it";
    previous = linear;
  }
  return std::nullopt;
}

LogicalResult Importer::sparseIndices(Attribute indices, ArrayRef<int64_t> dims, int64_t count,
                                      int64_t elements, const Twine &what) {
  ShapedType type = typeOf(indices);
  auto rank = static_cast<int64_t>(dims.size());
  bool isLinear = type && type.getShape() == ArrayRef<int64_t>{count};
  if (!type || !type.getElementType().isSignlessInteger(64) ||
      (!isLinear && type.getShape() != ArrayRef<int64_t>{count, rank}))
    return error(what) << "expected int64 indices of shape [" << count << "] or [" << count << ", "
                       << rank << "], but got " << type;
  if (isa<ExternalAttr>(stripTensorInfo(indices)))
    return success();
  FailureOr<TensorBytes> bytes = getTensorBytes(indices, module);
  if (failed(bytes))
    return failure();
  if (WhyNot why = checkIndices(bytes->bytes, dims, elements, isLinear))
    return error(what) << *why;
  return success();
}

FailureOr<Attribute> Importer::sparse(const wire::SparseTensor &s, const Twine &what) {
  if (!s.values || !s.unknown.empty())
    return error(what) << "is a sparse tensor without values or with fields this "
                          "version does not know";
  int64_t elements = 1;
  for (int64_t dim : s.dims) {
    if (dim < 0)
      return error(what) << "expected sizes of at least 0, but got " << dim;
    if (llvm::MulOverflow(elements, dim, elements))
      return error(what) << "its shape has more elements than 64 bits can count";
  }
  FailureOr<Attribute> values = tensor(*s.values, what);
  FailureOr<Attribute> indices = Attribute();
  if (s.indices && succeeded(values))
    indices = tensor(*s.indices, what);
  if (failed(values) || failed(indices))
    return failure();
  ShapedType type = typeOf(*values);
  if (!type || type.getRank() != 1)
    return error(what) << "expected values of rank 1, but got " << type;
  int64_t count = type.getDimSize(0);
  if (count != 0 && !*indices)
    return error(what) << "has " << count << " values, but no indices";
  if (*indices && failed(sparseIndices(*indices, s.dims, count, elements, what)))
    return failure();
  return Attribute(SparseAttr::get(ctx, *values, *indices, b.getDenseI64ArrayAttr(s.dims)));
}
