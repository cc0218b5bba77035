//===- WireMutator.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// libFuzzer's mutator for ONNX models. A byte that changes at random mostly breaks a length prefix,
// and the decoder refuses the model. So the mutator splits the model into its fields, changes,
// removes or repeats one of them or replaces it by another of the same kind, and writes all lengths
// anew. One mutation in sixteen is libFuzzer's own on the bytes, so that the decoder stays under
// test.
//
//===----------------------------------------------------------------------===//

#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace {
/// The kinds of messages in onnx.proto.
enum class Kind {
  Leaf,
  Model,
  Graph,
  Node,
  Attribute,
  Tensor,
  Sparse,
  ValueInfo,
  Type,
  TensorType,
  Shape,
  Dim,
  Sequence,
  Map,
  Opset,
  Function,
  Entry
};

struct Edge {
  Kind parent;
  uint32_t tag;
  Kind child;
};

struct Field {
  Kind parent = Kind::Leaf, kind = Kind::Leaf;
  uint32_t tag = 0, wireType = 0;
  uint64_t number = 0;       // of wire type 0
  std::string bytes;         // of wire types 1, 2 and 5, if the kind is Leaf
  std::vector<Field> fields; // if the kind is not Leaf
};

using Random = std::minstd_rand;
} // namespace

static constexpr Edge kEdges[] = {
    {Kind::Model, 7, Kind::Graph},
    {Kind::Model, 8, Kind::Opset},
    {Kind::Model, 14, Kind::Entry},
    {Kind::Model, 25, Kind::Function},
    {Kind::Graph, 1, Kind::Node},
    {Kind::Graph, 5, Kind::Tensor},
    {Kind::Graph, 11, Kind::ValueInfo},
    {Kind::Graph, 12, Kind::ValueInfo},
    {Kind::Graph, 13, Kind::ValueInfo},
    {Kind::Graph, 15, Kind::Sparse},
    {Kind::Graph, 16, Kind::Entry},
    {Kind::Node, 5, Kind::Attribute},
    {Kind::Node, 9, Kind::Entry},
    {Kind::Attribute, 5, Kind::Tensor},
    {Kind::Attribute, 6, Kind::Graph},
    {Kind::Attribute, 10, Kind::Tensor},
    {Kind::Attribute, 11, Kind::Graph},
    {Kind::Attribute, 14, Kind::Type},
    {Kind::Attribute, 15, Kind::Type},
    {Kind::Attribute, 22, Kind::Sparse},
    {Kind::Attribute, 23, Kind::Sparse},
    {Kind::Tensor, 13, Kind::Entry},
    {Kind::Tensor, 16, Kind::Entry},
    {Kind::Sparse, 1, Kind::Tensor},
    {Kind::Sparse, 2, Kind::Tensor},
    {Kind::ValueInfo, 2, Kind::Type},
    {Kind::ValueInfo, 4, Kind::Entry},
    {Kind::Type, 1, Kind::TensorType},
    {Kind::Type, 4, Kind::Sequence},
    {Kind::Type, 5, Kind::Map},
    {Kind::Type, 7, Kind::Entry},
    {Kind::Type, 8, Kind::TensorType},
    {Kind::Type, 9, Kind::Sequence},
    {Kind::TensorType, 2, Kind::Shape},
    {Kind::Shape, 1, Kind::Dim},
    {Kind::Sequence, 1, Kind::Type},
    {Kind::Map, 2, Kind::Type},
    {Kind::Function, 7, Kind::Node},
    {Kind::Function, 9, Kind::Opset},
    {Kind::Function, 11, Kind::Attribute},
    {Kind::Function, 12, Kind::ValueInfo},
    {Kind::Function, 14, Kind::Entry},
};

static Kind childKind(Kind parent, uint32_t tag) {
  for (const Edge &edge : kEdges)
    if (edge.parent == parent && edge.tag == tag)
      return edge.child;
  return Kind::Leaf;
}

