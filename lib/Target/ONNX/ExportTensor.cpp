//===- ExportTensor.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Attributes to AttributeProto and TensorProto.
//
//===----------------------------------------------------------------------===//

#include "Exporter.h"
#include "TypeCodec.h"

#include "mlir/IR/Builders.h"

#include <cstring>

using namespace mlir;
using namespace basin::onnx;
using wire::Rope;

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// Calls `fn` with each `T` of `bytes`, which may not be aligned.
template <typename T, typename Fn> static void forEach(ArrayRef<char> bytes, Fn fn) {
  for (size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    fn(value);
  }
}

/// The typed field that ONNX assigns to the element type.
static void typedData(Rope &out, ArrayRef<char> bytes, Type element) {
  SmallVector<int64_t> values;
  std::string packed(bytes.data(), bytes.size());
  auto push = [&](auto value) { values.push_back(static_cast<int64_t>(value)); };
  unsigned bits = getElementBits(element);
  bool isSigned = element.isSignlessInteger() && !element.isInteger(1);
  if (bytes.empty())
    return;
  if (element.isF32() || (isa<ComplexType>(element) && bits == 64))
    return out.bytes(4, packed);
  if (element.isF64() || isa<ComplexType>(element))
    return out.bytes(10, packed);
  if (bits == 64 && isSigned) {
    forEach<int64_t>(bytes, push);
    return out.packedIntegers(7, values);
  }
  if (element.isUnsignedInteger(64) || element.isUnsignedInteger(32)) {
    if (bits == 64)
      forEach<uint64_t>(bytes, push);
    else
      forEach<uint32_t>(bytes, push);
    return out.packedIntegers(11, values);
  }
  if (bits == 6) {
    uint32_t pending = 0, count = 0;
    for (char c : bytes) {
      pending |= static_cast<uint32_t>(static_cast<uint8_t>(c)) << count;
      for (count += 8; count >= 6; count -= 6, pending >>= 6)
        push(pending & 63);
    }
  } else if (bits == 32) {
    forEach<int32_t>(bytes, push);
  } else if (bits == 16 && isSigned) {
    forEach<int16_t>(bytes, push);
  } else if (bits == 16) {
    forEach<uint16_t>(bytes, push);
  } else if (bits == 8 && isSigned) {
    forEach<int8_t>(bytes, push);
  } else {
    forEach<uint8_t>(bytes, push);
  }
  out.packedIntegers(5, values);
}

LogicalResult Exporter::writeData(Operation *op, ArrayRef<char> bytes, Rope &out) {
  // ONNX asks for page alignment so that a runtime may map the tensor.
  constexpr uint64_t kAlign = 4096;
  if (uint64_t padding = (kAlign - data.written % kAlign) % kAlign; bytes.size() >= kAlign) {
    data.os->write_zeros(padding);
    data.written += padding;
  }
  auto entry = [&](StringRef key, const std::string &value) {
    Rope e;
    e.bytes(1, key);
    e.bytes(2, value);
    out.message(13, std::move(e));
  };
  entry("location", data.fileName);
  entry("offset", std::to_string(data.written));
  entry("length", std::to_string(bytes.size()));
  out.integer(14, 1);
  data.os->write(bytes.data(), bytes.size());
  data.written += bytes.size();
  return success();
}

LogicalResult Exporter::externalData(Operation *op, ExternalAttr attr, Rope &out) {
  if (data.mode == ExternalData::Share) {
    Builder b(op->getContext());
    ArrayAttr list = attr.getExtra();
    if (!list)
      list = b.getArrayAttr({b.getStrArrayAttr({"location", attr.getLocation()}),
                             b.getStrArrayAttr({"offset", std::to_string(attr.getOffset())}),
                             b.getStrArrayAttr({"length", std::to_string(attr.getLength())})});
    entries(out, 13, list);
    out.integer(14, 1);
    return success();
  }
  FailureOr<TensorBytes> bytes = getTensorBytes(attr, op);
  if (failed(bytes))
    return failure();
  if (data.mode == ExternalData::Embed) {
    out.borrowed(9, bytes->bytes, bytes->owner);
    return success();
  }
  return writeData(op, bytes->bytes, out);
}

FailureOr<Rope> Exporter::tensor(Operation *op, Attribute elements, DictionaryAttr info,
                                 std::optional<StringRef> name) {
  auto typed = dyn_cast<TypedAttr>(elements);
  auto type = typed ? dyn_cast<ShapedType>(typed.getType()) : ShapedType();
  if (!type || !type.hasStaticShape() || !getElementTypeCode(type.getElementType())) {
    op->emitError("expected the elements of a tensor, but got ") << elements;
    return failure();
  }
  Rope out;
  for (int64_t dim : type.getShape())
    out.integer(1, dim);
  out.integer(2, getElementTypeCode(type.getElementType()));
  if (name)
    out.bytes(8, *name);
  auto flag = [&](StringRef key) { return info && info.contains(key); };
  if (auto strings = dyn_cast<StringsAttr>(elements)) {
    for (auto value : strings.getValues().getAsRange<StringAttr>())
      out.bytes(6, value);
  } else if (auto external = dyn_cast<ExternalAttr>(elements)) {
    if (failed(externalData(op, external, out)))
      return failure();
  } else {
    FailureOr<TensorBytes> bytes = getTensorBytes(elements, op);
    if (failed(bytes))
      return op->emitError("expected the elements of a tensor, but got ") << elements;
    if (flag("spill") && data.os) {
      if (failed(writeData(op, bytes->bytes, out)))
        return failure();
    } else if (flag("typed")) {
      typedData(out, bytes->bytes, type.getElementType());
    } else {
      out.borrowed(9, bytes->bytes, bytes->owner);
    }
  }
  if (!info)
    return out;
  if (auto location = info.getAs<IntegerAttr>("location"))
    out.integer(14, location.getInt());
  if (auto external = info.getAs<ArrayAttr>("external"))
    entries(out, 13, external);
  common(out, info, /*docTag=*/12, /*metaTag=*/16);
  return out;
}

