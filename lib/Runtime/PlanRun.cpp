//===- PlanRun.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every step is bound twice, once to check it and once to enqueue it. Binding is cheap, and nothing
// must be kept in between, so a run allocates nothing.
//
//===----------------------------------------------------------------------===//

#include "PlanRun.h"

#include "Overlap.h"
#include "PlanMemory.h"
#include "ProductCheck.h"
#include "Products.h"

#include <algorithm>

using namespace basin::rt;

namespace {
class PlanRunner {
public:
  PlanRunner(const ModelPlan &plan, const PlanLayout &layout, const PlanCall &call)
      : plan(plan), layout(layout), call(call),
        productBytes(countWorkspace(plan, layout) - layout.workspaceBytes) {}

  Status checkTensors() const;
  Status checkSteps() const;
  Status enqueueSteps(Loader &loader) const;

  uint64_t weights = 0; // the address of the weights

private:
  using Bound = std::array<basin_rt_argument, kMaxArguments>;

  Status checkPlace(const PlanBuffer &buffer, const basin_rt_tensor &tensor) const;
  Status checkOutput(size_t index) const;
  Status checkApart(const PlanBuffer &buffer, const basin_rt_tensor &written, size_t index) const;
  const void *find(const PlanPlace &place) const;
  Arguments bind(const BoundLaunch &launch, Bound &storage) const;
  basin_rt_product bind(const BoundProduct &bound) const;

  const ModelPlan &plan;
  const PlanLayout &layout;
  const PlanCall &call;
  const uint64_t productBytes; // of the workspace, at its end
};
} // namespace

//===----------------------------------------------------------------------===//
// Tensors of the caller
//===----------------------------------------------------------------------===//

static Status wrong(const ModelPlan &plan, const PlanBuffer &buffer, const std::string &what) {
  return basin::rt::wrong(plan, "'" + buffer.name + "': " + what);
}

/// Checks the pointer of an input or output, and that its memory is not that of the workspace.
Status PlanRunner::checkPlace(const PlanBuffer &buffer, const basin_rt_tensor &tensor) const {
  if (isEmpty(tensor))
    return {};
  if (!tensor.pointer)
    return wrong(plan, buffer, "is null");
  auto bytes = static_cast<int64_t>(call.workspaceBytes);
  return overlap(tensor, basin_rt_contiguous(BASIN_RT_I8, call.workspace, 1, &bytes))
             ? wrong(plan, buffer, "shares memory with the workspace")
             : Status();
}

/// Checks that an output, which is written, shares no memory with the inputs and the outputs after
/// it.
Status PlanRunner::checkApart(const PlanBuffer &buffer, const basin_rt_tensor &written,
                              size_t index) const {
  auto clash = [&](const std::string &name) {
    return wrong(plan, buffer, "is written, but shares memory with '" + name + "'");
  };
  for (size_t i = 0; i < call.inputs.size(); ++i)
    if (overlap(written, call.inputs[i]))
      return clash(plan.buffers[plan.inputs[i]].name);
  for (size_t i = index + 1; i < call.outputs.size(); ++i)
    if (overlap(written, call.outputs[i]))
      return clash(plan.outputs[i].name);
  return {};
}

Status PlanRunner::checkOutput(size_t index) const {
  const basin_rt_tensor &given = call.outputs[index], &planned = layout.outputs[index];
  const PlanBuffer &buffer = plan.buffers[plan.outputs[index].buffer];
  bool fits = given.type == planned.type && given.rank == planned.rank &&
              std::equal(given.sizes, given.sizes + given.rank, planned.sizes);
  if (!fits || (!isEmpty(given) && !isContiguous(given, /*isTransposed=*/false)))
    return wrong(plan, buffer,
                 "expected a contiguous tensor of the type and sizes that the plan says");
  Status status = checkPlace(buffer, given);
  return status.failed() ? status : checkApart(buffer, given, index);
}

