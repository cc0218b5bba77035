//===- PlanReader.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads sizes, buffers, inputs, outputs and checks. A symbol must be the size of an axis of an
// input, because nothing else gives it a value.
//
//===----------------------------------------------------------------------===//

#include "PlanReader.h"

#include "Tensor.h"

#include <unordered_set>

using namespace basin::rt;
using json::Value;

PlanReader::PlanReader(const std::vector<Kernel> &kernels, const Section *weights, ModelPlan &plan)
    : kernels(kernels), weights(weights), plan(plan) {
  for (size_t i = 0; i < kernels.size(); ++i)
    kernelNames.emplace(kernels[i].name, i);
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

/// Returns the number of elements of an array, and reports one that has too many.
static size_t countUpTo(const Node &node, size_t max) {
  size_t count = node.size();
  if (count > max)
    node.fail("expected at most " + std::to_string(max) + " elements, but got " +
              std::to_string(count));
  return node.failed() ? 0 : count;
}

size_t PlanReader::findSymbol(const Node &node) {
  auto [found, isNew] = symbolNames.try_emplace(node.text(kMaxPlanNameBytes), plan.symbols.size());
  if (!isNew)
    return found->second;
  if (plan.symbols.size() == kMaxSymbols)
    node.fail("expected at most " + std::to_string(kMaxSymbols) + " symbols");
  else
    plan.symbols.push_back(found->first);
  return found->second;
}

PlanSize PlanReader::readSize(const Node &node) {
  if (node.kind() == Value::Integer)
    return PlanSize(node.integer(INT64_MIN, INT64_MAX));
  if (node.kind() != Value::Object)
    node.fail("expected an integer or a sum");
  if (node.failed())
    return PlanSize();
  Node sum = node.member("sum");
  std::vector<PlanSize::Term> terms;
  for (size_t i = 0, e = countUpTo(sum, kMaxTerms); i < e && !node.failed(); ++i) {
    Node product = sum[i];
    size_t count = countUpTo(product, 1 + kMaxFactors);
    if (count == 0) {
      product.fail("expected a factor");
      break;
    }
    PlanSize::Term &term = terms.emplace_back();
    term.factor = product[0].integer(INT64_MIN, INT64_MAX);
    for (size_t j = 1; j < count && !node.failed(); ++j)
      term.symbols.push_back(findSymbol(product[j]));
  }
  return PlanSize(std::move(terms));
}

std::vector<PlanSize> PlanReader::readSizes(const Node &node, size_t max) {
  std::vector<PlanSize> out;
  for (size_t i = 0, e = countUpTo(node, max); i < e && !node.failed(); ++i)
    out.push_back(readSize(node[i]));
  return out;
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

size_t PlanReader::findBuffer(const Node &node) {
  std::string name = node.text(kMaxPlanNameBytes);
  auto found = bufferNames.find(name);
  if (found != bufferNames.end())
    return found->second;
  node.fail("the plan has no buffer '" + name + "'");
  return SIZE_MAX;
}

/// A constant's size is stated twice, by its shape and in bytes.
void PlanReader::readConstant(const Node &node, PlanBuffer &buffer) {
  plan.hasConstants = true;
  basin_rt_tensor tensor = {
      buffer.type, static_cast<uint32_t>(buffer.shape.size()), nullptr, {}, {}};
  for (size_t axis = 0; axis < buffer.shape.size(); ++axis) {
    std::optional<int64_t> size = buffer.shape[axis].getNumber();
    if (!size)
      return node.member("shape").fail("expected numbers, because it is a constant");
    tensor.sizes[axis] = *size;
  }
  int64_t count = 0;
  if (!countElements(tensor, count))
    return node.member("shape").fail("expected sizes of a tensor that fits into memory");
  auto end = static_cast<int64_t>(weights ? weights->size : 0);
  int64_t offset = node.member("offset").integer(0, end);
  int64_t size = node.member("size").integer(0, end - offset);
  int64_t expected = count * static_cast<int64_t>(sizeOf(buffer.type));
  if (size != expected)
    node.member("size").fail("expected the " + std::to_string(expected) +
                             " bytes of the shape, but got " + std::to_string(size));
  buffer.offset = static_cast<uint64_t>(offset);
}

void PlanReader::readBuffer(const Node &node) {
  static constexpr std::pair<const char *, PlanBuffer::Kind> kKinds[] = {
      {"input", PlanBuffer::Input},
      {"constant", PlanBuffer::Constant},
      {"temporary", PlanBuffer::Temporary}};
  static constexpr std::pair<const char *, basin_rt_type> kTypes[] = {
      {"f32", BASIN_RT_F32}, {"f16", BASIN_RT_F16}, {"bf16", BASIN_RT_BF16}, {"i8", BASIN_RT_I8},
      {"i32", BASIN_RT_I32}, {"i64", BASIN_RT_I64}, {"bool", BASIN_RT_BOOL}};
  PlanBuffer buffer;
  buffer.name = node.member("name").text(kMaxPlanNameBytes);
  buffer.kind = node.member("kind").oneOf(kKinds);
  buffer.type = node.member("type").oneOf(kTypes);
  buffer.shape = readSizes(node.member("shape"), BASIN_RT_MAX_RANK);
  if (!node.failed() && buffer.kind == PlanBuffer::Constant)
    readConstant(node, buffer);
  if (!bufferNames.emplace(buffer.name, plan.buffers.size()).second)
    node.fail("buffer '" + buffer.name + "' is defined twice");
  plan.buffers.push_back(std::move(buffer));
}

void PlanReader::readInput(const Node &node) {
  size_t index = findBuffer(node);
  if (node.failed())
    return;
  PlanBuffer &buffer = plan.buffers[index];
  if (buffer.kind != PlanBuffer::Input || buffer.position != SIZE_MAX)
    return node.fail("expected a buffer that is an input and not listed yet");
  buffer.position = plan.inputs.size();
  plan.inputs.push_back(index);
}

void PlanReader::readOutput(const Node &node) {
  std::string name = node.member("name").text(kMaxPlanNameBytes);
  size_t index = findBuffer(node.member("buffer"));
  if (node.failed())
    return;
  PlanBuffer &buffer = plan.buffers[index];
  if (buffer.kind != PlanBuffer::Temporary || !isWritten[index])
    return node.member("buffer").fail("expected a temporary that a step writes");
  if (buffer.position != SIZE_MAX)
    return node.member("buffer").fail("'" + buffer.name + "' is an output already");
  buffer.position = plan.outputs.size();
  plan.outputs.push_back({std::move(name), index});
}

void PlanReader::readCheck(const Node &node) {
  PlanCheck check{readSize(node.member("size")), readSize(node.member("at_most")),
                  node.member("node").text(kMaxPlanNameBytes)};
  plan.checks.push_back(std::move(check));
}

/// Checks that each input is listed, that names of outputs are distinct, and that each symbol has a
/// value.
void PlanReader::checkDefinitions(const Node &node) {
  std::vector<bool> isDefined(plan.symbols.size());
  for (const PlanBuffer &buffer : plan.buffers) {
    if (buffer.kind != PlanBuffer::Input)
      continue;
    if (buffer.position == SIZE_MAX)
      return node.member("inputs").fail("expected the input '" + buffer.name + "'");
    for (const PlanSize &size : buffer.shape)
      if (std::optional<size_t> symbol = size.getSymbol())
        isDefined[*symbol] = true;
  }
  for (size_t i = 0; i < plan.symbols.size(); ++i)
    if (!isDefined[i])
      return node.fail("no input has an axis of the size '" + plan.symbols[i] + "'");
  std::unordered_set<std::string> seen;
  for (const ModelPlan::Output &output : plan.outputs)
    if (!seen.insert(output.name).second)
      return node.member("outputs").fail("output '" + output.name + "' is defined twice");
}

void PlanReader::read(const Node &node) {
  plan.name = node.member("name").text(kMaxPlanNameBytes);
  Node buffers = node.member("buffers"), inputs = node.member("inputs");
  Node steps = node.member("steps"), outputs = node.member("outputs");
  for (size_t i = 0, e = countUpTo(buffers, kMaxBuffers); i < e && !node.failed(); ++i)
    readBuffer(buffers[i]);
  for (size_t i = 0, e = countUpTo(inputs, kMaxBuffers); i < e && !node.failed(); ++i)
    readInput(inputs[i]);
  isWritten.assign(plan.buffers.size(), false);
  for (size_t i = 0, e = countUpTo(steps, kMaxSteps); i < e && !node.failed(); ++i)
    readStep(steps[i]);
  for (size_t i = 0, e = countUpTo(outputs, kMaxBuffers); i < e && !node.failed(); ++i)
    readOutput(outputs[i]);
  if (node.has("checks")) {
    Node checks = node.member("checks");
    for (size_t i = 0, e = countUpTo(checks, kMaxChecks); i < e && !node.failed(); ++i)
      readCheck(checks[i]);
  }
  if (!node.failed())
    checkDefinitions(node);
}

void basin::rt::readPlan(const Node &node, const std::vector<Kernel> &kernels,
                         const Section *weights, ModelPlan &plan) {
  PlanReader(kernels, weights, plan).read(node);
}