FailureOr<Rope> Exporter::tensor(Operation *op, Attribute value) {
  if (auto withInfo = dyn_cast<TensorAttr>(value)) {
    auto name = withInfo.getInfo().getAs<StringAttr>("name");
    return tensor(op, withInfo.getElements(), withInfo.getInfo(),
                  name ? std::optional<StringRef>(name.getValue()) : std::nullopt);
  }
  return tensor(op, value, DictionaryAttr(), std::nullopt);
}

FailureOr<Rope> Exporter::sparse(Operation *op, SparseAttr attr) {
  Rope out;
  FailureOr<Rope> values = tensor(op, attr.getValues());
  if (failed(values))
    return failure();
  out.message(1, std::move(*values));
  if (attr.getIndices()) {
    FailureOr<Rope> indices = tensor(op, attr.getIndices());
    if (failed(indices))
      return failure();
    out.message(2, std::move(*indices));
  }
  for (int64_t dim : attr.getDims().asArrayRef())
    out.integer(3, dim);
  return out;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

namespace {
/// AttributeProto.AttributeType.
enum Kind {
  kFloat = 1,
  kInt,
  kString,
  kTensor,
  kGraph,
  kFloats,
  kInts,
  kStrings,
  kTensors,
  kGraphs,
  kSparse,
  kSparses,
  kType,
  kTypes
};
} // namespace

LogicalResult Exporter::attribute(Operation *op, StringRef name, Attribute attr, uint32_t tag,
                                  Rope &out) {
  Rope a;
  if (auto verbatim = dyn_cast<VerbatimAttr>(attr)) {
    a.verbatim(verbatim.getBytes());
    out.message(tag, std::move(a));
    return success();
  }
  a.bytes(1, name);
  int64_t kind = 0;
  auto message = [&](uint32_t field, Kind k, FailureOr<Rope> rope) {
    kind = k;
    if (succeeded(rope))
      a.message(field, std::move(*rope));
    return LogicalResult(rope);
  };
  LogicalResult result = success();
  if (auto value = dyn_cast<IntegerAttr>(attr)) {
    kind = kInt;
    a.integer(3, value.getInt());
  } else if (auto value = dyn_cast<FloatAttr>(attr)) {
    kind = kFloat;
    a.number(2, value.getValue().convertToFloat());
  } else if (auto value = dyn_cast<StringAttr>(attr)) {
    kind = kString;
    a.bytes(4, value);
  } else if (auto value = dyn_cast<DenseF32ArrayAttr>(attr)) {
    kind = kFloats;
    for (float f : value.asArrayRef())
      a.number(7, f);
  } else if (auto value = dyn_cast<DenseI64ArrayAttr>(attr)) {
    kind = kInts;
    for (int64_t i : value.asArrayRef())
      a.integer(8, i);
  } else if (auto value = dyn_cast<ArrayAttr>(attr)) {
    kind = kStrings;
    for (auto s : value.getAsRange<StringAttr>())
      a.bytes(9, s);
  } else if (auto value = dyn_cast<TypeAttr>(attr)) {
    result = message(14, kType, wire::encodeType(value.getValue()));
  } else if (auto value = dyn_cast<SparseAttr>(attr)) {
    result = message(22, kSparse, sparse(op, value));
  } else if (auto value = dyn_cast<RefAttr>(attr)) {
    kind = value.getKind();
    a.bytes(21, value.getName());
  } else if (auto value = dyn_cast<ListAttr>(attr)) {
    bool isType = value.getKind() == "type_protos";
    bool isSparse = value.getKind() == "sparse_tensors";
    kind = isType ? kTypes : isSparse ? kSparses : kTensors;
    for (Attribute item : value.getElements()) {
      if (auto bytes = dyn_cast<VerbatimAttr>(item)) {
        a.bytes(15, bytes.getBytes());
        continue;
      }
      if (isType)
        result = message(15, kTypes, wire::encodeType(cast<TypeAttr>(item).getValue()));
      else if (isSparse)
        result = message(23, kSparses, sparse(op, cast<SparseAttr>(item)));
      else
        result = message(10, kTensors, tensor(op, item));
      if (failed(result))
        return failure();
    }
  } else {
    result = message(5, kTensor, tensor(op, attr));
  }
  if (failed(result))
    return failure();
  a.integer(20, kind);
  out.message(tag, std::move(a));
  return success();
}
