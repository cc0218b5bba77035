//===- ImportOrder.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sorts nodes topologically. ONNX asks for that order, but runtimes do not, and some exporters
// forget it. A list that is in order stays as it is. Otherwise each node comes after those that
// it needs, and otherwise stays where it stood: a depth-first search in the order of the list, with
// its own stack, finds that order. A node also needs what its subgraphs read from the
// graph around them.
//
// An edge that closes a cycle is ignored, so the first node that lacks an input is on the cycle.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

using namespace basin::onnx;
using llvm::ArrayRef;
using llvm::StringRef;

namespace {
class NodeOrder {
public:
  NodeOrder(ArrayRef<wire::Node> nodes, const Scope &scope);

  bool isInOrder() const;
  /// Returns the sorted order. If `hasCycle` is set, the order is not topological.
  std::vector<unsigned> sort(bool &hasCycle) const;

private:
  void addNeed(unsigned node, StringRef name);
  void addSubgraph(unsigned node, const wire::Graph &graph);
  bool isHidden(StringRef name) const;

  llvm::DenseMap<StringRef, unsigned> producers;
  /// For each node, the nodes whose results it needs.
  std::vector<llvm::SmallVector<unsigned, 2>> needs;
  /// The names that are defined by the subgraphs that are being searched, outermost first.
  std::vector<llvm::DenseSet<StringRef>> inner;
};
} // namespace

NodeOrder::NodeOrder(ArrayRef<wire::Node> nodes, const Scope &scope) : needs(nodes.size()) {
  // A node cannot define a name that the graph's inputs or initializers define.
  for (auto [i, n] : llvm::enumerate(nodes))
    for (StringRef name : n.outputs)
      if (!name.empty() && !scope.values.contains(name))
        producers.try_emplace(name, static_cast<unsigned>(i));
  for (auto [i, n] : llvm::enumerate(nodes)) {
    auto node = static_cast<unsigned>(i);
    for (StringRef name : n.inputs)
      addNeed(node, name);
    for (const wire::Attribute &a : n.attributes) {
      if (a.g)
        addSubgraph(node, *a.g);
      for (const wire::Graph &g : a.graphs)
        addSubgraph(node, g);
    }
  }
}

bool NodeOrder::isHidden(StringRef name) const {
  return llvm::any_of(inner, [&](const auto &names) { return names.contains(name); });
}

void NodeOrder::addNeed(unsigned node, StringRef name) {
  auto it = producers.find(name);
  if (it != producers.end() && !isHidden(name))
    needs[node].push_back(it->second);
}

// The recursion is as deep as subgraphs nest, which the decoder bounds.
void NodeOrder::addSubgraph(unsigned node, const wire::Graph &graph) {
  llvm::DenseSet<StringRef> defined;
  for (const wire::ValueInfo &v : graph.inputs)
    defined.insert(v.name.value_or(""));
  for (const wire::Tensor &t : graph.initializers)
    defined.insert(t.name.value_or(""));
  for (const wire::Node &n : graph.nodes)
    defined.insert(n.outputs.begin(), n.outputs.end());
  inner.push_back(std::move(defined));
  for (const wire::Node &n : graph.nodes) {
    for (StringRef name : n.inputs)
      addNeed(node, name);
    for (const wire::Attribute &a : n.attributes) {
      if (a.g)
        addSubgraph(node, *a.g);
      for (const wire::Graph &g : a.graphs)
        addSubgraph(node, g);
    }
  }
  for (const wire::ValueInfo &v : graph.outputs)
    addNeed(node, v.name.value_or(""));
  inner.pop_back();
}

bool NodeOrder::isInOrder() const {
  for (auto [i, needed] : llvm::enumerate(needs))
    for (unsigned other : needed)
      if (other >= i)
        return false;
  return true;
}

std::vector<unsigned> NodeOrder::sort(bool &hasCycle) const {
  enum State : uint8_t { New, Open, Done };
  std::vector<State> states(needs.size(), New);
  std::vector<unsigned> order;
  order.reserve(needs.size());
  hasCycle = false;
  for (unsigned root = 0; root < needs.size(); ++root) {
    if (states[root] != New)
      continue;
    std::vector<std::pair<unsigned, size_t>> stack{{root, 0}};
    states[root] = Open;
    while (!stack.empty()) {
      auto &[node, next] = stack.back();
      if (next == needs[node].size()) {
        states[node] = Done;
        order.push_back(node);
        stack.pop_back();
        continue;
      }
      unsigned other = needs[node][next++];
      hasCycle |= states[other] == Open;
      if (states[other] != New)
        continue;
      states[other] = Open;
      stack.emplace_back(other, 0);
    }
  }
  return order;
}

std::optional<std::vector<unsigned>> basin::onnx::sortNodes(ArrayRef<wire::Node> nodes,
                                                            const Scope &scope, bool &hasCycle) {
  NodeOrder order(nodes, scope);
  if (order.isInOrder())
    return std::nullopt;
  return order.sort(hasCycle);
}
