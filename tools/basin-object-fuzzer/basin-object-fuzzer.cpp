//===- basin-object-fuzzer.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A target of libFuzzer. The runtime must either refuse the bytes with a message or read an object,
// and then list all of its parts. Numbers in the object serve as the scalars of a launch, and
// tensors of a few sizes as the inputs of its functions. The inputs of a plan have sizes that are
// drawn from the object's bytes.
//
//===----------------------------------------------------------------------===//

#include "basin/Runtime/basin_rt.h"

#include <cstdlib>
#include <functional>
#include <vector>

static void require(bool condition) {
  if (!condition)
    std::abort();
}

static void visitParts(const basin_rt_kernel *kernel, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    basin_rt_part_info part;
    require(basin_rt_kernel_part(kernel, i, &part) == BASIN_RT_OK && *part.name && part.text);
  }
}

static void visitKernel(const basin_rt_kernel *kernel) {
  basin_rt_kernel_info info;
  require(basin_rt_kernel_describe(kernel, &info) == BASIN_RT_OK && *info.name);
  require(info.block[0] * info.block[1] * info.block[2] - 1 < 1024);
  visitParts(kernel, info.part_count);
  int64_t size = 1;
  for (uint32_t axis = 0; axis < 3; ++axis)
    for (size_t i = 0; i < basin_rt_kernel_factor_count(kernel, axis); ++i) {
      basin_rt_grid_factor factor;
      require(basin_rt_kernel_factor(kernel, axis, i, &factor) == BASIN_RT_OK);
      require(factor.argument < info.argument_count && factor.per > 0);
      size = factor.per;
    }
  std::vector<basin_rt_argument> arguments(info.argument_count);
  for (size_t i = 0; i < info.argument_count; ++i) {
    basin_rt_argument_info argument;
    require(basin_rt_kernel_argument(kernel, i, &argument) == BASIN_RT_OK && *argument.name);
    arguments[i] = basin_rt_i64(size);
    arguments[i].is_scalar = argument.kind == BASIN_RT_SCALAR;
    arguments[i].type = argument.type;
    if (argument.type == BASIN_RT_I32)
      arguments[i].value.i32 = static_cast<int32_t>(size);
  }
  uint32_t grid[3] = {1, 1, 1};
  if (basin_rt_kernel_grid(kernel, arguments.data(), arguments.size(), grid) == BASIN_RT_OK)
    require((grid[0] == 0) == (grid[1] == 0) && grid[1] <= 65535 && grid[2] <= 65535);
  else
    require(*basin_rt_last_error());
}

/// Plans and launches the function on tensors whose sizes are all `size`. There is no driver, so
/// the launch ends when it needs one if not earlier.
static void callFunction(const basin_rt_function *function, const basin_rt_function_info &info,
                         uint32_t rank, int64_t size) {
  int64_t sizes[BASIN_RT_MAX_RANK];
  for (int64_t &one : sizes)
    one = size;
  std::vector<basin_rt_tensor> inputs, outputs(info.output_count);
  for (size_t i = 0; i < info.input_count; ++i) {
    basin_rt_value_info value;
    require(basin_rt_function_input(function, i, &value) == BASIN_RT_OK && *value.name);
    auto address = reinterpret_cast<const void *>((i + 1) << 40);
    inputs.push_back(basin_rt_contiguous(value.type, address, rank, sizes));
  }
  uint64_t bytes = 0;
  if (basin_rt_function_plan(function, inputs.data(), inputs.size(), outputs.data(), outputs.size(),
                             &bytes) != BASIN_RT_OK)
    return require(*basin_rt_last_error());
  require(bytes >= 256);
  for (size_t i = 0; i < outputs.size(); ++i) {
    require(outputs[i].rank <= BASIN_RT_MAX_RANK);
    outputs[i].pointer = reinterpret_cast<const void *>((i + 1 + inputs.size()) << 40);
  }
  auto workspace = reinterpret_cast<void *>(uint64_t(256));
  (void)basin_rt_function_launch(function, 0, nullptr, inputs.data(), inputs.size(), outputs.data(),
                                 outputs.size(), workspace, bytes);
}