//===----------------------------------------------------------------------===//
// Bytes to fields and back
//===----------------------------------------------------------------------===//

static bool readVarint(const char *&at, const char *end, uint64_t &out) {
  out = 0;
  for (unsigned shift = 0; at != end && shift < 64; shift += 7) {
    auto byte = static_cast<uint8_t>(*at++);
    out |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128)
      return true;
  }
  return false;
}

static std::optional<std::vector<Field>> parse(const char *at, const char *end, Kind parent,
                                               unsigned depth) {
  std::vector<Field> out;
  while (at != end) {
    uint64_t key = 0, size = 0;
    if (!readVarint(at, end, key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
      return std::nullopt;
    Field &field = out.emplace_back();
    field.parent = parent;
    field.tag = static_cast<uint32_t>(key >> 3);
    field.wireType = key & 7;
    if (field.wireType == 0) {
      if (!readVarint(at, end, field.number))
        return std::nullopt;
      continue;
    }
    if (field.wireType == 1 || field.wireType == 5)
      size = field.wireType == 1 ? 8 : 4;
    else if (field.wireType != 2 || !readVarint(at, end, size))
      return std::nullopt;
    if (size > static_cast<uint64_t>(end - at))
      return std::nullopt;
    Kind kind = field.wireType == 2 ? childKind(parent, field.tag) : Kind::Leaf;
    std::optional<std::vector<Field>> inner;
    if (kind != Kind::Leaf && depth < 300)
      inner = parse(at, at + size, kind, depth + 1);
    if (inner) {
      field.kind = kind;
      field.fields = std::move(*inner);
    } else {
      field.bytes.assign(at, size);
    }
    at += size;
  }
  return out;
}

static void writeVarint(std::string &out, uint64_t value) {
  for (; value > 127; value >>= 7)
    out.push_back(static_cast<char>(value | 128));
  out.push_back(static_cast<char>(value));
}

static void write(const std::vector<Field> &fields, std::string &out) {
  for (const Field &field : fields) {
    writeVarint(out, static_cast<uint64_t>(field.tag) << 3 | field.wireType);
    std::string inner;
    if (field.wireType == 0) {
      writeVarint(out, field.number);
      continue;
    }
    if (field.kind != Kind::Leaf)
      write(field.fields, inner);
    const std::string &bytes = field.kind == Kind::Leaf ? field.bytes : inner;
    if (field.wireType == 2)
      writeVarint(out, bytes.size());
    out += bytes;
  }
}

//===----------------------------------------------------------------------===//
// Mutations
//===----------------------------------------------------------------------===//

namespace {
/// A field, and the list that contains it.
struct Place {
  std::vector<Field> *list;
  size_t index;
  Field &field() const { return (*list)[index]; }
};
} // namespace

static void collect(std::vector<Field> &fields, std::vector<Place> &out) {
  for (size_t i = 0; i < fields.size(); ++i) {
    out.push_back({&fields, i});
    collect(fields[i].fields, out);
  }
}

template <typename Pred>
static const Field *pick(const std::vector<Place> &places, Random &random, Pred accept) {
  for (unsigned tries = 0; tries < 32; ++tries)
    if (const Field &field = places[random() % places.size()].field(); accept(field))
      return &field;
  return nullptr;
}

static void mutateNumber(uint64_t &number, Random &random) {
  static constexpr uint64_t kCorners[] = {0,
                                          1,
                                          2,
                                          3,
                                          16,
                                          ~uint64_t(0),
                                          ~uint64_t(1),
                                          uint64_t(1) << 63,
                                          (uint64_t(1) << 63) - 1,
                                          uint64_t(1) << 62,
                                          uint64_t(1) << 32,
                                          uint64_t(1) << 31,
                                          (uint64_t(1) << 31) - 1};
  switch (random() % 3) {
  case 0:
    number = kCorners[random() % std::size(kCorners)];
    break;
  case 1:
    number += random() % 9;
    number -= 4;
    break;
  default:
    number = random() % 40;
  }
}

static void mutateLeaf(Field &field, const std::vector<Place> &places, Random &random) {
  if (field.wireType == 0)
    return mutateNumber(field.number, random);
  // Another short text of the same model, such as a name, an operator or a domain, connects its
  // nodes in another way.
  if (field.wireType == 2 && random() % 2) {
    bool sameTag = random() % 2;
    const Field *other = pick(places, random, [&](const Field &f) {
      return f.wireType == 2 && f.kind == Kind::Leaf && f.bytes.size() < 64 &&
             (!sameTag || (f.tag == field.tag && f.parent == field.parent));
    });
    if (other) {
      field.bytes = std::string(other->bytes);
      return;
    }
  }
  bool isFixed = field.wireType != 2;
  size_t room = isFixed ? field.bytes.size() : field.bytes.size() + 16;
  std::string bytes = field.bytes;
  bytes.resize(room);
  size_t size =
      LLVMFuzzerMutate(reinterpret_cast<uint8_t *>(bytes.data()), field.bytes.size(), room);
  bytes.resize(isFixed ? room : size);
  field.bytes = std::move(bytes);
}

static void mutateOnce(std::vector<Field> &fields, Random &random) {
  std::vector<Place> places;
  collect(fields, places);
  if (places.empty())
    return;
  Place place = places[random() % places.size()];
  Field &field = place.field();
  auto begin = place.list->begin() + static_cast<std::ptrdiff_t>(place.index);
  unsigned action = random() % 8;
  if (action < 4) {
    if (field.kind == Kind::Leaf)
      return mutateLeaf(field, places, random);
    action += 4;
  }
  if (action == 4) {
    place.list->erase(begin);
  } else if (action == 5) {
    place.list->insert(begin, Field(field));
  } else if (action == 6) {
    std::swap(field, (*place.list)[random() % place.list->size()]);
  } else if (const Field *other = pick(places, random, [&](const Field &f) {
               return f.parent == field.parent && f.tag == field.tag && &f != &field;
             })) {
    Field copy(*other); // `other` may be inside `field`, or around it
    field = std::move(copy);
  }
}

static size_t store(const std::vector<Field> &fields, uint8_t *data, size_t size, size_t maxSize) {
  std::string out;
  write(fields, out);
  if (out.size() > maxSize)
    return size;
  std::memcpy(data, out.data(), out.size());
  return out.size();
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                          unsigned seed) {
  Random random(seed);
  const char *bytes = reinterpret_cast<const char *>(data);
  auto fields = parse(bytes, bytes + size, Kind::Model, 0);
  if (!fields || fields->empty() || random() % 16 == 0)
    return LLVMFuzzerMutate(data, size, maxSize);
  for (unsigned count = 1 + random() % 3; count > 0; --count)
    mutateOnce(*fields, random);
  return store(*fields, data, size, maxSize);
}

/// Adds a field of the second model to the first one, or replaces a field of the same kind by it.
extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
                                            const uint8_t *data2, size_t size2, uint8_t *out,
                                            size_t maxSize, unsigned seed) {
  Random random(seed);
  const char *a = reinterpret_cast<const char *>(data1), *b = reinterpret_cast<const char *>(data2);
  auto to = parse(a, a + size1, Kind::Model, 0), from = parse(b, b + size2, Kind::Model, 0);
  if (!to || !from || to->empty() || from->empty() || size1 > maxSize)
    return 0;
  std::vector<Place> toPlaces, fromPlaces;
  collect(*to, toPlaces);
  collect(*from, fromPlaces);
  Place place = toPlaces[random() % toPlaces.size()];
  const Field *other = pick(fromPlaces, random, [&](const Field &f) {
    return f.parent == place.field().parent && f.tag == place.field().tag;
  });
  if (!other)
    return 0;
  if (random() % 2)
    place.field() = *other;
  else
    place.list->push_back(*other);
  return store(*to, out, 0, maxSize);
}
