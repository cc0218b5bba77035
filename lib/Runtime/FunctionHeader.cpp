//===- FunctionHeader.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads functions from the JSON of an object. Names of values become indices. Checks that a
// value is made once, is made before it is read, and has the type that each kernel wants.
//
//===----------------------------------------------------------------------===//

#include "KernelObject.h"
#include "Node.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

using namespace basin;
using namespace basin::rt;
using json::Value;

namespace {
class FunctionReader {
public:
  FunctionReader(const std::vector<Kernel> &kernels, Function &out) : kernels(kernels), out(out) {}

  void read(const Node &node);

private:
  size_t define(const Node &name, basin_rt_type type);
  size_t find(const Node &name);
  Factor readFactor(const Node &node);
  Factors readFactors(const Node &node);
  Step::Binding *bind(const Node &name, const Kernel &kernel, Step &step, bool isScalar);
  void readInput(const Node &node, const Kernel &kernel, Step &step);
  void readOutput(const Node &node, const Kernel &kernel, Step &step);
  void readStep(const Node &node);

  const std::vector<Kernel> &kernels;
  Function &out;
  std::unordered_map<std::string, size_t> values;
  std::vector<bool> isBound; // for each argument of the step's kernel
};
} // namespace

size_t FunctionReader::define(const Node &name, basin_rt_type type) {
  std::string text = name.name();
  if (!values.emplace(text, out.values.size()).second)
    name.fail("'" + text + "' is defined already");
  out.values.push_back({std::move(text), type, false, {}});
  return out.values.size() - 1;
}

size_t FunctionReader::find(const Node &name) {
  std::string text = name.name();
  auto found = values.find(text);
  if (found != values.end())
    return found->second;
  name.fail("no input or earlier step provides '" + text + "'");
  return 0;
}

Factor FunctionReader::readFactor(const Node &node) {
  if (node.kind() == Value::Integer)
    return {Factor::Number, node.integer(0, INT64_MAX), 0};
  bool isSize = node.has("size");
  int64_t axis = node.member(isSize ? "size" : "stride").integer(0, BASIN_RT_MAX_RANK - 1);
  return {isSize ? Factor::Size : Factor::Stride, axis, find(node.member("value"))};
}

Factors FunctionReader::readFactors(const Node &node) {
  Factors out;
  for (size_t i = 0, e = node.size(); i < e && !node.failed(); ++i)
    out.push_back(readFactor(node[i]));
  return out;
}

/// Returns the binding of an argument that has none yet, or null after an error.
Step::Binding *FunctionReader::bind(const Node &name, const Kernel &kernel, Step &step,
                                    bool isScalar) {
  std::string text = name.name();
  for (size_t i = 0; i < kernel.arguments.size(); ++i) {
    const Argument &argument = kernel.arguments[i];
    if (argument.name != text || (argument.kind == BASIN_RT_SCALAR) != isScalar || isBound[i])
      continue;
    isBound[i] = true;
    return &step.bindings[i];
  }
  name.fail("expected " + std::string(isScalar ? "a scalar" : "a tensor") + " of " + kernel.name +
            " that is not given yet, but got '" + text + "'");
  return nullptr;
}

static const Argument &argumentOf(const Kernel &kernel, const Step &step,
                                  const Step::Binding *binding) {
  return kernel.arguments[static_cast<size_t>(binding - step.bindings.data())];
}

void FunctionReader::readInput(const Node &node, const Kernel &kernel, Step &step) {
  Step::Binding *binding = bind(node.member("argument"), kernel, step, /*isScalar=*/false);
  size_t value = find(node.member("value"));
  if (node.failed())
    return;
  binding->value = value;
  const Argument &argument = argumentOf(kernel, step, binding);
  if (argument.kind == BASIN_RT_OUT || argument.type != out.values[value].type)
    node.fail("expected an input of the type of '" + argument.name + "'");
  binding->isTransposed = node.has("transposed") && node.member("transposed").boolean();
  out.values[value].isTransposed |= binding->isTransposed;
}

