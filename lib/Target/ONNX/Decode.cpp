//===- Decode.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decodes onnx.proto's wire format to structs. Only this file is compiled with exceptions, because
// protozero throws on malformed input. `decodeModel` catches that.
//
//===----------------------------------------------------------------------===//

#include "Fields.h"
#include "Wire.h"

#include <stdexcept>

namespace {
/// Thrown if a limit is exceeded or a value makes no sense; `what` says which.
struct Malformed : std::runtime_error {
  using std::runtime_error::runtime_error;
};
} // namespace

// protozero asserts that a field has the wire type that the caller asks for.
#define protozero_assert(condition)                                                                \
  ((condition) ? static_cast<void>(0) : throw Malformed("a field has the wrong wire type"))

#include <protozero/pbf_reader.hpp>

using namespace basin::onnx::wire;
using Reader = protozero::pbf_reader;

namespace {

class Decoder {
public:
  explicit Decoder(const Limits &limits) : limits(limits) {}

  Model model(Reader r);

private:
  /// Calls `handle(r)` for each field of a message that takes `memory` bytes when decoded. A field
  /// that `handle` declines is appended to `unknown`, unless that is null.
  template <typename Fn> void fields(Reader &r, size_t memory, std::string *unknown, Fn handle) {
    Nesting nesting(*this, memory);
    while (true) {
      const char *start = r.data().data();
      if (!r.next())
        return;
      if (handle(r))
        continue;
      r.skip();
      if (unknown)
        unknown->append(start, r.data().data() - start);
    }
  }

  struct Nesting {
    Nesting(Decoder &d, size_t memory) : d(d) {
      // A level of nesting in onnx.proto takes two or three messages.
      if (++d.depth > 4 * d.limits.maxDepth)
        throw Malformed("graphs or types nest deeper than " + std::to_string(d.limits.maxDepth));
      // This bounds the memory, because an empty message takes only two bytes in the file.
      if ((d.memory += memory) > d.limits.maxMemory)
        throw Malformed("the model's nodes and other messages need more than " +
                        std::to_string(d.limits.maxMemory) + " bytes of memory");
    }
    ~Nesting() { --d.depth; }
    Decoder &d;
  };

  Tensor tensor(Reader r);
  SparseTensor sparse(Reader r);
  Type type(Reader r);
  void tensorType(Reader r, Type &out);
  void shape(Reader r, Type &out);
  ValueInfo valueInfo(Reader r);
  Attribute attribute(Reader r);
  bool attributeList(Reader &r, Attribute &out);
  Node node(Reader r);
  Graph graph(Reader r);
  Function function(Reader r);
  Opset opset(Reader r);
  std::pair<StringRef, StringRef> entry(Reader r);

