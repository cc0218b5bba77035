//===- CheckModel.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks a decoded model before IR is made of it. Functions must not call themselves, directly or
// through others, because a tool that expands them would not end. The calls form a graph, which
// is searched depth-first. The search keeps its own stack, so a long chain of functions costs
// memory but no recursion.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

using namespace basin::onnx;
using llvm::StringRef;

std::string basin::onnx::describe(const wire::Node &n) {
  std::string op =
      llvm::StringRef(quoteName(n.opType.value_or("?"))).drop_front().drop_back().str();
  if (n.name.value_or("").empty() && !n.outputs.empty())
    return "node (" + op + ") of output " + quoteName(n.outputs.front());
  return "node " + quoteName(n.name.value_or("")) + " (" + op + ")";
}

std::string basin::onnx::describe(const wire::Function &f) {
  return "function " + quoteName((f.domain.value_or("") + "." + f.name.value_or("")).str());
}

StringRef basin::onnx::canonicalDomain(const wire::Text &domain) {
  return domain.value_or("") == "ai.onnx" ? "" : domain.value_or("");
}

//===----------------------------------------------------------------------===//
// Opset imports
//===----------------------------------------------------------------------===//

static std::optional<Refusal> checkOpsets(const std::vector<wire::Opset> &opsets,
                                          const std::string &where) {
  llvm::StringMap<int64_t> seen;
  for (const wire::Opset &opset : opsets) {
    StringRef domain = canonicalDomain(opset.domain);
    int64_t version = opset.version.value_or(0);
    // Some exporters import '' and 'ai.onnx', which are the same domain.
    auto [known, isNew] = seen.try_emplace(domain, version);
    if (!isNew && known->second != version)
      return Refusal{where, "the opset of domain " + quoteName(domain) +
                                " is imported twice, as version " + std::to_string(known->second) +
                                " and " + std::to_string(version)};
    // Runtimes keep the version in 32 bits.
    if (version < 0 || version > INT32_MAX)
      return Refusal{where, "expected an opset version from 0 to 2147483647 for domain " +
                                quoteName(domain) + ", but got " + std::to_string(version)};
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

namespace {
class FunctionChecker {
public:
  explicit FunctionChecker(const wire::Model &model) : model(model) {}

  std::optional<Refusal> check();

private:
  static std::string key(const wire::Text &domain, const wire::Text &name,
                         const wire::Text &overload) {
    // Names without a NUL are joined by a NUL, so different triples have different keys.
    std::string out = canonicalDomain(domain).str();
    for (const wire::Text &part : {name, overload})
      (out += '\0') += part.value_or("");
    return out;
  }

  std::optional<Refusal> collectFunctions();
  std::optional<Refusal> collectCalls(const std::vector<wire::Node> &nodes,
                                      llvm::SetVector<unsigned> &called);
  std::optional<Refusal> checkCall(const wire::Node &n, const wire::Function &f);
  std::optional<Refusal> checkRecursion();

  const wire::Model &model;
  llvm::StringMap<unsigned> index;
  /// The functions that each function calls.
  std::vector<llvm::SetVector<unsigned>> calls;
};
} // namespace

std::optional<Refusal> FunctionChecker::collectFunctions() {
  for (const wire::Function &f : model.functions) {
    auto number = static_cast<unsigned>(index.size());
    if (!index.try_emplace(key(f.domain, f.name, f.overload), number).second)
      return Refusal{describe(f), "is defined twice"};
    if (auto refusal = checkOpsets(f.opsets, describe(f)))
      return refusal;
  }
  return std::nullopt;
}

std::optional<Refusal> FunctionChecker::checkCall(const wire::Node &n, const wire::Function &f) {
  auto atMost = [&](size_t most, size_t got, const char *what) -> std::optional<Refusal> {
    if (got <= most)
      return std::nullopt;
    return Refusal{describe(n), "expected at most " + std::to_string(most) + " " + what +
                                    " as of " + describe(f) + ", but got " + std::to_string(got)};
  };
  if (auto refusal = atMost(f.inputs.size(), n.inputs.size(), "inputs"))
    return refusal;
  return atMost(f.outputs.size(), n.outputs.size(), "outputs");
}

// The recursion is as deep as subgraphs nest, which the decoder bounds.
std::optional<Refusal> FunctionChecker::collectCalls(const std::vector<wire::Node> &nodes,
                                                     llvm::SetVector<unsigned> &called) {
  for (const wire::Node &n : nodes) {
    if (auto it = index.find(key(n.domain, n.opType, n.overload)); it != index.end()) {
      called.insert(it->second);
      if (auto refusal = checkCall(n, model.functions[it->second]))
        return refusal;
    }
    for (const wire::Attribute &a : n.attributes) {
      if (a.g)
        if (auto refusal = collectCalls(a.g->nodes, called))
          return refusal;
      for (const wire::Graph &g : a.graphs)
        if (auto refusal = collectCalls(g.nodes, called))
          return refusal;
    }
  }
  return std::nullopt;
}

std::optional<Refusal> FunctionChecker::checkRecursion() {
  enum State : uint8_t { New, Open, Done };
  std::vector<State> states(calls.size(), New);
  for (unsigned root = 0; root < calls.size(); ++root) {
    if (states[root] != New)
      continue;
    std::vector<std::pair<unsigned, size_t>> stack{{root, 0}};
    states[root] = Open;
    while (!stack.empty()) {
      auto &[function, next] = stack.back();
      if (next == calls[function].size()) {
        states[function] = Done;
        stack.pop_back();
        continue;
      }
      unsigned callee = calls[function][next++];
      if (states[callee] == Open)
        return Refusal{describe(model.functions[callee]),
                       callee == function
                           ? "calls itself"
                           : "calls itself by way of " + describe(model.functions[function])};
      if (states[callee] == New) {
        states[callee] = Open;
        stack.emplace_back(callee, 0);
      }
    }
  }
  return std::nullopt;
}

std::optional<Refusal> FunctionChecker::check() {
  if (auto refusal = collectFunctions())
    return refusal;
  for (const wire::Function &f : model.functions)
    if (auto refusal = collectCalls(f.nodes, calls.emplace_back()))
      return refusal;
  llvm::SetVector<unsigned> called;
  if (auto refusal = collectCalls(model.graph->nodes, called))
    return refusal;
  return checkRecursion();
}

std::optional<Refusal> basin::onnx::checkModel(const wire::Model &model) {
  if (auto refusal = checkOpsets(model.opsets, "model"))
    return refusal;
  // Before IR version 3 there was only one opset.
  if (model.opsets.empty() && model.irVersion.value_or(0) >= 3)
    return Refusal{"model", "imports no opset"};
  return FunctionChecker(model).check();
}
