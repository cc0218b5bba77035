//===- ImportGraph.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Imports a GraphProto as a block: inputs, initializers, nodes, outputs.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "TypeCodec.h"

using namespace mlir;
using namespace basin::onnx;

Value Scope::lookup(StringRef name) const {
  for (const Scope *scope = this; scope; scope = scope->parent)
    if (auto it = scope->values.find(name); it != scope->values.end())
      return it->second;
  return {};
}

LogicalResult Importer::define(Scope &scope, StringRef name, Value value, const Twine &where) {
  if (!scope.values.try_emplace(name, value).second)
    return error(where) << quoteName(name) << " is defined twice";
  return success();
}

FailureOr<ValueInfoAttr> Importer::valueInfo(const wire::ValueInfo &v, StringRef where) {
  Attrs info;
  Type type = UnknownType::get(ctx);
  if (v.type) {
    auto decoded = wire::decodeType(ctx, *v.type);
    if (!decoded)
      return error(where) << quoteName(v.name.value_or("")) << ": "
                          << llvm::toString(decoded.takeError());
    type = *decoded;
    if (wire::encodeType(type).str() != v.type->bytes)
      info.set("verbatim", VerbatimAttr::get(ctx, v.type->bytes));
  }
  common(info, v.doc, v.meta, v.unknown);
  return ValueInfoAttr::get(ctx, b.getStringAttr(v.name.value_or("")), type,
                            info.getDictionary(ctx));
}

FailureOr<ArrayAttr> Importer::valueInfos(ArrayRef<wire::ValueInfo> values, StringRef where) {
  SmallVector<Attribute> out;
  for (const wire::ValueInfo &v : values) {
    FailureOr<ValueInfoAttr> info = valueInfo(v, where);
    if (failed(info))
      return failure();
    out.push_back(*info);
  }
  return b.getArrayAttr(out);
}

FailureOr<GraphInfoAttr> Importer::graphInfo(const wire::Graph &g, Scope &scope) {
  FailureOr<ArrayAttr> inputs = valueInfos(g.inputs, "graph input");
  FailureOr<ArrayAttr> outputs = valueInfos(g.outputs, "graph output");
  FailureOr<ArrayAttr> values = valueInfos(g.valueInfo, "value_info");
  if (failed(inputs) || failed(outputs) || failed(values))
    return failure();
  for (ArrayAttr list : {*values, *outputs})
    for (auto info : list.getAsRange<ValueInfoAttr>())
      if (!isa<UnknownType>(info.getType()))
        scope.stated[info.getName()] = info.getType();
  Attrs info;
  if (g.name)
    info.set("name", b.getStringAttr(*g.name));
  common(info, g.doc, g.meta, g.unknown);
  return GraphInfoAttr::get(ctx, *inputs, *outputs, *values, info.getDictionary(ctx));
}

LogicalResult Importer::initializers(const wire::Graph &g, Scope &scope) {
  // Before IR version 4 an initializer had to be an input, too, but was constant.
  bool inputsOverride = model.irVersion.value_or(0) >= 4;
  llvm::StringSet<> seen;
  auto create = [&](StringRef name, Attribute value, Type type,
                    DictionaryAttr info) -> LogicalResult {
    auto op =
        InitializerOp::create(b, loc, type, name, value, info.empty() ? DictionaryAttr() : info);
    if (name.empty() || !seen.insert(name).second)
      return error("initializer " + quoteName(name))
             << (name.empty() ? "has no name" : "is defined twice");
    if (scope.values.contains(name)) {
      if (!inputsOverride)
        scope.values[name] = op;
      return success();
    }
    return define(scope, name, op, "initializer");
  };
  for (const wire::Tensor &t : g.initializers) {
    StringRef name = t.name.value_or("");
    FailureOr<TypedAttr> value = elements(t, "initializer " + quoteName(name));
    if (failed(value) ||
        failed(create(name, *value, value->getType(), tensorInfo(t, /*withName=*/false))))
      return failure();
  }
  for (const wire::SparseTensor &s : g.sparseInitializers) {
    StringRef name = s.values && s.values->name ? *s.values->name : "";
    FailureOr<Attribute> value = sparse(s, "sparse initializer " + quoteName(name));
    if (failed(value))
      return failure();
    auto values = cast<SparseAttr>(*value).getValues();
    if (auto tensor = dyn_cast<TensorAttr>(values))
      values = tensor.getElements();
    Type element = cast<ShapedType>(cast<TypedAttr>(values).getType()).getElementType();
    if (failed(
            create(name, *value, RankedTensorType::get(s.dims, element), b.getDictionaryAttr({}))))
      return failure();
  }
  return success();
}

LogicalResult Importer::finish(ArrayRef<StringRef> outputs, Scope &scope, const Twine &where) {
  SmallVector<Value> values;
  for (StringRef name : outputs) {
    Value value = scope.lookup(name);
    if (!value)
      return error(where) << "output " << quoteName(name) << " is not defined";
    values.push_back(value);
  }
  ReturnOp::create(b, loc, values);
  return success();
}

LogicalResult Importer::body(wire::Graph &g, GraphInfoAttr info, Block &block, Scope &scope) {
  b.setInsertionPointToStart(&block);
  for (auto input : info.getInputs().getAsRange<ValueInfoAttr>()) {
    BlockArgument arg = block.addArgument(input.getType(), loc);
    if (!input.getName().empty() && failed(define(scope, input.getName(), arg, "graph input")))
      return failure();
  }
  std::string where = "graph " + quoteName(g.name.value_or(""));
  if (failed(initializers(g, scope)) || failed(nodes(g.nodes, scope, where)))
    return failure();
  b.setInsertionPointToEnd(&block);
  return finish(llvm::map_to_vector(g.outputs, [](const auto &v) { return v.name.value_or(""); }),
                scope, where);
}
