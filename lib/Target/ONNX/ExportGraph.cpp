//===- ExportGraph.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Blocks to GraphProto, ops to NodeProto.
//
//===----------------------------------------------------------------------===//

#include "Exporter.h"
#include "TypeCodec.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace basin::onnx;
using wire::Rope;

/// Whether a stated type is still true of a value whose type was inferred or
/// changed since: nothing static in one differs in the other.
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
  out.bytes(1, info.getName());
  auto verbatim = info.getInfo().getAs<VerbatimAttr>("verbatim");
  bool keep = !actual || agrees(info.getType(), actual);
  if (keep && verbatim)
    out.bytes(2, verbatim.getBytes());
  else if (Rope type = wire::encodeType(keep ? info.getType() : actual); type.size() > 0)
    out.message(2, std::move(type));
  common(out, info.getInfo(), /*docTag=*/3, /*metaTag=*/4);
  return out;
}

LogicalResult Exporter::initializer(InitializerOp op, Rope &out) {
  DictionaryAttr info = op.getInfoAttr();
  if (auto value = dyn_cast<SparseAttr>(op.getValue())) {
    FailureOr<Rope> rope = sparse(op, value);
    if (failed(rope))
      return failure();
    out.message(15, std::move(*rope));
    return success();
  }
  FailureOr<Rope> rope = tensor(op, op.getValue(), info, nameOf(op.getResult()));
  if (failed(rope))
    return failure();
  out.message(5, std::move(*rope));
  return success();
}

LogicalResult Exporter::node(Operation *op, Rope &out) {
  auto iface = cast<NodeInterface>(op);
  Rope n;
  for (Value operand : op->getOperands())
    n.bytes(1, nameOf(operand));
  for (Value result : op->getResults())
    n.bytes(2, nameOf(result));
  if (auto name = op->getAttrOfType<StringAttr>(kNameAttr))
    n.bytes(3, name);
  n.bytes(4, iface.getOpType());
  for (NamedAttribute attr : iface.getNodeAttrs())
    if (failed(attribute(op, attr.getName(), attr.getValue(), 5, n)))
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
      lists[base].message(11, std::move(*sub));
      continue;
    }
    Rope a;
    a.bytes(1, names[i]);
    a.message(6, std::move(*sub));
    a.integer(20, 5);
    n.message(5, std::move(a));
  }
  for (auto &[name, graphs] : lists) {
    graphs.bytes(1, name);
    graphs.integer(20, 10);
    n.message(5, std::move(graphs));
  }
  common(n, op->getDiscardableAttrDictionary(), /*docTag=*/6, /*metaTag=*/9, "onnx.");
  if (auto generic = dyn_cast<NodeOp>(op)) {
    if (auto domain = generic.getDomainAttr())
      n.bytes(7, domain);
    if (auto overload = generic.getOverloadNameAttr())
      n.bytes(8, overload);
  } else if (auto domain = op->getAttrOfType<StringAttr>(kDomainAttr)) {
    n.bytes(7, domain);
  } else if (!iface.getOpDomain().empty()) {
    n.bytes(7, iface.getOpDomain());
  }
  out = std::move(n);
  return success();
}

void Exporter::identity(Value from, StringRef to, uint32_t tag, Rope &out) {
  Rope n;
  n.bytes(1, nameOf(from));
  n.bytes(2, to);
  n.bytes(4, "Identity");
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
  for (auto [value, output] :
       llvm::zip_equal(ret.getOperands(), info.getOutputs().getAsRange<ValueInfoAttr>()))
    if (nameOf(value) != output.getName())
      identity(value, output.getName(), tag, out);
  return success();
}

FailureOr<Rope> Exporter::graph(Block &block, GraphInfoAttr info) {
  nameValues(block, info);
  Rope out;
  if (failed(nodes(block, info, 1, out)))
    return failure();
  if (auto name = info.getInfo().getAs<StringAttr>("name"))
    out.bytes(2, name);
  for (auto op : block.getOps<InitializerOp>())
    if (failed(initializer(op, out)))
      return failure();
  for (auto input : info.getInputs().getAsRange<ValueInfoAttr>())
    out.message(11, valueInfo(input));
  for (auto output : info.getOutputs().getAsRange<ValueInfoAttr>())
    out.message(12, valueInfo(output));
  for (auto value : info.getValueInfo().getAsRange<ValueInfoAttr>()) {
    auto it = scopes.back().names.find(value.getName());
    if (it != scopes.back().names.end())
      out.message(13, valueInfo(value, it->second.getType()));
  }
  common(out, info.getInfo(), /*docTag=*/10, /*metaTag=*/16);
  scopes.pop_back();
  return out;
}
