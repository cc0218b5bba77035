//===- ImportTensor.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Imports TensorProto and AttributeProto as attributes. A size that a model states is not trusted
// until the bytes for it were seen.
//
//===----------------------------------------------------------------------===//

#include "Fields.h"
#include "Importer.h"
#include "TypeCodec.h"

#include "basin/Dialect/ONNX/IR/ExternalData.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace basin::onnx;
namespace field = basin::onnx::wire::field;

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

/// Packs `values`, each from one typed entry, into the layout of `raw_data`.
template <typename T>
static void appendEntries(std::vector<char> &out, ArrayRef<T> values, size_t bytesEach) {
  for (T value : values) {
    const char *bytes = reinterpret_cast<const char *>(&value);
    out.insert(out.end(), bytes, bytes + bytesEach);
  }
}

/// Packs six-bit floats. A typed entry has one of them, and three bytes of raw data have four.
static void appendSixBit(std::vector<char> &out, ArrayRef<int32_t> values) {
  uint32_t bits = 0, count = 0;
  for (int32_t value : values) {
    bits |= (static_cast<uint32_t>(value) & 63) << count;
    for (count += 6; count >= 8; count -= 8, bits >>= 8)
      out.push_back(static_cast<char>(bits & 255));
  }
  if (count > 0)
    out.push_back(static_cast<char>(bits & 255));
}

FailureOr<TypedAttr> Importer::typedElements(const wire::Tensor &t, RankedTensorType type,
                                             const Twine &what) {
  Type element = type.getElementType();
  auto raw = std::make_shared<std::vector<char>>();
  if (!t.floats.empty() && (element.isF32() || isa<ComplexType>(element)))
    appendEntries(*raw, ArrayRef(t.floats), sizeof(float));
  else if (!t.doubles.empty())
    appendEntries(*raw, ArrayRef(t.doubles), sizeof(double));
  else if (!t.int64s.empty() && element.isInteger(64))
    appendEntries(*raw, ArrayRef(t.int64s), sizeof(int64_t));
  else if (!t.uint64s.empty())
    appendEntries(*raw, ArrayRef(t.uint64s), element.isInteger(32) ? 4 : 8);
  else if (!t.int32s.empty() && getElementBits(element) == 6)
    appendSixBit(*raw, t.int32s);
  else if (!t.int32s.empty() && getElementBits(element) <= 32)
    appendEntries(*raw, ArrayRef(t.int32s), std::max(getElementBits(element) / 8, 1u));
  std::optional<uint64_t> expected = getRawByteSize(type.getShape(), element);
  if (!expected || raw->size() != *expected)
    return error(what) << "expected elements for " << type << ", but got " << raw->size()
                       << " bytes of them";
  return makeElements(type, *raw, raw, t.name.value_or("tensor"));
}

static std::optional<int64_t> parseCount(StringRef text) {
  int64_t value;
  if (text.getAsInteger(10, value) || value < 0)
    return std::nullopt;
  return value;
}

/// Returns whether the name belongs to no file and to no link to a file.
static bool isMissing(StringRef baseDir, StringRef location) {
  SmallString<128> path(baseDir);
  llvm::sys::path::append(path, location);
  llvm::sys::fs::file_status status;
  return llvm::sys::fs::status(path, status) == std::errc::no_such_file_or_directory;
}

