//===- ExportModel.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exports a module as a ModelProto. ExportFiles.cpp writes that to files.
//
//===----------------------------------------------------------------------===//

#include "Exporter.h"
#include "Fields.h"

using namespace mlir;
using namespace basin::onnx;
using wire::Rope;
namespace field = basin::onnx::wire::field;

void Exporter::entries(Rope &out, uint32_t tag, ArrayAttr entries) {
  for (auto entry : entries.getAsRange<ArrayAttr>()) {
    Rope e;
    e.bytes(field::Entry::key, cast<StringAttr>(entry[0]).getValue());
    e.bytes(field::Entry::value, cast<StringAttr>(entry[1]).getValue());
    out.message(tag, std::move(e));
  }
}

void Exporter::common(Rope &out, DictionaryAttr info, uint32_t docTag, uint32_t metaTag,
                      StringRef prefix) {
  if (auto doc = info.getAs<StringAttr>((prefix + "doc").str()))
    out.bytes(docTag, doc);
  if (auto meta = info.getAs<ArrayAttr>((prefix + "meta").str()))
    entries(out, metaTag, meta);
  if (auto unknown = info.getAs<VerbatimAttr>((prefix + "unknown").str()))
    out.verbatim(unknown.getBytes());
}

void Exporter::opsets(Rope &out, uint32_t tag, ArrayAttr opsets) {
  for (auto opset : opsets.getAsRange<DictionaryAttr>()) {
    Rope entry;
    if (auto domain = opset.getAs<StringAttr>("domain"))
      entry.bytes(field::OperatorSetId::domain, domain);
    if (auto version = opset.getAs<IntegerAttr>("version"))
      entry.integer(field::OperatorSetId::version, version.getInt());
    out.message(tag, std::move(entry));
  }
}

LogicalResult Exporter::function(FunctionOp op, Rope &out) {
  Block &block = op.getBody().front();
  GraphInfoAttr info = op.getInfo();
  nameValues(block, info);
  out.bytes(field::Function::name, op.getName());
  for (auto input : info.getInputs().getAsRange<ValueInfoAttr>())
    out.bytes(field::Function::input, input.getName());
  for (auto output : info.getOutputs().getAsRange<ValueInfoAttr>())
    out.bytes(field::Function::output, output.getName());
  for (auto name : op.getAttrNames().getAsRange<StringAttr>())
    out.bytes(field::Function::attribute, name);
  if (failed(nodes(block, info, field::Function::node, out)))
    return failure();
  opsets(out, field::Function::opset_import, op.getOpsets());
  if (auto domain = op.getDomainAttr())
    out.bytes(field::Function::domain, domain);
  for (auto entry : op.getAttrDefaults().getAsRange<DictionaryAttr>())
    if (failed(attribute(op, entry.getAs<StringAttr>("name"), entry.get("value"),
                         field::Function::attribute_proto, out)))
      return failure();
  for (auto value : info.getValueInfo().getAsRange<ValueInfoAttr>())
    out.message(field::Function::value_info, valueInfo(value));
  if (auto overload = op.getOverloadAttr())
    out.bytes(field::Function::overload, overload);
  common(out, info.getInfo(), field::Function::doc_string, field::Function::metadata_props);
  scopes.pop_back();
  return success();
}

FailureOr<Rope> Exporter::model() {
  auto attrs = module->getAttrOfType<DictionaryAttr>(kModelAttr);
  auto graphs = module.getOps<GraphOp>();
  if (!attrs || !llvm::hasSingleElement(graphs))
    return module.emitError("expected a module with '") << kModelAttr << "' and one 'onnx.graph'";
  Rope out;
  auto number = [&](uint32_t tag, StringRef name) {
    if (auto value = attrs.getAs<IntegerAttr>(name))
      out.integer(tag, value.getInt());
  };
  auto text = [&](uint32_t tag, StringRef name) {
    if (auto value = attrs.getAs<StringAttr>(name))
      out.bytes(tag, value);
  };
  number(field::Model::ir_version, "ir_version");
  text(field::Model::producer_name, "producer_name");
  text(field::Model::producer_version, "producer_version");
  text(field::Model::domain, "domain");
  number(field::Model::model_version, "model_version");
  GraphOp main = *graphs.begin();
  FailureOr<Rope> body = graph(main.getBody().front(), main.getInfo());
  if (failed(body))
    return failure();
  out.message(field::Model::graph, std::move(*body));
  if (auto imports = attrs.getAs<ArrayAttr>("opset_import"))
    opsets(out, field::Model::opset_import, imports);
  for (FunctionOp op : module.getOps<FunctionOp>()) {
    Rope f;
    if (failed(function(op, f)))
      return failure();
    out.message(field::Model::functions, std::move(f));
  }
  common(out, attrs, field::Model::doc_string, field::Model::metadata_props);
  constexpr uint64_t kProtobufLimit = (uint64_t(1) << 31) - 1;
  if (out.size() > kProtobufLimit)
    return module.emitError("the model file would have ")
           << out.size() << " bytes, but protobuf reads no more than " << kProtobufLimit
           << "; keep the weights in a file of their own (external data "
              "'copy')";
  return out;
}

LogicalResult basin::onnx::exportModel(ModuleOp module, llvm::raw_ostream &os) {
  DataPolicy data;
  FailureOr<Rope> rope = Exporter(module, data).model();
  if (failed(rope))
    return failure();
  rope->write(os);
  return success();
}
