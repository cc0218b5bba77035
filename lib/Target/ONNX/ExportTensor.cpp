//===- ExportTensor.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exports attributes as AttributeProto and TensorProto.
//
//===----------------------------------------------------------------------===//

#include "Exporter.h"
#include "Fields.h"
#include "TypeCodec.h"

#include "mlir/IR/Builders.h"

#include <cstring>

using namespace mlir;
using namespace basin::onnx;
using wire::Rope;
namespace field = basin::onnx::wire::field;

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// Calls `fn` with each `T` in `bytes`, which need not be aligned.
template <typename T, typename Fn> static void forEach(ArrayRef<char> bytes, Fn fn) {
  for (size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    fn(value);
  }
}

/// Writes the elements into the typed field that ONNX has for their type.
static void typedData(Rope &out, ArrayRef<char> bytes, Type element) {
  SmallVector<int64_t> values;
  std::string packed(bytes.data(), bytes.size());
  auto push = [&](auto value) { values.push_back(static_cast<int64_t>(value)); };
  unsigned bits = getElementBits(element);
  bool isSigned = element.isSignlessInteger() && !element.isInteger(1);
  if (bytes.empty())
    return;
  if (element.isF32() || (isa<ComplexType>(element) && bits == 64))
    return out.bytes(field::Tensor::float_data, packed);
  if (element.isF64() || isa<ComplexType>(element))
    return out.bytes(field::Tensor::double_data, packed);
  if (bits == 64 && isSigned) {
    forEach<int64_t>(bytes, push);
    return out.packedIntegers(field::Tensor::int64_data, values);
  }
  if (element.isUnsignedInteger(64) || element.isUnsignedInteger(32)) {
    if (bits == 64)
      forEach<uint64_t>(bytes, push);
    else
      forEach<uint32_t>(bytes, push);
    return out.packedIntegers(field::Tensor::uint64_data, values);
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
  out.packedIntegers(field::Tensor::int32_data, values);
}

LogicalResult Exporter::writeData(Operation *op, ArrayRef<char> bytes, Rope &out) {
  // ONNX asks for page alignment, so that a runtime can map the tensor.
  constexpr uint64_t kAlign = 4096;
  if (uint64_t padding = (kAlign - data.written % kAlign) % kAlign; bytes.size() >= kAlign) {
    data.os->write_zeros(padding);
    data.written += padding;
  }
  auto entry = [&](StringRef key, const std::string &value) {
    Rope e;
    e.bytes(field::Entry::key, key);
    e.bytes(field::Entry::value, value);
    out.message(field::Tensor::external_data, std::move(e));
  };
  entry("location", data.fileName);
  entry("offset", std::to_string(data.written));
  entry("length", std::to_string(bytes.size()));
  out.integer(field::Tensor::data_location, field::DataLocation::EXTERNAL);
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
    entries(out, field::Tensor::external_data, list);
    out.integer(field::Tensor::data_location, field::DataLocation::EXTERNAL);
    return success();
  }
  FailureOr<TensorBytes> bytes = getTensorBytes(attr, op);
  if (failed(bytes))
    return failure();
  if (data.mode == ExternalData::Embed) {
    out.borrowed(field::Tensor::raw_data, bytes->bytes, bytes->owner);
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
    out.integer(field::Tensor::dims, dim);
  out.integer(field::Tensor::data_type, getElementTypeCode(type.getElementType()));
  if (name)
    out.bytes(field::Tensor::name, *name);
  auto flag = [&](StringRef key) { return info && info.contains(key); };
  if (auto strings = dyn_cast<StringsAttr>(elements)) {
    for (auto value : strings.getValues().getAsRange<StringAttr>())
      out.bytes(field::Tensor::string_data, value);
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
      out.borrowed(field::Tensor::raw_data, bytes->bytes, bytes->owner);
    }
  }
  if (!info)
    return out;
  if (auto location = info.getAs<IntegerAttr>("location"))
    out.integer(field::Tensor::data_location, location.getInt());
  if (auto external = info.getAs<ArrayAttr>("external"))
    entries(out, field::Tensor::external_data, external);
  common(out, info, field::Tensor::doc_string, field::Tensor::metadata_props);
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
  out.message(field::SparseTensor::values, std::move(*values));
  if (attr.getIndices()) {
    FailureOr<Rope> indices = tensor(op, attr.getIndices());
    if (failed(indices))
      return failure();
    out.message(field::SparseTensor::indices, std::move(*indices));
  }
  for (int64_t dim : attr.getDims().asArrayRef())
    out.integer(field::SparseTensor::dims, dim);
  return out;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

LogicalResult Exporter::attribute(Operation *op, StringRef name, Attribute attr, uint32_t tag,
                                  Rope &out) {
  Rope a;
  if (auto verbatim = dyn_cast<VerbatimAttr>(attr)) {
    a.verbatim(verbatim.getBytes());
    out.message(tag, std::move(a));
    return success();
  }
  a.bytes(field::Attribute::name, name);
  int64_t kind = 0;
  auto message = [&](uint32_t number, int64_t k, FailureOr<Rope> rope) {
    kind = k;
    if (succeeded(rope))
      a.message(number, std::move(*rope));
    return LogicalResult(rope);
  };
  LogicalResult result = success();
  if (auto value = dyn_cast<IntegerAttr>(attr)) {
    kind = field::AttributeType::INT;
    a.integer(field::Attribute::i, value.getInt());
  } else if (auto value = dyn_cast<FloatAttr>(attr)) {
    kind = field::AttributeType::FLOAT;
    a.number(field::Attribute::f, value.getValue().convertToFloat());
  } else if (auto value = dyn_cast<StringAttr>(attr)) {
    kind = field::AttributeType::STRING;
    a.bytes(field::Attribute::s, value);
  } else if (auto value = dyn_cast<DenseF32ArrayAttr>(attr)) {
    kind = field::AttributeType::FLOATS;
    for (float f : value.asArrayRef())
      a.number(field::Attribute::floats, f);
  } else if (auto value = dyn_cast<DenseI64ArrayAttr>(attr)) {
    kind = field::AttributeType::INTS;
    for (int64_t i : value.asArrayRef())
      a.integer(field::Attribute::ints, i);
  } else if (auto value = dyn_cast<ArrayAttr>(attr)) {
    kind = field::AttributeType::STRINGS;
    for (auto s : value.getAsRange<StringAttr>())
      a.bytes(field::Attribute::strings, s);
  } else if (auto value = dyn_cast<TypeAttr>(attr)) {
    result = message(field::Attribute::tp, field::AttributeType::TYPE_PROTO,
                     wire::encodeType(value.getValue()));
  } else if (auto value = dyn_cast<SparseAttr>(attr)) {
    result = message(field::Attribute::sparse_tensor, field::AttributeType::SPARSE_TENSOR,
                     sparse(op, value));
  } else if (auto value = dyn_cast<RefAttr>(attr)) {
    kind = value.getKind();
    a.bytes(field::Attribute::ref_attr_name, value.getName());
  } else if (auto value = dyn_cast<ListAttr>(attr)) {
    bool isType = value.getKind() == "type_protos";
    bool isSparse = value.getKind() == "sparse_tensors";
    kind = isType     ? field::AttributeType::TYPE_PROTOS
           : isSparse ? field::AttributeType::SPARSE_TENSORS
                      : field::AttributeType::TENSORS;
    for (Attribute item : value.getElements()) {
      if (auto bytes = dyn_cast<VerbatimAttr>(item)) {
        a.bytes(field::Attribute::type_protos, bytes.getBytes());
        continue;
      }
      if (isType)
        result = message(field::Attribute::type_protos, field::AttributeType::TYPE_PROTOS,
                         wire::encodeType(cast<TypeAttr>(item).getValue()));
      else if (isSparse)
        result = message(field::Attribute::sparse_tensors, field::AttributeType::SPARSE_TENSORS,
                         sparse(op, cast<SparseAttr>(item)));
      else
        result =
            message(field::Attribute::tensors, field::AttributeType::TENSORS, tensor(op, item));
      if (failed(result))
        return failure();
    }
  } else {
    result = message(field::Attribute::t, field::AttributeType::TENSOR, tensor(op, attr));
  }
  if (failed(result))
    return failure();
  a.integer(field::Attribute::type, kind);
  out.message(tag, std::move(a));
  return success();
}