FailureOr<TypedAttr> Importer::externalElements(const wire::Tensor &t, RankedTensorType type,
                                                const Twine &what) {
  StringRef location;
  int64_t offset = 0, length = -1;
  bool canonical = t.external.size() == 3;
  static constexpr StringLiteral kOrder[] = {"location", "offset", "length"};
  for (auto [i, entry] : llvm::enumerate(t.external)) {
    canonical &= i < 3 && entry.first == kOrder[i];
    if (entry.first == "location") {
      location = entry.second;
      continue;
    }
    if (entry.first != "offset" && entry.first != "length")
      continue;
    std::optional<int64_t> count = parseCount(entry.second);
    if (!count)
      return error(what) << "expected a count of bytes as external " << entry.first << ", but got "
                         << quoteName(entry.second);
    canonical &= std::to_string(*count) == entry.second;
    (entry.first == "offset" ? offset : length) = *count;
  }
  std::optional<uint64_t> expected = getRawByteSize(type.getShape(), type.getElementType());
  if (!expected)
    return error(what) << "cannot have external data of type " << type;
  if (length >= 0 && static_cast<uint64_t>(length) != *expected)
    return error(what) << "expected " << *expected << " bytes of external data for " << type
                       << ", but got length " << length;
  if (llvm::Error bad = checkExternalName(location))
    return error(what) << llvm::toString(std::move(bad));
  auto made = TypedAttr(ExternalAttr::get(ctx, type, location, offset, length,
                                          canonical ? ArrayAttr() : entries(t.external)));
  bool isFirst = dataFiles.insert(b.getStringAttr(location));
  if (isMissing(baseDir, location)) {
    // A graph can be inspected without its weights. Passes that read them will fail.
    if (isFirst)
      emitWarning(loc) << "external data " << quoteName(location)
                       << " cannot be found: its tensors cannot be read";
    return made;
  }
  std::string path;
  uint64_t size = 0;
  if (llvm::Error bad = resolveExternalFile(baseDir, location, path, size))
    return error(what) << llvm::toString(std::move(bad));
  auto start = static_cast<uint64_t>(offset);
  if (start > size || *expected > size - start)
    return error(what) << "external data " << quoteName(location) << " has " << size
                       << " bytes, but offset " << offset << " and " << type << " need "
                       << *expected << " more";
  return made;
}

FailureOr<TypedAttr> Importer::elements(const wire::Tensor &t, const Twine &what) {
  Type element = getElementType(ctx, t.dataType.value_or(0));
  if (!element)
    return error(what) << "element type " << t.dataType.value_or(0) << " is not one of ONNX's";
  for (int64_t dim : t.dims)
    if (dim < 0)
      return error(what) << "expected sizes of at least 0, but got " << dim;
  // The number of elements must fit 64 bits before anything asks the type for it.
  bool isString = isa<StringType>(element);
  std::optional<uint64_t> expected =
      getRawByteSize(t.dims, isString ? IntegerType::get(ctx, 8) : element);
  if (!expected || *expected > INT64_MAX)
    return error(what) << "its shape has more elements than memory can hold";
  auto type = RankedTensorType::get(t.dims, element);
  bool isTyped = !t.floats.empty() || !t.doubles.empty() || !t.int32s.empty() ||
                 !t.int64s.empty() || !t.uint64s.empty() || !t.strings.empty();
  if (t.location.value_or(0) == field::DataLocation::EXTERNAL) {
    if (t.raw || isTyped)
      return error(what) << "has data both in the model and in a file";
    return externalElements(t, type, what);
  }
  if (isString) {
    if (t.raw || t.strings.size() != *expected)
      return error(what) << "expected " << *expected << " strings, but got " << t.strings.size();
    return TypedAttr(StringsAttr::get(ctx, type, strings(t.strings)));
  }
  if (!t.raw)
    return typedElements(t, type, what);
  if (isTyped)
    return error(what) << "has data both raw and typed";
  if (t.raw->size() != *expected)
    return error(what) << "expected " << *expected << " bytes of raw data for " << type
                       << ", but got " << t.raw->size();
  return makeElements(type, ArrayRef(t.raw->data(), t.raw->size()), buffer,
                      t.name.value_or("tensor"));
}

DictionaryAttr Importer::tensorInfo(const wire::Tensor &t, bool withName) {
  Attrs info;
  if (withName && t.name)
    info.set("name", b.getStringAttr(*t.name));
  bool external = t.location.value_or(0) == field::DataLocation::EXTERNAL;
  bool isString = t.dataType.value_or(0) == 8;
  if (!t.raw && !external && !isString)
    info.set("typed", b.getUnitAttr());
  if (t.location && !external)
    info.set("location", b.getI64IntegerAttr(*t.location));
  if (!external && !t.external.empty())
    info.set("external", entries(t.external));
  common(info, t.doc, t.meta, t.unknown);
  return info.getDictionary(ctx);
}

