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
// memory but no recursion. Passes do recurse over calls, so their depth is bounded here.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

#include <algorithm>

using namespace basin;
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

static WhyNot checkOpsets(const std::vector<wire::Opset> &opsets, const std::string &where) {
  llvm::StringMap<int64_t> seen;
  for (const wire::Opset &opset : opsets) {
    StringRef domain = canonicalDomain(opset.domain);
    int64_t version = opset.version.value_or(0);
    // Some exporters import '' and 'ai.onnx', which are the same domain.
    auto [known, isNew] = seen.try_emplace(domain, version);
    if (!isNew && known->second != version)
      return where + ": the opset of domain " + quoteName(domain) +
             " is imported twice, as version " + std::to_string(known->second) + " and " +
             std::to_string(version);
    // Runtimes keep the version in 32 bits.
    if (version < 0 || version > INT32_MAX)
      return where + ": expected an opset version from 0 to 2147483647 for domain " +
             quoteName(domain) + ", but got " + std::to_string(version);
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// How deep calls of functions may nest. Exporters stay below a few dozen.
static constexpr unsigned kMaxCallDepth = 512;

namespace {
class FunctionChecker {
public:
  explicit FunctionChecker(const wire::Model &model) : model(model) {}

  WhyNot check();

private:
  static std::string key(const wire::Text &domain, const wire::Text &name,
                         const wire::Text &overload) {
    // Names without a NUL are joined by a NUL, so different triples have different keys.
    std::string out = canonicalDomain(domain).str();
    for (const wire::Text &part : {name, overload})
      (out += '\0') += part.value_or("");
    return out;
  }

  WhyNot collectFunctions();
  WhyNot collectCalls(const std::vector<wire::Node> &nodes, llvm::SetVector<unsigned> &called);
  WhyNot checkCall(const wire::Node &n, const wire::Function &f);
  WhyNot checkRecursion();

  const wire::Model &model;
  llvm::StringMap<unsigned> index;
  /// The functions that each function calls.
  std::vector<llvm::SetVector<unsigned>> calls;
};
} // namespace

WhyNot FunctionChecker::collectFunctions() {
  for (const wire::Function &f : model.functions) {
    auto number = static_cast<unsigned>(index.size());
    if (!index.try_emplace(key(f.domain, f.name, f.overload), number).second)
      return describe(f) + ": is defined twice";
    if (WhyNot why = checkOpsets(f.opsets, describe(f)))
      return why;
  }
  return std::nullopt;
}

WhyNot FunctionChecker::checkCall(const wire::Node &n, const wire::Function &f) {
  auto atMost = [&](size_t most, size_t got, const char *what) -> WhyNot {
    if (got <= most)
      return std::nullopt;
    return describe(n) + ": expected at most " + std::to_string(most) + " " + what + " as of " +
           describe(f) + ", but got " + std::to_string(got);
  };
  if (WhyNot why = atMost(f.inputs.size(), n.inputs.size(), "inputs"))
    return why;
  return atMost(f.outputs.size(), n.outputs.size(), "outputs");
}

// The recursion is as deep as subgraphs nest, which the decoder bounds.
WhyNot FunctionChecker::collectCalls(const std::vector<wire::Node> &nodes,
                                     llvm::SetVector<unsigned> &called) {
  for (const wire::Node &n : nodes) {
    if (auto it = index.find(key(n.domain, n.opType, n.overload)); it != index.end()) {
      called.insert(it->second);
      if (WhyNot why = checkCall(n, model.functions[it->second]))
        return why;
    }
    for (const wire::Attribute &a : n.attributes) {
      if (a.g)
        if (WhyNot why = collectCalls(a.g->nodes, called))
          return why;
      for (const wire::Graph &g : a.graphs)
        if (WhyNot why = collectCalls(g.nodes, called))
          return why;
    }
  }
  return std::nullopt;
}

WhyNot FunctionChecker::checkRecursion() {
  enum State : uint8_t { New, Open, Done };
  std::vector<State> states(calls.size(), New);
  // How many calls deep a function's body goes. Passes over calls recurse as deep.
  std::vector<unsigned> depths(calls.size(), 0);
  for (unsigned root = 0; root < calls.size(); ++root) {
    if (states[root] != New)
      continue;
    std::vector<std::pair<unsigned, size_t>> stack{{root, 0}};
    states[root] = Open;
    while (!stack.empty()) {
      auto &[function, next] = stack.back();
      if (next == calls[function].size()) {
        states[function] = Done;
        for (unsigned callee : calls[function])
          depths[function] = std::max(depths[function], depths[callee] + 1);
        if (depths[function] > kMaxCallDepth)
          return describe(model.functions[function]) + ": expected calls that nest at most " +
                 std::to_string(kMaxCallDepth) + " deep";
        stack.pop_back();
        continue;
      }
      unsigned callee = calls[function][next++];
      if (states[callee] == Open)
        return describe(model.functions[callee]) + ": calls itself" +
               (callee == function ? "" : " by way of " + describe(model.functions[function]));
      if (states[callee] == New) {
        states[callee] = Open;
        stack.emplace_back(callee, 0);
      }
    }
  }
  return std::nullopt;
}

WhyNot FunctionChecker::check() {
  if (WhyNot why = collectFunctions())
    return why;
  for (const wire::Function &f : model.functions)
    if (WhyNot why = collectCalls(f.nodes, calls.emplace_back()))
      return why;
  llvm::SetVector<unsigned> called;
  if (WhyNot why = collectCalls(model.graph->nodes, called))
    return why;
  return checkRecursion();
}

WhyNot basin::onnx::checkModel(const wire::Model &model) {
  if (WhyNot why = checkOpsets(model.opsets, "model"))
    return why;
  // Before IR version 3 there was only one opset.
  if (model.opsets.empty() && model.irVersion.value_or(0) >= 3)
    return "model: imports no opset";
  return FunctionChecker(model).check();
}