static void visitFunction(const basin_rt_function *function) {
  basin_rt_function_info info;
  require(basin_rt_function_describe(function, &info) == BASIN_RT_OK && *info.name);
  for (size_t i = 0; i < info.output_count; ++i) {
    basin_rt_value_info value;
    require(basin_rt_function_output(function, i, &value) == BASIN_RT_OK && *value.name);
  }
  for (int64_t size : {int64_t(0), int64_t(1), int64_t(64), int64_t(1) << 20, INT64_MAX})
    for (uint32_t rank : {1u, 2u, 4u})
      callFunction(function, info, rank, size);
}

/// Lays a plan out for inputs of these sizes, and runs it. There is no driver, so a run must fail.
static void callPlan(const basin_rt_plan *plan, const basin_rt_plan_info &info,
                     const std::function<int64_t()> &draw) {
  std::vector<basin_rt_tensor> inputs, outputs(info.output_count);
  for (size_t i = 0; i < info.input_count; ++i) {
    basin_rt_plan_value_info value;
    require(basin_rt_plan_input(plan, i, &value) == BASIN_RT_OK && *value.name);
    require(value.rank <= BASIN_RT_MAX_RANK);
    int64_t sizes[BASIN_RT_MAX_RANK];
    for (int64_t &one : sizes)
      one = draw();
    const auto *address = reinterpret_cast<const void *>((i + 1) << 40);
    inputs.push_back(basin_rt_contiguous(value.type, address, value.rank, sizes));
  }
  uint64_t bytes = 0;
  basin_rt_status status = basin_rt_plan_workspace(plan, inputs.data(), inputs.size(), &bytes);
  require(basin_rt_plan_shapes(plan, inputs.data(), inputs.size(), outputs.data(),
                               outputs.size()) == status);
  if (status != BASIN_RT_OK)
    return require(*basin_rt_last_error());
  require(bytes >= 256 && bytes % 256 == 0);
  for (size_t i = 0; i < outputs.size(); ++i) {
    require(outputs[i].rank <= BASIN_RT_MAX_RANK);
    outputs[i].pointer = reinterpret_cast<const void *>((i + 1 + inputs.size()) << 40);
  }
  auto *workspace = reinterpret_cast<void *>(uint64_t(256));
  require(basin_rt_plan_run(plan, 0, nullptr, inputs.data(), inputs.size(), outputs.data(),
                            outputs.size(), workspace, bytes) != BASIN_RT_OK);
}

/// All inputs have one size, or each axis has a small size of its own.
static void visitPlan(const basin_rt_plan *plan, const uint8_t *data, size_t size) {
  basin_rt_plan_info info;
  require(basin_rt_plan_describe(plan, &info) == BASIN_RT_OK && *info.name);
  for (size_t i = 0; i < info.output_count; ++i) {
    basin_rt_plan_value_info value;
    require(basin_rt_plan_output(plan, i, &value) == BASIN_RT_OK && *value.name);
  }
  for (int64_t all : {int64_t(0), int64_t(1), int64_t(8), int64_t(1) << 20, INT64_MAX})
    callPlan(plan, info, [&] { return all; });
  size_t at = 0;
  for (int i = 0; i < 4; ++i)
    callPlan(plan, info, [&] { return static_cast<int64_t>(data[at++ % size] % 9); });
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  basin_rt_object *object = nullptr;
  if (basin_rt_object_create(data, size, &object) != BASIN_RT_OK) {
    require(*basin_rt_last_error());
    return 0;
  }
  for (size_t i = 0; i < basin_rt_object_section_count(object); ++i) {
    basin_rt_section_info section;
    require(basin_rt_object_section(object, i, &section) == BASIN_RT_OK);
    require(section.size <= size && section.offset <= size - section.size);
  }
  size_t index = 0;
  if (basin_rt_object_choose_section(object, 9, 0, &index) == BASIN_RT_OK)
    require(index < basin_rt_object_section_count(object));
  for (size_t i = 0; i < basin_rt_object_kernel_count(object); ++i) {
    const basin_rt_kernel *kernel = nullptr;
    require(basin_rt_object_kernel(object, i, &kernel) == BASIN_RT_OK);
    visitKernel(kernel);
  }
  for (size_t i = 0; i < basin_rt_object_function_count(object); ++i) {
    const basin_rt_function *function = nullptr;
    require(basin_rt_object_function(object, i, &function) == BASIN_RT_OK);
    visitFunction(function);
  }
  const basin_rt_plan *plan = nullptr;
  if (basin_rt_object_plan(object, &plan) == BASIN_RT_OK)
    visitPlan(plan, data, size);
  basin_rt_object_free(object);
  return 0;
}
