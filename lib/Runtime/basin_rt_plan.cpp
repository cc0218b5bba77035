//===- basin_rt_plan.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C API's functions of whole models.
//
//===----------------------------------------------------------------------===//

#include "API.h"

#include "PlanRun.h"

#include <algorithm>

using namespace basin::rt;

basin_rt_status basin_rt_object_plan(const basin_rt_object *object, const basin_rt_plan **plan) {
  return guard([&]() -> Status {
    if (!object || !plan)
      return nullArgument(object ? "plan" : "object");
    if (!object->plan.plan)
      return {BASIN_RT_NOT_FOUND, "the object has no plan of a whole model"};
    *plan = &object->plan;
    return {};
  });
}

basin_rt_status basin_rt_plan_describe(const basin_rt_plan *plan, basin_rt_plan_info *info) {
  return guard([&]() -> Status {
    if (!plan || !info)
      return nullArgument(plan ? "info" : "plan");
    const ModelPlan &p = *plan->plan;
    auto isProduct = [](const PlanStep &step) { return std::holds_alternative<PlanProduct>(step); };
    auto products = static_cast<size_t>(std::count_if(p.steps.begin(), p.steps.end(), isProduct));
    *info = {p.name.c_str(),   p.inputs.size(),
             p.outputs.size(), p.steps.size() - products,
             products,         plan->object->object.getWeights().size()};
    return {};
  });
}

static void describe(const char *name, const PlanBuffer &buffer, basin_rt_plan_value_info &info) {
  info = {name, buffer.type, static_cast<uint32_t>(buffer.shape.size())};
}

basin_rt_status basin_rt_plan_input(const basin_rt_plan *plan, size_t index,
                                    basin_rt_plan_value_info *info) {
  return guard([&]() -> Status {
    if (!plan || !info)
      return nullArgument(plan ? "info" : "plan");
    const ModelPlan &p = *plan->plan;
    if (index >= p.inputs.size())
      return outOfRange("input", index, p.inputs.size());
    const PlanBuffer &buffer = p.buffers[p.inputs[index]];
    describe(buffer.name.c_str(), buffer, *info);
    return {};
  });
}

basin_rt_status basin_rt_plan_output(const basin_rt_plan *plan, size_t index,
                                     basin_rt_plan_value_info *info) {
  return guard([&]() -> Status {
    if (!plan || !info)
      return nullArgument(plan ? "info" : "plan");
    const ModelPlan &p = *plan->plan;
    if (index >= p.outputs.size())
      return outOfRange("output", index, p.outputs.size());
    describe(p.outputs[index].name.c_str(), p.buffers[p.outputs[index].buffer], *info);
    return {};
  });
}

/// Checks the inputs, and gets the layout for their sizes.
static Status findLayout(const basin_rt_plan *plan, const basin_rt_tensor *inputs, size_t count,
                         std::shared_ptr<const PlanLayout> &layout) {
  if (!plan || (!inputs && count != 0))
    return nullArgument(plan ? "inputs" : "plan");
  SymbolValues symbols;
  if (Status status = bindSymbols(*plan->plan, {inputs, count}, symbols); status.failed())
    return status;
  return plan->layouts.get(*plan->plan, plan->object->object.getKernels(), symbols, layout);
}

basin_rt_status basin_rt_plan_shapes(const basin_rt_plan *plan, const basin_rt_tensor *inputs,
                                     size_t input_count, basin_rt_tensor *outputs,
                                     size_t output_count) {
  return guard([&]() -> Status {
    std::shared_ptr<const PlanLayout> layout;
    if (Status status = findLayout(plan, inputs, input_count, layout); status.failed())
      return status;
    if (!outputs && output_count != 0)
      return nullArgument("outputs");
    if (output_count != layout->outputs.size())
      return wrong(*plan->plan, "expected " + std::to_string(layout->outputs.size()) +
                                    " outputs, but got " + std::to_string(output_count));
    for (size_t i = 0; i < output_count; ++i) {
      const void *pointer = outputs[i].pointer;
      outputs[i] = layout->outputs[i];
      outputs[i].pointer = pointer;
    }
    return {};
  });
}

basin_rt_status basin_rt_plan_workspace(const basin_rt_plan *plan, const basin_rt_tensor *inputs,
                                        size_t input_count, uint64_t *workspace_bytes) {
  return guard([&]() -> Status {
    if (!workspace_bytes)
      return nullArgument("workspace_bytes");
    std::shared_ptr<const PlanLayout> layout;
    Status status = findLayout(plan, inputs, input_count, layout);
    if (!status.failed())
      *workspace_bytes = countWorkspace(*plan->plan, *layout);
    return status;
  });
}

basin_rt_status basin_rt_plan_load(const basin_rt_plan *plan, int32_t device) {
  return guard([&]() -> Status {
    if (!plan)
      return nullArgument("plan");
    return loadPlan(plan->object->object, plan->object->loader, device);
  });
}

basin_rt_status basin_rt_plan_run(const basin_rt_plan *plan, int32_t device, void *stream,
                                  const basin_rt_tensor *inputs, size_t input_count,
                                  const basin_rt_tensor *outputs, size_t output_count,
                                  void *workspace, uint64_t workspace_bytes) {
  return guard([&]() -> Status {
    std::shared_ptr<const PlanLayout> layout;
    if (Status status = findLayout(plan, inputs, input_count, layout); status.failed())
      return status;
    if (!outputs && output_count != 0)
      return nullArgument("outputs");
    return runPlan(*plan->plan, *layout, plan->object->loader,
                   {device,
                    static_cast<cuda::Stream>(stream),
                    {inputs, input_count},
                    {outputs, output_count},
                    workspace,
                    workspace_bytes});
  });
}