Status PlanRunner::checkTensors() const {
  if (call.outputs.size() != plan.outputs.size())
    return basin::rt::wrong(plan, "expected " + std::to_string(plan.outputs.size()) +
                                      " outputs, but got " + std::to_string(call.outputs.size()));
  uint64_t bytes = layout.workspaceBytes + productBytes;
  if (!call.workspace || reinterpret_cast<uintptr_t>(call.workspace) % kPartBytes != 0 ||
      call.workspaceBytes < bytes || call.workspaceBytes > INT64_MAX)
    return basin::rt::wrong(plan, "expected a workspace of " + std::to_string(bytes) +
                                      " bytes, aligned to " + std::to_string(kPartBytes));
  for (size_t i = 0; i < call.inputs.size(); ++i)
    if (Status status = checkPlace(plan.buffers[plan.inputs[i]], call.inputs[i]); status.failed())
      return status;
  for (size_t i = 0; i < call.outputs.size(); ++i)
    if (Status status = checkOutput(i); status.failed())
      return status;
  return {};
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

/// Returns the address of a place. Inputs and constants without elements may have no address, and
/// get that of the workspace, where nothing is written.
const void *PlanRunner::find(const PlanPlace &place) const {
  if (place.buffer == SIZE_MAX)
    return nullptr;
  const PlanBuffer &buffer = plan.buffers[place.buffer];
  auto base = reinterpret_cast<uintptr_t>(call.workspace);
  if (layout.offsets[place.buffer] != 0)
    base += layout.offsets[place.buffer];
  else if (layout.counts[place.buffer] == 0)
    return call.workspace;
  else if (buffer.kind == PlanBuffer::Constant)
    base = static_cast<uintptr_t>(weights + buffer.offset);
  else
    base = reinterpret_cast<uintptr_t>(
        (buffer.kind == PlanBuffer::Input ? call.inputs : call.outputs)[buffer.position].pointer);
  return reinterpret_cast<const void *>(base + place.offset);
}

Arguments PlanRunner::bind(const BoundLaunch &launch, Bound &storage) const {
  for (size_t i = 0; i < launch.arguments.size(); ++i) {
    storage[i] = launch.arguments[i];
    if (launch.places[i].buffer != SIZE_MAX)
      storage[i].value.pointer = find(launch.places[i]);
  }
  return {storage.data(), launch.arguments.size()};
}

basin_rt_product PlanRunner::bind(const BoundProduct &bound) const {
  basin_rt_product out = bound.product;
  out.a.pointer = find(bound.a);
  out.b.pointer = find(bound.b);
  out.c.pointer = find(bound.c);
  out.bias = find(bound.bias);
  return out;
}

Status PlanRunner::checkSteps() const {
  Bound storage;
  std::array<uint32_t, 3> grid = {};
  for (const BoundStep &step : layout.steps) {
    const auto *launch = std::get_if<BoundLaunch>(&step);
    Status status = launch ? checkLaunch(*launch->kernel, bind(*launch, storage), grid)
                           : checkProduct(bind(std::get<BoundProduct>(step)));
    if (status.failed())
      return basin::rt::wrong(plan, status.message());
  }
  return {};
}

Status PlanRunner::enqueueSteps(Loader &loader) const {
  Bound storage;
  std::array<uint32_t, 3> grid = {};
  char *end = static_cast<char *>(call.workspace) + layout.workspaceBytes;
  Status status;
  for (size_t i = 0; i < layout.steps.size() && !status.failed(); ++i) {
    if (const auto *launch = std::get_if<BoundLaunch>(&layout.steps[i])) {
      Arguments arguments = bind(*launch, storage);
      status = computeGrid(*launch->kernel, arguments, grid);
      if (!status.failed())
        status = loader.launch(*launch->kernel, call.device, call.stream, arguments, grid);
    } else {
      status = runProduct(bind(std::get<BoundProduct>(layout.steps[i])), call.device, call.stream,
                          productBytes ? end : nullptr, productBytes);
    }
  }
  return status;
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

uint64_t basin::rt::countWorkspace(const ModelPlan &plan, const PlanLayout &layout) {
  return layout.workspaceBytes + (plan.hasProducts ? getLargestProductWorkspace() : 0);
}

Status basin::rt::loadPlan(const KernelObject &object, Loader &loader, int32_t device) {
  const ModelPlan &plan = *object.getPlan();
  for (const PlanStep &step : plan.steps)
    if (const auto *launch = std::get_if<PlanLaunch>(&step))
      if (Status status = loader.load(object.getKernels()[launch->kernel], device); status.failed())
        return status;
  if (plan.hasProducts)
    if (Status status = loadProducts(device); status.failed())
      return status;
  return loader.loadWeights(plan.hasConstants ? object.getWeights() : "", device);
}

Status basin::rt::runPlan(const ModelPlan &plan, const PlanLayout &layout, Loader &loader,
                          const PlanCall &call) {
  PlanRunner runner(plan, layout, call);
  Status status = runner.checkTensors();
  if (!status.failed())
    status = loader.findWeights(call.device, runner.weights);
  if (!status.failed())
    status = runner.checkSteps();
  return status.failed() ? status : runner.enqueueSteps(loader);
}