void FunctionReader::readOutput(const Node &node, const Kernel &kernel, Step &step) {
  Step::Binding *binding = bind(node.member("argument"), kernel, step, /*isScalar=*/false);
  basin_rt_type type = readType(node.member("type"));
  Node shape = node.member("shape");
  std::vector<Factors> axes;
  for (size_t i = 0, e = shape.size(); i < e && !node.failed(); ++i)
    axes.push_back(readFactors(shape[i]));
  if (axes.size() > BASIN_RT_MAX_RANK)
    shape.fail("expected at most " + std::to_string(BASIN_RT_MAX_RANK) + " axes");
  if (node.failed())
    return;
  binding->value = define(node.member("value"), type);
  out.values[binding->value].shape = std::move(axes);
  const Argument &argument = argumentOf(kernel, step, binding);
  if (argument.kind != BASIN_RT_OUT || argument.type != type)
    node.fail("expected an output of the type of '" + argument.name + "'");
}

void FunctionReader::readStep(const Node &node) {
  std::string name = node.member("kernel").name();
  auto kernel = std::find_if(kernels.begin(), kernels.end(),
                             [&](const Kernel &one) { return one.name == name; });
  if (kernel == kernels.end())
    return node.member("kernel").fail("the object has no kernel '" + name + "'");
  Step step{static_cast<size_t>(kernel - kernels.begin()), {}};
  step.bindings.resize(kernel->arguments.size());
  isBound.assign(kernel->arguments.size(), false);
  Node inputs = node.member("inputs"), outputs = node.member("outputs");
  for (size_t i = 0, e = inputs.size(); i < e && !node.failed(); ++i)
    readInput(inputs[i], *kernel, step);
  for (size_t i = 0, e = outputs.size(); i < e && !node.failed(); ++i)
    readOutput(outputs[i], *kernel, step);
  Node scalars = node.member("scalars");
  for (const std::string &key : scalars.keys()) {
    Factors factors = readFactors(scalars.member(key));
    json::Value text;
    text.kind = Value::String;
    text.string = key;
    WhyNot error;
    Step::Binding *binding = bind(Node(text, "", error), *kernel, step, /*isScalar=*/true);
    if (!binding)
      return scalars.fail(*error);
    binding->factors = std::move(factors);
  }
  auto missing = std::find(isBound.begin(), isBound.end(), false);
  if (missing != isBound.end())
    node.fail("expected the argument '" +
              kernel->arguments[static_cast<size_t>(missing - isBound.begin())].name + "' of " +
              name);
  out.steps.push_back(std::move(step));
}

void FunctionReader::read(const Node &node) {
  out.name = node.member("name").name();
  Node inputs = node.member("inputs");
  for (size_t i = 0, e = inputs.size(); i < e && !node.failed(); ++i)
    define(inputs[i].member("value"), readType(inputs[i].member("type")));
  out.inputCount = out.values.size();
  Node steps = node.member("steps");
  for (size_t i = 0, e = steps.size(); i < e && !node.failed(); ++i)
    readStep(steps[i]);
  Node outputs = node.member("outputs");
  for (size_t i = 0, e = outputs.size(); i < e && !node.failed(); ++i) {
    size_t value = find(outputs[i]);
    if (value < out.inputCount ||
        std::find(out.outputs.begin(), out.outputs.end(), value) != out.outputs.end())
      outputs[i].fail("expected a result of a step that is not an output yet");
    out.outputs.push_back(value);
  }
}

void basin::rt::readFunctions(const Node &node, const std::vector<Kernel> &kernels,
                              std::vector<Function> &functions) {
  std::unordered_set<std::string> seen;
  for (size_t i = 0, e = node.size(); i < e && !node.failed(); ++i) {
    FunctionReader(kernels, functions.emplace_back()).read(node[i]);
    if (!seen.insert(functions.back().name).second)
      node[i].fail("function '" + functions.back().name + "' is defined twice");
  }
}
