//===- PlanLayout.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The shapes of the inputs give the symbols, the symbols give all sizes, and the sizes and the
// steps that name a temporary give its place. All arithmetic on a caller's sizes is checked.
//
//===----------------------------------------------------------------------===//

#include "PlanLayout.h"

#include "PlanMemory.h"

#include <algorithm>

using namespace basin::rt;

Status basin::rt::wrong(const ModelPlan &plan, const std::string &what) {
  return {BASIN_RT_INVALID_ARGUMENT, plan.name + ": " + what};
}

static Status wrong(const ModelPlan &plan, const PlanBuffer &buffer, const std::string &what) {
  return basin::rt::wrong(plan, "'" + buffer.name + "': " + what);
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

/// Computes the sizes of a buffer as a tensor. A buffer with a size that does not fit is refused.
static Status measure(const ModelPlan &plan, const PlanBuffer &buffer, const SymbolValues &symbols,
                      basin_rt_tensor &out, int64_t &count) {
  out = {};
  out.type = buffer.type;
  out.rank = static_cast<uint32_t>(buffer.shape.size());
  for (uint32_t axis = 0; axis < out.rank; ++axis)
    if (!buffer.shape[axis].evaluate(symbols, out.sizes[axis]))
      return wrong(plan, buffer, "its sizes are too large");
  if (!countElements(out, count))
    return wrong(plan, buffer, "expected sizes of a tensor that fits into memory");
  makeContiguous(out);
  return {};
}

static std::string describeShape(const basin_rt_tensor &tensor) {
  std::string out;
  for (uint32_t axis = 0; axis < tensor.rank; ++axis)
    out += (axis ? ", " : "") + std::to_string(tensor.sizes[axis]);
  return "[" + out + "]";
}

static Status checkInput(const ModelPlan &plan, const PlanBuffer &buffer,
                         const basin_rt_tensor &tensor) {
  if (tensor.type != buffer.type)
    return wrong(plan, buffer,
                 std::string("expected ") + nameOf(buffer.type) + ", but got " +
                     nameOf(tensor.type));
  if (tensor.rank != buffer.shape.size())
    return wrong(plan, buffer,
                 "expected " + std::to_string(buffer.shape.size()) + " axes, but got " +
                     std::to_string(tensor.rank));
  int64_t count = 0;
  if (!countElements(tensor, count))
    return wrong(plan, buffer, "expected sizes of a tensor that fits into memory");
  if (count != 0 && !isContiguous(tensor, /*isTransposed=*/false))
    return wrong(plan, buffer, "expected a contiguous tensor");
  return {};
}

/// Checks that the input has the sizes that the plan says.
static Status checkShape(const ModelPlan &plan, const PlanBuffer &buffer,
                         const basin_rt_tensor &tensor, const SymbolValues &symbols) {
  basin_rt_tensor expected;
  int64_t count = 0;
  if (Status status = measure(plan, buffer, symbols, expected, count); status.failed())
    return status;
  if (std::equal(tensor.sizes, tensor.sizes + tensor.rank, expected.sizes))
    return {};
  return wrong(plan, buffer,
               "expected the shape " + describeShape(expected) + ", but got " +
                   describeShape(tensor));
}

Status basin::rt::bindSymbols(const ModelPlan &plan, Tensors inputs, SymbolValues &symbols) {
  if (inputs.size() != plan.inputs.size())
    return wrong(plan, "expected " + std::to_string(plan.inputs.size()) + " inputs, but got " +
                           std::to_string(inputs.size()));
  symbols.fill(-1);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const PlanBuffer &buffer = plan.buffers[plan.inputs[i]];
    if (Status status = checkInput(plan, buffer, inputs[i]); status.failed())
      return status;
    // The first axis of a symbol says what it is, and checkShape() compares the others.
    for (size_t axis = 0; axis < buffer.shape.size(); ++axis)
      if (std::optional<size_t> symbol = buffer.shape[axis].getSymbol();
          symbol && symbols[*symbol] < 0)
        symbols[*symbol] = inputs[i].sizes[axis];
  }
  std::replace(symbols.begin(), symbols.end(), int64_t(-1), int64_t(0));
  for (size_t i = 0; i < inputs.size(); ++i)
    if (Status status = checkShape(plan, plan.buffers[plan.inputs[i]], inputs[i], symbols);
        status.failed())
      return status;
  return {};
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

static Status checkSizes(const ModelPlan &plan, const SymbolValues &symbols) {
  for (const PlanCheck &check : plan.checks) {
    int64_t size = 0, limit = 0;
    if (!check.size.evaluate(symbols, size) || !check.limit.evaluate(symbols, limit))
      return wrong(plan, "node '" + check.node + "': its sizes are too large");
    if (size > limit)
      return wrong(plan, "node '" + check.node + "': expected a size of at most " +
                             std::to_string(limit) + ", but got " + std::to_string(size));
  }
  return {};
}

/// Finds a place for each temporary that steps name, except for outputs, which the caller gives. An
/// output without elements may have no address, and gets one here.
static Status placeTemporaries(const ModelPlan &plan, PlanLayout &layout) {
  std::vector<MemoryRequest> requests;
  std::vector<size_t> owners;
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    const PlanBuffer &buffer = plan.buffers[i];
    bool isGiven = buffer.isOutput() && layout.counts[i] != 0;
    if (buffer.kind != PlanBuffer::Temporary || isGiven || buffer.firstStep == SIZE_MAX)
      continue;
    // A buffer without elements has an address of its own, too, because kernels refuse equal ones.
    uint64_t bytes = static_cast<uint64_t>(layout.counts[i]) * sizeOf(buffer.type);
    uint64_t parts = std::max<uint64_t>((bytes + kPartBytes - 1) / kPartBytes, 1);
    requests.push_back({parts * kPartBytes, buffer.firstStep, buffer.lastStep});
    owners.push_back(i);
  }
  // The first part lends its address to inputs without elements, which may have none.
  layout.workspaceBytes = placeInWorkspace(requests, kPartBytes, kMaxTensorBytes);
  if (layout.workspaceBytes == 0)
    return wrong(plan, "its workspace is too large");
  layout.offsets.assign(plan.buffers.size(), 0);
  for (size_t i = 0; i < requests.size(); ++i)
    layout.offsets[owners[i]] = requests[i].offset;
  return {};
}