  const Limits &limits;
  unsigned depth = 0;
  size_t memory = 0;
};

StringRef view(Reader &r) {
  protozero::data_view v = r.get_view();
  return {v.data(), v.size()};
}

StringRef whole(const Reader &r) { return {r.data().data(), r.data().size()}; }

/// Reads a field of a repeated number, packed or not.
template <typename T, typename Packed, typename One>
void numbers(Reader &r, std::vector<T> &out, Packed packed, One one) {
  if (r.wire_type() == protozero::pbf_wire_type::length_delimited) {
    auto range = packed();
    out.insert(out.end(), range.begin(), range.end());
  } else {
    out.push_back(one());
  }
}

void int64s(Reader &r, std::vector<int64_t> &out) {
  numbers(r, out, [&] { return r.get_packed_int64(); }, [&] { return r.get_int64(); });
}
void floats(Reader &r, std::vector<float> &out) {
  numbers(r, out, [&] { return r.get_packed_float(); }, [&] { return r.get_float(); });
}

std::pair<StringRef, StringRef> Decoder::entry(Reader r) {
  std::pair<StringRef, StringRef> out;
  fields(r, sizeof(out), nullptr, [&](Reader &r) {
    switch (r.tag()) {
    case field::Entry::key:
      out.first = view(r);
      return true;
    case field::Entry::value:
      out.second = view(r);
      return true;
    default:
      return false;
    }
  });
  return out;
}

Tensor Decoder::tensor(Reader r) {
  Tensor t;
  fields(r, sizeof(t), &t.unknown, [&](Reader &r) {
    switch (r.tag()) {
    case field::Tensor::dims:
      int64s(r, t.dims);
      return true;
    case field::Tensor::data_type:
      t.dataType = r.get_int32();
      return true;
    case field::Tensor::float_data:
      floats(r, t.floats);
      return true;
    case field::Tensor::int32_data:
      numbers(r, t.int32s, [&] { return r.get_packed_int32(); }, [&] { return r.get_int32(); });
      return true;
    case field::Tensor::string_data:
      t.strings.push_back(view(r));
      return true;
    case field::Tensor::int64_data:
      int64s(r, t.int64s);
      return true;
    case field::Tensor::name:
      t.name = view(r);
      return true;
    case field::Tensor::raw_data:
      t.raw = view(r);
      return true;
    case field::Tensor::double_data:
      numbers(r, t.doubles, [&] { return r.get_packed_double(); }, [&] { return r.get_double(); });
      return true;
    case field::Tensor::uint64_data:
      numbers(r, t.uint64s, [&] { return r.get_packed_uint64(); }, [&] { return r.get_uint64(); });
      return true;
    case field::Tensor::doc_string:
      t.doc = view(r);
      return true;
    case field::Tensor::external_data:
      t.external.push_back(entry(r.get_message()));
      return true;
    case field::Tensor::data_location:
      t.location = r.get_int32();
      return true;
    case field::Tensor::metadata_props:
      t.meta.push_back(entry(r.get_message()));
      return true;
    default:
      return false;
    }
  });
  return t;
}

SparseTensor Decoder::sparse(Reader r) {
  SparseTensor s;
  fields(r, sizeof(s), &s.unknown, [&](Reader &r) {
    switch (r.tag()) {
    case field::SparseTensor::values:
      s.values = tensor(r.get_message());
      return true;
    case field::SparseTensor::indices:
      s.indices = tensor(r.get_message());
      return true;
    case field::SparseTensor::dims:
      int64s(r, s.dims);
      return true;
    default:
      return false;
    }
  });
  return s;
}

//===----------------------------------------------------------------------===//
// Types: what the struct leaves out is found by comparing a re-encoding
//===----------------------------------------------------------------------===//

void Decoder::shape(Reader r, Type &out) {
  out.hasShape = true;
  fields(r, 0, nullptr, [&](Reader &r) {
    if (r.tag() != field::TensorShape::dim)
      return false;
    Reader dimReader = r.get_message();
    Dim dim;
    fields(dimReader, sizeof(dim), nullptr, [&](Reader &r) {
      switch (r.tag()) {
      case field::Dimension::dim_value:
        dim = {r.get_int64(), Text()};
        return true;
      case field::Dimension::dim_param:
        dim = {std::nullopt, view(r)};
        return true;
      default:
        return false;
      }
    });
    out.dims.push_back(dim);
    return true;
  });
}

void Decoder::tensorType(Reader r, Type &out) {
  fields(r, 0, nullptr, [&](Reader &r) {
    switch (r.tag()) {
    case field::TensorType::elem_type:
      out.elementType = r.get_int32();
      return true;
    case field::TensorType::shape:
      shape(r.get_message(), out);
      return true;
    default:
      return false;
    }
  });
}

Type Decoder::type(Reader r) {
  Type t;
  t.bytes = whole(r);
  auto nested = [&](Reader r, Type::Kind kind, uint32_t innerTag) {
    t.kind = kind;
    fields(r, 0, nullptr, [&](Reader &r) {
      if (r.tag() == innerTag) {
        t.inner = std::make_unique<Type>(type(r.get_message()));
        return true;
      }
      if (kind == Type::Map && r.tag() == field::MapType::key_type) {
        t.elementType = r.get_int32();
        return true;
      }
      return false;
    });
  };
  fields(r, sizeof(t), nullptr, [&](Reader &r) {
    switch (r.tag()) {
    case field::Type::tensor_type:
      t.kind = Type::Tensor;
      tensorType(r.get_message(), t);
      return true;
    case field::Type::sequence_type:
      nested(r.get_message(), Type::Sequence, field::ListType::elem_type);
      return true;
    case field::Type::map_type:
      nested(r.get_message(), Type::Map, field::MapType::value_type);
      return true;
    case field::Type::opaque_type: {
      t.kind = Type::Opaque;
      std::tie(t.domain, t.name) = entry(r.get_message());
      return true;
    }
    case field::Type::sparse_tensor_type:
      t.kind = Type::Sparse;
      tensorType(r.get_message(), t);
      return true;
    case field::Type::optional_type:
      nested(r.get_message(), Type::Optional, field::ListType::elem_type);
      return true;
    default:
      return false;
    }
  });
  return t;
}

ValueInfo Decoder::valueInfo(Reader r) {
  ValueInfo v;
  fields(r, sizeof(v), &v.unknown, [&](Reader &r) {
    switch (r.tag()) {
    case field::ValueInfo::name:
      v.name = view(r);
      return true;
    case field::ValueInfo::type:
      v.type = type(r.get_message());
      return true;
    case field::ValueInfo::doc_string:
      v.doc = view(r);
      return true;
    case field::ValueInfo::metadata_props:
      v.meta.push_back(entry(r.get_message()));
      return true;
    default:
      return false;
    }
  });
  return v;
}

//===----------------------------------------------------------------------===//
// Nodes and graphs
//===----------------------------------------------------------------------===//

bool Decoder::attributeList(Reader &r, Attribute &a) {
  switch (r.tag()) {
  case field::Attribute::floats:
    floats(r, a.floats);
    return true;
  case field::Attribute::ints:
    int64s(r, a.ints);
    return true;
  case field::Attribute::strings:
    a.strings.push_back(view(r));
    return true;
  case field::Attribute::tensors:
    a.tensors.push_back(tensor(r.get_message()));
    return true;
  case field::Attribute::graphs:
    a.graphs.push_back(graph(r.get_message()));
    return true;
  case field::Attribute::type_protos:
    a.types.push_back(type(r.get_message()));
    return true;
  case field::Attribute::sparse_tensors:
    a.sparses.push_back(sparse(r.get_message()));
    return true;
  default:
    return false;
  }
}

Attribute Decoder::attribute(Reader r) {
  Attribute a;
  a.bytes = whole(r);
  std::string unknown;
  fields(r, sizeof(a), &unknown, [&](Reader &r) {
    switch (r.tag()) {
    case field::Attribute::name:
      a.name = view(r);
      return true;
    case field::Attribute::f:
      a.f = r.get_float();
      return true;
    case field::Attribute::i:
      a.i = r.get_int64();
      return true;
    case field::Attribute::s:
      a.s = view(r);
      return true;
    case field::Attribute::t:
      a.t = std::make_unique<Tensor>(tensor(r.get_message()));
      return true;
    case field::Attribute::g:
      a.g = std::make_unique<Graph>(graph(r.get_message()));
      return true;
    case field::Attribute::doc_string:
      a.doc = view(r);
      return true;
    case field::Attribute::tp:
      a.tp = std::make_unique<Type>(type(r.get_message()));
      return true;
    case field::Attribute::type:
      a.type = r.get_int32();
      return true;
    case field::Attribute::ref_attr_name:
      a.ref = view(r);
      return true;
    case field::Attribute::sparse_tensor:
      a.sparse = std::make_unique<SparseTensor>(sparse(r.get_message()));
      return true;
    default:
      return attributeList(r, a);
    }
  });
  a.hasUnknown = !unknown.empty();
  return a;
}

Node Decoder::node(Reader r) {
  Node n;
  fields(r, sizeof(n), &n.unknown, [&](Reader &r) {
    switch (r.tag()) {
    case field::Node::input:
      n.inputs.push_back(view(r));
      return true;
    case field::Node::output:
      n.outputs.push_back(view(r));
      return true;
    case field::Node::name:
      n.name = view(r);
      return true;
    case field::Node::op_type:
      n.opType = view(r);
      return true;
    case field::Node::attribute:
      n.attributes.push_back(attribute(r.get_message()));
      return true;
    case field::Node::doc_string:
      n.doc = view(r);
      return true;
    case field::Node::domain:
      n.domain = view(r);
      return true;
    case field::Node::overload:
      n.overload = view(r);
      return true;
    case field::Node::metadata_props:
      n.meta.push_back(entry(r.get_message()));
      return true;
    default:
      return false;
    }
  });
  return n;
}

Graph Decoder::graph(Reader r) {
  Graph g;
  fields(r, sizeof(g), &g.unknown, [&](Reader &r) {
    switch (r.tag()) {
    case field::Graph::node:
      g.nodes.push_back(node(r.get_message()));
      return true;
    case field::Graph::name:
      g.name = view(r);
      return true;
    case field::Graph::initializer:
      g.initializers.push_back(tensor(r.get_message()));
      return true;
    case field::Graph::doc_string:
      g.doc = view(r);
      return true;
    case field::Graph::input:
      g.inputs.push_back(valueInfo(r.get_message()));
      return true;
    case field::Graph::output:
      g.outputs.push_back(valueInfo(r.get_message()));
      return true;
    case field::Graph::value_info:
      g.valueInfo.push_back(valueInfo(r.get_message()));
      return true;
    case field::Graph::sparse_initializer:
      g.sparseInitializers.push_back(sparse(r.get_message()));
      return true;
    case field::Graph::metadata_props:
      g.meta.push_back(entry(r.get_message()));
      return true;
    default:
      return false;
    }
  });
  return g;
}

Opset Decoder::opset(Reader r) {
  Opset o;
  fields(r, sizeof(o), nullptr, [&](Reader &r) {
    switch (r.tag()) {
    case field::OperatorSetId::domain:
      o.domain = view(r);
      return true;
    case field::OperatorSetId::version:
      o.version = r.get_int64();
      return true;
    default:
      return false;
    }
  });
  return o;
}

Function Decoder::function(Reader r) {
  Function f;
  fields(r, sizeof(f), &f.unknown, [&](Reader &r) {
    switch (r.tag()) {
    case field::Function::name:
      f.name = view(r);
      return true;
    case field::Function::input:
      f.inputs.push_back(view(r));
      return true;
    case field::Function::output:
      f.outputs.push_back(view(r));
      return true;
    case field::Function::attribute:
      f.attributes.push_back(view(r));
      return true;
    case field::Function::node:
      f.nodes.push_back(node(r.get_message()));
      return true;
    case field::Function::doc_string:
      f.doc = view(r);
      return true;
    case field::Function::opset_import:
      f.opsets.push_back(opset(r.get_message()));
      return true;
    case field::Function::domain:
      f.domain = view(r);
      return true;
    case field::Function::attribute_proto:
      f.attributeDefaults.push_back(attribute(r.get_message()));
      return true;
    case field::Function::value_info:
      f.valueInfo.push_back(valueInfo(r.get_message()));
      return true;
    case field::Function::overload:
      f.overload = view(r);
      return true;
    case field::Function::metadata_props:
      f.meta.push_back(entry(r.get_message()));
      return true;
    default:
      return false;
    }
  });
  return f;
}

Model Decoder::model(Reader r) {
  Model m;
  fields(r, sizeof(m), &m.unknown, [&](Reader &r) {
    switch (r.tag()) {
    case field::Model::ir_version:
      m.irVersion = r.get_int64();
      return true;
    case field::Model::producer_name:
      m.producerName = view(r);
      return true;
    case field::Model::producer_version:
      m.producerVersion = view(r);
      return true;
    case field::Model::domain:
      m.domain = view(r);
      return true;
    case field::Model::model_version:
      m.modelVersion = r.get_int64();
      return true;
    case field::Model::doc_string:
      m.doc = view(r);
      return true;
    case field::Model::graph:
      m.graph = graph(r.get_message());
      return true;
    case field::Model::opset_import:
      m.opsets.push_back(opset(r.get_message()));
      return true;
    case field::Model::metadata_props:
      m.meta.push_back(entry(r.get_message()));
      return true;
    case field::Model::functions:
      m.functions.push_back(function(r.get_message()));
      return true;
    default:
      return false;
    }
  });
  return m;
}

} // namespace

llvm::Expected<Model> basin::onnx::wire::decodeModel(StringRef bytes, const Limits &limits) {
  try {
    return Decoder(limits).model(Reader(bytes.data(), bytes.size()));
  } catch (const Malformed &error) {
    return llvm::createStringError(error.what());
  } catch (const protozero::end_of_buffer_exception &) {
    return llvm::createStringError("the file ends inside a field: truncated, or not an ONNX model");
  } catch (const protozero::exception &error) {
    return llvm::createStringError("not an ONNX model: " + std::string(error.what()));
  } catch (const std::bad_alloc &) {
    return llvm::createStringError("out of memory while decoding");
  }
}
