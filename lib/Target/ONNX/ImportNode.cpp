//===- ImportNode.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Imports a NodeProto as a typed op or as `onnx.node`. A node becomes a typed op only if the
// schema covers all of it: counts, names and kinds of attributes, subgraphs. A model-local
// function of the same name takes precedence.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "basin/Dialect/ONNX/IR/TypedOps.h"

using namespace mlir;
using namespace basin::onnx;

/// A node's attributes are kept sorted. This limit bounds the time that sorting takes.
static constexpr size_t kMaxAttributes = 10000;

LogicalResult Importer::nodes(MutableArrayRef<wire::Node> nodes, Scope &scope, const Twine &where) {
  bool hasCycle = false;
  std::optional<std::vector<unsigned>> order = sortNodes(nodes, scope, hasCycle);
  if (order && !hasCycle)
    emitRemark(loc) << where.str() << ": its nodes are not in topological order: sorted";
  for (size_t i = 0; i < nodes.size(); ++i) {
    wire::Node &next = nodes[order ? (*order)[i] : i];
    if (failed(node(next, scope)))
      return failure();
    // A model of many nodes would otherwise be in memory twice.
    next = wire::Node();
  }
  return success();
}

LogicalResult Importer::operands(const wire::Node &n, Scope &scope, SmallVectorImpl<Value> &out) {
  for (StringRef name : n.inputs) {
    if (name.empty()) {
      if (!scope.absent) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(b.getInsertionBlock());
        scope.absent = AbsentOp::create(b, loc, b.getNoneType());
      }
      out.push_back(scope.absent);
      continue;
    }
    Value value = scope.lookup(name);
    if (!value)
      return error(describe(n)) << "input " << quoteName(name)
                                << " is not defined before it: the graph is "
                                   "cyclic or incomplete";
    out.push_back(value);
  }
  return success();
}

LogicalResult Importer::nodeAttrs(wire::Node &n, Attrs &attrs,
                                  SmallVectorImpl<wire::Graph *> &graphs,
                                  SmallVectorImpl<Attribute> &graphNames, StringRef where) {
  if (n.attributes.size() > kMaxAttributes)
    return error(where) << "expected at most " << kMaxAttributes << " attributes, but got "
                        << n.attributes.size();
  llvm::StringSet<> seen;
  for (wire::Attribute &a : n.attributes) {
    StringRef name = a.name.value_or("");
    if (name.empty() || name.contains('\0'))
      return error(where) << "an attribute has no name";
    if (!seen.insert(name).second)
      return error(where) << "attribute " << quoteName(name) << " is given twice";
    if (a.g && !a.ref) {
      graphs.push_back(a.g.get());
      graphNames.push_back(b.getStringAttr(name));
      continue;
    }
    if (a.type == 10) {
      for (wire::Graph &g : a.graphs) {
        graphs.push_back(&g);
        // A list of graphs repeats its name with an index.
        graphNames.push_back(b.getStringAttr(name + "#" + Twine(&g - a.graphs.data())));
      }
      if (a.graphs.empty())
        attrs.set(name, VerbatimAttr::get(ctx, a.bytes));
      continue;
    }
    FailureOr<Attribute> attr = attribute(a, where);
    if (failed(attr))
      return failure();
    attrs.set(name, *attr);
  }
  return success();
}

bool Importer::isTypedUse(RegisteredOperationName name, const NodeSchema &schema,
                          const wire::Node &n, ValueRange operands, const Attrs &attrs,
                          ArrayRef<Attribute> graphNames) {
  return !n.overload && !findAbsentInput(schema, operands) &&
         !functionNames.contains((canonicalDomain(n.domain) + "/" + *n.opType).str()) &&
         fitsTypedOp(name, schema, operands.size(), n.outputs.size(), attrs, graphNames);
}

/// Refuses a known attribute of the wrong kind. Two cases are allowed, and such nodes stay
/// untyped. Before opset 13 some attributes had other kinds (Cast's `to` was a name). And a
/// function's attribute that refers to one of the caller's has no kind.
LogicalResult Importer::attributeKinds(const wire::Node &n, const Attrs &attrs, StringRef where) {
  constexpr int64_t kFirstStable = 13;
  const NodeSchema *schema = nullptr;
  std::optional<RegisteredOperationName> typed =
      lookupTypedOp(ctx, canonicalDomain(n.domain), *n.opType, schema);
  if (!typed || !schema->domain.empty() || opsetVersion < kFirstStable || n.overload ||
      functionNames.contains(("/" + *n.opType).str()))
    return success();
  for (NamedAttribute attr : attrs) {
    if (!llvm::is_contained(typed->getAttributeNames(), attr.getName()) ||
        isa<RefAttr, VerbatimAttr>(attr.getValue()))
      continue;
    Attrs one;
    one.push_back(attr);
    if (failed(typed->verifyInherentAttrs(one, [&] { return error(where); })))
      return failure();
  }
  return success();
}