FailureOr<Attribute> Importer::tensor(const wire::Tensor &t, const Twine &what) {
  FailureOr<TypedAttr> value = elements(t, what);
  if (failed(value))
    return failure();
  DictionaryAttr info = tensorInfo(t, /*withName=*/true);
  return info.empty() ? Attribute(*value) : Attribute(TensorAttr::get(ctx, *value, info));
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

/// Returns AttributeProto.type. Old models may leave it out; then the fields that are set tell it.
static int32_t kindOf(const wire::Attribute &a) {
  if (a.type != 0)
    return a.type;
  if (a.f)
    return field::AttributeType::FLOAT;
  if (a.i)
    return field::AttributeType::INT;
  if (a.s)
    return field::AttributeType::STRING;
  if (a.t)
    return field::AttributeType::TENSOR;
  if (a.g)
    return field::AttributeType::GRAPH;
  if (!a.floats.empty())
    return field::AttributeType::FLOATS;
  if (!a.ints.empty())
    return field::AttributeType::INTS;
  if (!a.strings.empty())
    return field::AttributeType::STRINGS;
  if (!a.tensors.empty())
    return field::AttributeType::TENSORS;
  return 0;
}

FailureOr<Attribute> Importer::attribute(const wire::Attribute &a, const Twine &where) {
  std::string what = (where + ": attribute " + quoteName(a.name.value_or(""))).str();
  auto verbatim = [&] { return Attribute(VerbatimAttr::get(ctx, a.bytes)); };
  auto list = [&](StringRef kind, auto &&range, auto convert) -> FailureOr<Attribute> {
    SmallVector<Attribute> items;
    for (const auto &item : range) {
      FailureOr<Attribute> attr = convert(item);
      if (failed(attr))
        return failure();
      items.push_back(*attr);
    }
    return Attribute(ListAttr::get(ctx, kind, b.getArrayAttr(items)));
  };
  auto typeProto = [&](const wire::Type &t) -> FailureOr<Attribute> {
    auto type = wire::decodeType(ctx, t);
    if (!type)
      return error(what) << llvm::toString(type.takeError());
    if (wire::encodeType(*type).str() != t.bytes)
      return Attribute(VerbatimAttr::get(ctx, t.bytes));
    return Attribute(TypeAttr::get(*type));
  };
  if (a.hasUnknown || a.doc)
    return verbatim();
  int32_t kind = kindOf(a);
  if (a.ref)
    return Attribute(RefAttr::get(ctx, *a.ref, kind));
  switch (kind) {
  case field::AttributeType::FLOAT:
    return Attribute(b.getF32FloatAttr(a.f.value_or(0)));
  case field::AttributeType::INT:
    return Attribute(b.getI64IntegerAttr(a.i.value_or(0)));
  case field::AttributeType::STRING:
    return Attribute(b.getStringAttr(a.s.value_or("")));
  case field::AttributeType::TENSOR:
    if (!a.t)
      return error(what) << "has no tensor";
    return tensor(*a.t, what);
  case field::AttributeType::FLOATS:
    return Attribute(b.getDenseF32ArrayAttr(a.floats));
  case field::AttributeType::INTS:
    return Attribute(b.getDenseI64ArrayAttr(a.ints));
  case field::AttributeType::STRINGS:
    return Attribute(strings(a.strings));
  case field::AttributeType::TENSORS:
    return list("tensors", a.tensors, [&](const auto &t) { return tensor(t, what); });
  case field::AttributeType::SPARSE_TENSOR:
    if (!a.sparse)
      return error(what) << "has no sparse tensor";
    return sparse(*a.sparse, what);
  case field::AttributeType::SPARSE_TENSORS:
    return list("sparse_tensors", a.sparses, [&](const auto &s) { return sparse(s, what); });
  case field::AttributeType::TYPE_PROTO:
    if (!a.tp)
      return error(what) << "has no type";
    return typeProto(*a.tp);
  case field::AttributeType::TYPE_PROTOS:
    return list("type_protos", a.types, typeProto);
  default:
    return error(what) << "is of kind " << kind << ", which ONNX does not define";
  }
}
