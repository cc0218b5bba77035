//===- Decode.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// onnx.proto's wire format to structs. This file alone is compiled with
// exceptions: protozero reports malformed input by throwing, and all of it is
// caught in `decodeModel`.
//
//===----------------------------------------------------------------------===//

#include "Wire.h"

#include <stdexcept>

namespace {
/// A limit was exceeded or a value makes no sense; `what` says which.
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
  /// Calls `handle(r)` for each field of a message that takes `memory` bytes
  /// when decoded; a field that it declines is kept.
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
      // Every struct of onnx.proto takes two or three messages a level.
      if (++d.depth > 4 * d.limits.maxDepth)
        throw Malformed("graphs or types nest deeper than " + std::to_string(d.limits.maxDepth));
      // An empty message takes two bytes in the file.
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

/// A repeated number, packed or not.
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
    case 1:
      out.first = view(r);
      return true;
    case 2:
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
    case 1:
      int64s(r, t.dims);
      return true;
    case 2:
      t.dataType = r.get_int32();
      return true;
    case 4:
      floats(r, t.floats);
      return true;
    case 5:
      numbers(r, t.int32s, [&] { return r.get_packed_int32(); }, [&] { return r.get_int32(); });
      return true;
    case 6:
      t.strings.push_back(view(r));
      return true;
    case 7:
      int64s(r, t.int64s);
      return true;
    case 8:
      t.name = view(r);
      return true;
    case 9:
      t.raw = view(r);
      return true;
    case 10:
      numbers(r, t.doubles, [&] { return r.get_packed_double(); }, [&] { return r.get_double(); });
      return true;
    case 11:
      numbers(r, t.uint64s, [&] { return r.get_packed_uint64(); }, [&] { return r.get_uint64(); });
      return true;
    case 12:
      t.doc = view(r);
      return true;
    case 13:
      t.external.push_back(entry(r.get_message()));
      return true;
    case 14:
      t.location = r.get_int32();
      return true;
    case 16:
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
    case 1:
      s.values = tensor(r.get_message());
      return true;
    case 2:
      s.indices = tensor(r.get_message());
      return true;
    case 3:
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
    if (r.tag() != 1)
      return false;
    Reader dimReader = r.get_message();
    Dim dim;
    fields(dimReader, sizeof(dim), nullptr, [&](Reader &r) {
      switch (r.tag()) {
      case 1:
        dim = {r.get_int64(), std::nullopt};
        return true;
      case 2:
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
    case 1:
      out.elementType = r.get_int32();
      return true;
    case 2:
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
      if (kind == Type::Map && r.tag() == 1) {
        t.elementType = r.get_int32();
        return true;
      }
      return false;
    });
  };
  fields(r, sizeof(t), nullptr, [&](Reader &r) {
    switch (r.tag()) {
    case 1:
      t.kind = Type::Tensor;
      tensorType(r.get_message(), t);
      return true;
    case 4:
      nested(r.get_message(), Type::Sequence, 1);
      return true;
    case 5:
      nested(r.get_message(), Type::Map, 2);
      return true;
    case 7: {
      t.kind = Type::Opaque;
      std::tie(t.domain, t.name) = entry(r.get_message());
      return true;
    }
    case 8:
      t.kind = Type::Sparse;
      tensorType(r.get_message(), t);
      return true;
    case 9:
      nested(r.get_message(), Type::Optional, 1);
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
    case 1:
      v.name = view(r);
      return true;
    case 2:
      v.type = type(r.get_message());
      return true;
    case 3:
      v.doc = view(r);
      return true;
    case 4:
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
  case 7:
    floats(r, a.floats);
    return true;
  case 8:
    int64s(r, a.ints);
    return true;
  case 9:
    a.strings.push_back(view(r));
    return true;
  case 10:
    a.tensors.push_back(tensor(r.get_message()));
    return true;
  case 11:
    a.graphs.push_back(graph(r.get_message()));
    return true;
  case 15:
    a.types.push_back(type(r.get_message()));
    return true;
  case 23:
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
    case 1:
      a.name = view(r);
      return true;
    case 2:
      a.f = r.get_float();
      return true;
    case 3:
      a.i = r.get_int64();
      return true;
    case 4:
      a.s = view(r);
      return true;
    case 5:
      a.t = std::make_unique<Tensor>(tensor(r.get_message()));
      return true;
    case 6:
      a.g = std::make_unique<Graph>(graph(r.get_message()));
      return true;
    case 13:
      a.doc = view(r);
      return true;
    case 14:
      a.tp = std::make_unique<Type>(type(r.get_message()));
      return true;
    case 20:
      a.type = r.get_int32();
      return true;
    case 21:
      a.ref = view(r);
      return true;
    case 22:
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
    case 1:
      n.inputs.push_back(view(r));
      return true;
    case 2:
      n.outputs.push_back(view(r));
      return true;
    case 3:
      n.name = view(r);
      return true;
    case 4:
      n.opType = view(r);
      return true;
    case 5:
      n.attributes.push_back(attribute(r.get_message()));
      return true;
    case 6:
      n.doc = view(r);
      return true;
    case 7:
      n.domain = view(r);
      return true;
    case 8:
      n.overload = view(r);
      return true;
    case 9:
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
    case 1:
      g.nodes.push_back(node(r.get_message()));
      return true;
    case 2:
      g.name = view(r);
      return true;
    case 5:
      g.initializers.push_back(tensor(r.get_message()));
      return true;
    case 10:
      g.doc = view(r);
      return true;
    case 11:
      g.inputs.push_back(valueInfo(r.get_message()));
      return true;
    case 12:
      g.outputs.push_back(valueInfo(r.get_message()));
      return true;
    case 13:
      g.valueInfo.push_back(valueInfo(r.get_message()));
      return true;
    case 15:
      g.sparseInitializers.push_back(sparse(r.get_message()));
      return true;
    case 16:
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
    case 1:
      o.domain = view(r);
      return true;
    case 2:
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
    case 1:
      f.name = view(r);
      return true;
    case 4:
      f.inputs.push_back(view(r));
      return true;
    case 5:
      f.outputs.push_back(view(r));
      return true;
    case 6:
      f.attributes.push_back(view(r));
      return true;
    case 7:
      f.nodes.push_back(node(r.get_message()));
      return true;
    case 8:
      f.doc = view(r);
      return true;
    case 9:
      f.opsets.push_back(opset(r.get_message()));
      return true;
    case 10:
      f.domain = view(r);
      return true;
    case 11:
      f.attributeDefaults.push_back(attribute(r.get_message()));
      return true;
    case 12:
      f.valueInfo.push_back(valueInfo(r.get_message()));
      return true;
    case 13:
      f.overload = view(r);
      return true;
    case 14:
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
    case 1:
      m.irVersion = r.get_int64();
      return true;
    case 2:
      m.producerName = view(r);
      return true;
    case 3:
      m.producerVersion = view(r);
      return true;
    case 4:
      m.domain = view(r);
      return true;
    case 5:
      m.modelVersion = r.get_int64();
      return true;
    case 6:
      m.doc = view(r);
      return true;
    case 7:
      m.graph = graph(r.get_message());
      return true;
    case 8:
      m.opsets.push_back(opset(r.get_message()));
      return true;
    case 14:
      m.meta.push_back(entry(r.get_message()));
      return true;
    case 25:
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
