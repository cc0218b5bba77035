//===- ExportGraph.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exports blocks as GraphProto and ops as NodeProto.
//
//===----------------------------------------------------------------------===//

#include "Exporter.h"
#include "Fields.h"
#include "TypeCodec.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace basin::onnx;
using wire::Rope;
namespace field = basin::onnx::wire::field;

/// Returns whether a type that the model stated still holds for a value whose type was inferred
/// or changed since: nothing static in one type differs in the other.
static bool agrees(Type stated, Type actual) {
  auto a = dyn_cast<TensorType>(stated), b = dyn_cast<TensorType>(actual);
  if (!a || !b)
    return true;
  if (a.getElementType() != b.getElementType())
    return false;
  if (!a.hasRank() || !b.hasRank())
    return true;
  return succeeded(verifyCompatibleShape(a.getShape(), b.getShape()));
}

Rope Exporter::valueInfo(ValueInfoAttr info, Type actual) {
  Rope out;
  out.bytes(field::ValueInfo::name, info.getName());
  auto verbatim = info.getInfo().getAs<VerbatimAttr>("verbatim");
  bool keep = !actual || agrees(info.getType(), actual);
  if (keep && verbatim)
    out.bytes(field::ValueInfo::type, verbatim.getBytes());
  else if (Rope type = wire::encodeType(keep ? info.getType() : actual); type.size() > 0)
    out.message(field::ValueInfo::type, std::move(type));
  common(out, info.getInfo(), field::ValueInfo::doc_string, field::ValueInfo::metadata_props);
  return out;
}

LogicalResult Exporter::initializer(InitializerOp op, Rope &out) {
  DictionaryAttr info = op.getInfoAttr();
  if (auto value = dyn_cast<SparseAttr>(op.getValue())) {
    FailureOr<Rope> rope = sparse(op, value);
    if (failed(rope))
      return failure();
    out.message(field::Graph::sparse_initializer, std::move(*rope));
    return success();
  }
  FailureOr<Rope> rope = tensor(op, op.getValue(), info, nameOf(op.getResult()));
  if (failed(rope))
    return failure();
  out.message(field::Graph::initializer, std::move(*rope));
  return success();
}

LogicalResult Exporter::node(Operation *op, Rope &out) {
  auto iface = cast<NodeInterface>(op);
  Rope n;
  for (Value operand : op->getOperands())
    n.bytes(field::Node::input, nameOf(operand));
  for (Value result : op->getResults())
    n.bytes(field::Node::output, nameOf(result));
  if (auto name = op->getAttrOfType<StringAttr>(kNameAttr))
    n.bytes(field::Node::name, name);
  n.bytes(field::Node::op_type, iface.getOpType());
  for (NamedAttribute attr : iface.getNodeAttrs())
    if (failed(attribute(op, attr.getName(), attr.getValue(), field::Node::attribute, n)))
      return failure();
  auto infos = op->getAttrOfType<ArrayAttr>(kSubgraphsAttr);
  SmallVector<StringAttr> names = iface.getRegionAttrNames();
  llvm::MapVector<StringRef, Rope> lists;
  for (auto [i, region] : llvm::enumerate(op->getRegions())) {
    auto info = infos && i < infos.size() ? dyn_cast<GraphInfoAttr>(infos[i]) : GraphInfoAttr();
    if (!info)
      return op->emitError("expected '#onnx.graph_info' for subgraph ") << i;
    FailureOr<Rope> sub = graph(region.front(), info);
    if (failed(sub))
      return failure();
    // The graphs of one GRAPHS attribute are named name#0, name#1, ...
    auto [base, index] = names[i].getValue().rsplit('#');
    if (!index.empty() && llvm::all_of(index, [](char c) { return c >= '0' && c <= '9'; })) {
      lists[base].message(field::Attribute::graphs, std::move(*sub));
      continue;
    }
    Rope a;
    a.bytes(field::Attribute::name, names[i]);
    a.message(field::Attribute::g, std::move(*sub));
    a.integer(field::Attribute::type, field::AttributeType::GRAPH);
    n.message(field::Node::attribute, std::move(a));
  }
  for (auto &[name, graphs] : lists) {
    graphs.bytes(field::Attribute::name, name);
    graphs.integer(field::Attribute::type, field::AttributeType::GRAPHS);
    n.message(field::Node::attribute, std::move(graphs));
  }
  common(n, op->getDiscardableAttrDictionary(), field::Node::doc_string,
         field::Node::metadata_props, "onnx.");
  if (auto generic = dyn_cast<NodeOp>(op)) {
    if (auto domain = generic.getDomainAttr())
      n.bytes(field::Node::domain, domain);
    if (auto overload = generic.getOverloadNameAttr())
      n.bytes(field::Node::overload, overload);
  } else if (auto domain = op->getAttrOfType<StringAttr>(kDomainAttr)) {
    n.bytes(field::Node::domain, domain);
  } else if (!iface.getOpDomain().empty()) {
    n.bytes(field::Node::domain, iface.getOpDomain());
  }
  out = std::move(n);
  return success();
}

void Exporter::identity(Value from, StringRef to, uint32_t tag, Rope &out) {
  Rope n;
  n.bytes(field::Node::input, nameOf(from));
  n.bytes(field::Node::output, to);
  n.bytes(field::Node::op_type, "Identity");
  out.message(tag, std::move(n));
}

LogicalResult Exporter::nodes(Block &block, GraphInfoAttr info, uint32_t tag, Rope &out) {
  for (Operation &op : block.without_terminator()) {
    if (isa<InitializerOp, AbsentOp>(op))
      continue;
    if (!isa<NodeInterface>(op))
      return op.emitError("expected only onnx nodes to be exported, but got '")
             << op.getName() << "'; run convert-sink-to-onnx first";
    Rope n;
    if (failed(node(&op, n)))
      return failure();
    out.message(tag, std::move(n));
  }
  auto ret = cast<ReturnOp>(block.getTerminator());
  llvm::StringMap<Value> written;
  for (auto [value, output] :
       llvm::zip_equal(ret.getOperands(), info.getOutputs().getAsRange<ValueInfoAttr>())) {
    auto [entry, isNew] = written.try_emplace(output.getName(), value);
    if (!isNew && entry->second != value)
      return ret.emitError("two different values are outputs of one name: '")
             << output.getName().getValue() << "'";
    if (isNew && nameOf(value) != output.getName())
      identity(value, output.getName(), tag, out);
  }
  return success();
}

FailureOr<Rope> Exporter::graph(Block &block, GraphInfoAttr info) {
  nameValues(block, info);
  Rope out;
  if (failed(nodes(block, info, field::Graph::node, out)))
    return failure();
  if (auto name = info.getInfo().getAs<StringAttr>("name"))
    out.bytes(field::Graph::name, name);
  for (auto op : block.getOps<InitializerOp>())
    if (failed(initializer(op, out)))
      return failure();
  for (auto input : info.getInputs().getAsRange<ValueInfoAttr>())
    out.message(field::Graph::input, valueInfo(input));
  for (auto output : info.getOutputs().getAsRange<ValueInfoAttr>())
    out.message(field::Graph::output, valueInfo(output));
  for (auto value : info.getValueInfo().getAsRange<ValueInfoAttr>()) {
    auto it = scopes.back().names.find(value.getName());
    if (it != scopes.back().names.end())
      out.message(field::Graph::value_info, valueInfo(value, it->second.getType()));
  }
  common(out, info.getInfo(), field::Graph::doc_string, field::Graph::metadata_props);
  scopes.pop_back();
  return out;
}