Status basin::rt::makeLayout(const ModelPlan &plan, const std::vector<Kernel> &kernels,
                             const SymbolValues &symbols, PlanLayout &layout) {
  if (Status status = checkSizes(plan, symbols); status.failed())
    return status;
  layout.counts.resize(plan.buffers.size());
  layout.outputs.resize(plan.outputs.size());
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    const PlanBuffer &buffer = plan.buffers[i];
    basin_rt_tensor tensor;
    if (Status status = measure(plan, buffer, symbols, tensor, layout.counts[i]); status.failed())
      return status;
    if (buffer.isOutput())
      layout.outputs[buffer.position] = tensor;
  }
  Status status = placeTemporaries(plan, layout);
  return status.failed() ? status : bindSteps(plan, kernels, symbols, layout);
}

PlanLayouts::Entry *PlanLayouts::find(const SymbolValues &symbols) {
  for (Entry &entry : entries)
    if (entry.symbols == symbols) {
      entry.lastUse = ++uses;
      return &entry;
    }
  return nullptr;
}

/// Makes a layout without the lock, so that other threads find theirs meanwhile. Of two threads
/// that make the same one, the later one takes what the earlier one has kept.
Status PlanLayouts::get(const ModelPlan &plan, const std::vector<Kernel> &kernels,
                        const SymbolValues &symbols, std::shared_ptr<const PlanLayout> &layout) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (Entry *entry = find(symbols)) {
      layout = entry->layout;
      return {};
    }
  }
  auto made = std::make_shared<PlanLayout>();
  if (Status status = makeLayout(plan, kernels, symbols, *made); status.failed())
    return status;
  std::lock_guard<std::mutex> lock(mutex);
  Entry *entry = find(symbols);
  if (!entry && entries.size() == kMaxLayouts) {
    entry = &*std::min_element(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {
      return a.lastUse < b.lastUse;
    });
    *entry = {symbols, std::move(made), ++uses};
  } else if (!entry) {
    entry = &entries.emplace_back(Entry{symbols, std::move(made), ++uses});
  }
  layout = entry->layout;
  return {};
}