Operation *Importer::createNode(const wire::Node &n, OperationState &state, const Attrs &attrs,
                                ArrayRef<wire::Graph *> graphs, ArrayRef<Attribute> graphNames) {
  for (size_t i = 0; i < graphs.size(); ++i)
    state.addRegion();
  const NodeSchema *schema = nullptr;
  std::optional<RegisteredOperationName> typed =
      lookupTypedOp(ctx, canonicalDomain(n.domain), *n.opType, schema);
  if (typed && isTypedUse(*typed, *schema, n, state.operands, attrs, graphNames)) {
    state.name = *typed;
    state.addAttributes(attrs);
    // The form of the domain is kept if it is not the usual one.
    if (n.domain && *n.domain != schema->domain)
      state.addAttribute(kDomainAttr, b.getStringAttr(*n.domain));
    else if (n.domain && schema->domain.empty())
      state.addAttribute(kDomainAttr, b.getStringAttr(""));
  } else {
    state.name = OperationName(NodeOp::getOperationName(), ctx);
    state.addAttribute("type_name", b.getStringAttr(*n.opType));
    if (n.domain)
      state.addAttribute("domain", b.getStringAttr(*n.domain));
    if (n.overload)
      state.addAttribute("overload_name", b.getStringAttr(*n.overload));
    state.addAttribute("attrs", attrs.getDictionary(ctx));
    if (!graphNames.empty())
      state.addAttribute("region_names", b.getArrayAttr(graphNames));
  }
  return b.create(state);
}

LogicalResult Importer::node(wire::Node &n, Scope &scope) {
  std::string where = describe(n);
  if (n.opType.value_or("").empty())
    return error(where) << "has no operator";
  Location nodeLoc = NameLoc::get(
      b.getStringAttr(n.name.value_or(n.outputs.empty() ? StringRef() : n.outputs.front())), loc);
  OperationState state(nodeLoc, NodeOp::getOperationName());
  Attrs attrs;
  SmallVector<wire::Graph *, 2> graphs;
  SmallVector<Attribute, 2> graphNames;
  SmallVector<Value> values;
  if (failed(operands(n, scope, values)) || failed(nodeAttrs(n, attrs, graphs, graphNames, where)))
    return failure();
  if (failed(attributeKinds(n, attrs, where)))
    return failure();
  state.addOperands(values);
  for (StringRef name : n.outputs) {
    auto it = name.empty() ? scope.stated.end() : scope.stated.find(name);
    state.addTypes(it == scope.stated.end() ? UnknownType::get(ctx) : it->second);
  }
  if (n.name)
    state.addAttribute(kNameAttr, b.getStringAttr(*n.name));
  if (!n.outputs.empty())
    state.addAttribute(kOutsAttr, strings(n.outputs));
  Attrs extra;
  common(extra, n.doc, n.meta, n.unknown, "onnx.");
  state.addAttributes(extra);
  Operation *op = createNode(n, state, attrs, graphs, graphNames);
  if (failed(subgraphs(op, graphs, scope)))
    return failure();
  for (auto [name, result] : llvm::zip_equal(n.outputs, op->getResults()))
    if (!name.empty() && failed(define(scope, name, result, where)))
      return failure();
  return success();
}

LogicalResult Importer::subgraphs(Operation *op, ArrayRef<wire::Graph *> graphs, Scope &scope) {
  if (graphs.empty())
    return success();
  SmallVector<Attribute> infos;
  OpBuilder::InsertionGuard guard(b);
  for (auto [region, graph] : llvm::zip_equal(op->getRegions(), graphs)) {
    Scope inner;
    inner.parent = &scope;
    FailureOr<GraphInfoAttr> info = graphInfo(*graph, inner);
    if (failed(info) || failed(body(*graph, *info, region.emplaceBlock(), inner)))
      return failure();
    infos.push_back(*info);
  }
  op->setAttr(kSubgraphsAttr, b.getArrayAttr(infos));
  return success();
}
