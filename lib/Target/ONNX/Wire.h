//===- Wire.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The messages of onnx.proto as plain structs that refer to the file's bytes.
//
// protobuf's generated classes are not used, for three reasons. They copy every tensor. They
// register globally under names that a host program's own ONNX may use, too. And they lose the
// order of unknown fields. Decoding here is by protozero. Fields that Basin does not interpret
// are kept verbatim in `unknown`.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_TARGET_ONNX_WIRE_H
#define BASIN_LIB_TARGET_ONNX_WIRE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace basin::onnx::wire {

using llvm::StringRef;

/// A text that may be absent. It is a third smaller than an optional, and a node has five of them.
class Text {
public:
  Text() = default;
  Text(StringRef text) : text(text.data() ? text : StringRef("", 0)) {}

  explicit operator bool() const { return text.data() != nullptr; }
  StringRef operator*() const { return text; }
  const StringRef *operator->() const { return &text; }
  StringRef value_or(StringRef otherwise) const { return *this ? text : otherwise; }

private:
  /// Without data if the text is absent.
  StringRef text;
};

using Entries = std::vector<std::pair<StringRef, StringRef>>;

struct Tensor {
  std::vector<int64_t> dims;
  std::optional<int32_t> dataType;
  Text name, doc, raw;
  // Typed storage. At most one of these lists is used.
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int32_t> int32s;
  std::vector<int64_t> int64s;
  std::vector<uint64_t> uint64s;
  std::vector<StringRef> strings;
  Entries external, meta;
  std::optional<int32_t> location;
  std::string unknown;
};

struct SparseTensor {
  std::optional<Tensor> values, indices;
  std::vector<int64_t> dims;
  std::string unknown;
};

struct Dim {
  std::optional<int64_t> value;
  Text param;
};

/// A TypeProto. `bytes` is the whole message, with what the other members cannot hold.
struct Type {
  enum Kind { None, Tensor, Sequence, Map, Optional, Sparse, Opaque } kind = None;
  int32_t elementType = 0; // the key type of a map
  bool hasShape = false;
  std::vector<Dim> dims;
  std::unique_ptr<Type> inner;
  StringRef domain, name;
  StringRef bytes;
};

struct ValueInfo {
  Text name, doc;
  std::optional<Type> type;
  Entries meta;
  std::string unknown;
};

struct Graph;

struct Attribute {
  Text name, doc, ref;
  int32_t type = 0;
  std::optional<float> f;
  std::optional<int64_t> i;
  Text s;
  // Most attributes have none of these, and pointers keep the struct small.
  std::unique_ptr<Tensor> t;
  std::unique_ptr<Graph> g;
  std::unique_ptr<SparseTensor> sparse;
  std::unique_ptr<Type> tp;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<StringRef> strings;
  std::vector<Tensor> tensors;
  std::vector<Graph> graphs;
  std::vector<SparseTensor> sparses;
  std::vector<Type> types;
  bool hasUnknown = false;
  StringRef bytes;
};

struct Node {
  std::vector<StringRef> inputs, outputs;
  Text name, opType, domain, overload, doc;
  std::vector<Attribute> attributes;
  Entries meta;
  std::string unknown;
};

struct Graph {
  Text name, doc;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<SparseTensor> sparseInitializers;
  std::vector<ValueInfo> inputs, outputs, valueInfo;
  Entries meta;
  std::string unknown;
};

struct Opset {
  Text domain;
  std::optional<int64_t> version;
};

struct Function {
  Text name, doc, domain, overload;
  std::vector<StringRef> inputs, outputs, attributes;
  std::vector<Attribute> attributeDefaults;
  std::vector<Node> nodes;
  std::vector<Opset> opsets;
  std::vector<ValueInfo> valueInfo;
  Entries meta;
  std::string unknown;
};

struct Model {
  std::optional<int64_t> irVersion, modelVersion;
  Text producerName, producerVersion, domain, doc;
  std::vector<Opset> opsets;
  std::optional<Graph> graph;
  Entries meta;
  std::vector<Function> functions;
  std::string unknown;
};

struct Limits {
  unsigned maxDepth = 64;
  /// The number of bytes that all structs above may take together. Their names and numbers do not
  /// count, because the file's size bounds these. While a list grows it may take twice as much.
  size_t maxMemory = 1u << 30;
};

/// Decodes a ModelProto. The result refers to `bytes`, which must outlive it.
llvm::Expected<Model> decodeModel(StringRef bytes, const Limits &limits);

} // namespace basin::onnx::wire

#endif // BASIN_LIB_TARGET_ONNX_WIRE_H
