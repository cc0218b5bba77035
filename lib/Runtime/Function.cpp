//===- Function.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prepares a call of a function: computes the sizes and places of the tensors that its steps
// make, and each step's arguments. All arithmetic on a caller's sizes is checked.
//
//===----------------------------------------------------------------------===//

#include "Function.h"

#include "KernelObject.h"
#include "Overlap.h"

#include <algorithm>

using namespace basin::rt;

// Each part of the workspace begins at a multiple of this. No kernel asks for more.
static constexpr uint64_t kPartBytes = 256;

static Status wrong(const Function &function, const std::string &what) {
  return {BASIN_RT_INVALID_ARGUMENT, function.name + ": " + what};
}

static Status wrong(const Function &function, const FunctionValue &value, const std::string &what) {
  return wrong(function, "'" + value.name + "': " + what);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// Returns whether the last axis has stride 1 and the strides of all others are multiples of
/// `alignment` bytes.
static bool hasAlignedRows(const basin_rt_tensor &tensor, uint32_t alignment) {
  for (uint32_t axis = 0; axis < tensor.rank; ++axis) {
    if (tensor.sizes[axis] <= 1)
      continue;
    auto bytes = static_cast<uint64_t>(tensor.strides[axis]) * sizeOf(tensor.type);
    if (axis + 1 == tensor.rank ? tensor.strides[axis] != 1 : bytes % alignment != 0)
      return false;
  }
  return true;
}

/// Checks the tensor of an input, before anything is computed from it.
static Status checkInput(const Function &function, const FunctionValue &value,
                         const basin_rt_tensor &tensor) {
  if (tensor.type != value.type)
    return wrong(function, value, "expected a tensor of the input's type");
  if (tensor.rank > BASIN_RT_MAX_RANK)
    return wrong(function, value,
                 "expected at most " + std::to_string(BASIN_RT_MAX_RANK) + " axes, but got " +
                     std::to_string(tensor.rank));
  int64_t count = 0;
  if (!countElements(tensor, count))
    return wrong(function, value, "expected sizes of a tensor that fits into memory");
  int64_t extent = 0;
  for (uint32_t axis = 0; axis < tensor.rank; ++axis) {
    int64_t last = 0;
    if (tensor.strides[axis] < 0 ||
        __builtin_mul_overflow(tensor.strides[axis], std::max<int64_t>(tensor.sizes[axis], 1) - 1,
                               &last) ||
        __builtin_add_overflow(extent, last, &extent) || extent > kMaxTensorBytes / 8)
      return wrong(function, value, "expected strides that are not negative and stay in memory");
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Plan
//===----------------------------------------------------------------------===//

static Status multiply(const Function &function, const Factors &factors,
                       const std::vector<basin_rt_tensor> &values, int64_t &out) {
  out = 1;
  for (const Factor &factor : factors) {
    int64_t number = factor.number;
    if (factor.kind != Factor::Number) {
      const basin_rt_tensor &tensor = values[factor.value];
      if (factor.number >= tensor.rank)
        return wrong(function, function.values[factor.value],
                     "expected an axis " + std::to_string(factor.number) + ", but its rank is " +
                         std::to_string(tensor.rank));
      int64_t size = tensor.sizes[factor.number];
      number = factor.kind == Factor::Size ? size : size == 1 ? 0 : tensor.strides[factor.number];
    }
    if (__builtin_mul_overflow(out, number, &out))
      return wrong(function, "a product of sizes is too large");
  }
  return {};
}

/// Computes the tensor of a value that a step makes.
static Status measure(const Function &function, const FunctionValue &value,
                      const std::vector<basin_rt_tensor> &values, basin_rt_tensor &out) {
  out = {};
  out.type = value.type;
  out.rank = static_cast<uint32_t>(value.shape.size());
  for (uint32_t axis = 0; axis < out.rank; ++axis)
    if (Status status = multiply(function, value.shape[axis], values, out.sizes[axis]);
        status.failed())
      return status;
  int64_t count = 0;
  if (!countElements(out, count))
    return wrong(function, value, "its sizes are too large");
  makeContiguous(out);
  return {};
}

Status basin::rt::makePlan(const Function &function, Tensors inputs, Plan &plan) {
  if (inputs.size() != function.inputCount)
    return wrong(function, "expected " + std::to_string(function.inputCount) + " inputs, but got " +
                               std::to_string(inputs.size()));
  for (size_t i = 0; i < inputs.size(); ++i)
    if (Status status = checkInput(function, function.values[i], inputs[i]); status.failed())
      return status;
  plan.values.assign(inputs.begin(), inputs.end());
  plan.offsets.assign(function.values.size(), 0);
  // The first part lends its address to tensors without elements, which may have none.
  uint64_t bytes = kPartBytes;
  for (size_t i = inputs.size(); i < function.values.size(); ++i) {
    basin_rt_tensor made;
    if (Status status = measure(function, function.values[i], plan.values, made); status.failed())
      return status;
    plan.values.push_back(made);
    if (std::find(function.outputs.begin(), function.outputs.end(), i) != function.outputs.end())
      continue;
    int64_t count = 0;
    countElements(made, count);
    plan.offsets[i] = bytes;
    uint64_t own = static_cast<uint64_t>(count) * sizeOf(made.type);
    bytes += (own + kPartBytes - 1) / kPartBytes * kPartBytes;
    if (bytes > static_cast<uint64_t>(kMaxTensorBytes))
      return wrong(function, "its workspace is too large");
  }
  plan.workspaceBytes = bytes;
  return {};
}

Status basin::rt::place(const Function &function, Tensors outputs, void *workspace, uint64_t bytes,
                        Plan &plan) {
  if (outputs.size() != function.outputs.size())
    return wrong(function, "expected " + std::to_string(function.outputs.size()) +
                               " outputs, but got " + std::to_string(outputs.size()));
  if (!workspace || reinterpret_cast<uintptr_t>(workspace) % kPartBytes != 0 ||
      bytes < plan.workspaceBytes)
    return wrong(function, "expected a workspace of " + std::to_string(plan.workspaceBytes) +
                               " bytes, aligned to " + std::to_string(kPartBytes));
  for (size_t i = function.inputCount; i < plan.values.size(); ++i)
    plan.values[i].pointer = static_cast<char *>(workspace) + plan.offsets[i];
  for (size_t i = 0; i < outputs.size(); ++i) {
    size_t value = function.outputs[i];
    basin_rt_tensor &planned = plan.values[value];
    const basin_rt_tensor &given = outputs[i];
    bool fits = given.type == planned.type && given.rank == planned.rank &&
                std::equal(given.sizes, given.sizes + given.rank, planned.sizes);
    if (!fits || !isContiguous(given, /*isTransposed=*/false))
      return wrong(function, function.values[value],
                   "expected a contiguous tensor of the type and sizes that the plan says");
    planned.pointer = given.pointer;
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

static Status bindTensor(const Function &function, const Argument &argument,
                         const Step::Binding &binding, const Plan &plan, void *workspace,
                         basin_rt_argument &out) {
  const basin_rt_tensor &tensor = plan.values[binding.value];
  const FunctionValue &said = function.values[binding.value];
  out = basin_rt_pointer(argument.type, isEmpty(tensor) ? workspace : tensor.pointer);
  if (isEmpty(tensor))
    return {};
  if (argument.isStrided && !hasAlignedRows(tensor, argument.alignment))
    return wrong(function, said,
                 "expected rows side by side that begin at multiples of " +
                     std::to_string(argument.alignment) + " bytes");
  if (!argument.isStrided && !isContiguous(tensor, binding.isTransposed))
    return wrong(function, said,
                 binding.isTransposed
                     ? "expected a matrix that is contiguous when its last two axes "
                       "are exchanged"
                     : "expected a contiguous tensor");
  return {};
}

static Status bindScalar(const Function &function, const Argument &argument, const Factors &factors,
                         const Plan &plan, basin_rt_argument &out) {
  int64_t number = 0;
  if (Status status = multiply(function, factors, plan.values, number); status.failed())
    return status;
  if (argument.type == BASIN_RT_I32 && number > INT32_MAX)
    return wrong(function,
                 "'" + argument.name + "': " + std::to_string(number) + " does not fit i32");
  out = argument.type == BASIN_RT_I32   ? basin_rt_i32(static_cast<int32_t>(number))
        : argument.type == BASIN_RT_I64 ? basin_rt_i64(number)
                                        : basin_rt_f32(static_cast<float>(number));
  return {};
}

Status basin::rt::bindStep(const Function &function, const Step &step, const Kernel &kernel,
                           const Plan &plan, void *workspace,
                           std::vector<basin_rt_argument> &arguments) {
  arguments.resize(step.bindings.size());
  for (size_t i = 0; i < step.bindings.size(); ++i) {
    const Step::Binding &binding = step.bindings[i];
    const Argument &argument = kernel.arguments[i];
    Status status = binding.value == SIZE_MAX
                        ? bindScalar(function, argument, binding.factors, plan, arguments[i])
                        : bindTensor(function, argument, binding, plan, workspace, arguments[i]);
    if (status.failed())
      return status;
  }
  return {};
}

Status basin::rt::checkApart(const Function &function, const Plan &plan) {
  struct Place {
    Extent extent;
    size_t value;
  };
  std::vector<Place> places, open;
  for (size_t i = 0; i < plan.values.size(); ++i)
    if (!isEmpty(plan.values[i]))
      places.push_back({extentOf(plan.values[i]), i});
  std::sort(places.begin(), places.end(), [](const Place &a, const Place &b) {
    return std::pair(a.extent.begin, a.value) < std::pair(b.extent.begin, b.value);
  });
  for (const Place &place : places) {
    std::erase_if(open, [&](const Place &o) { return o.extent.end <= place.extent.begin; });
    for (const Place &other : open) {
      // Inputs come first, so if one of the two is written, the later one is.
      auto [first, last] = std::minmax(place.value, other.value);
      if (last >= function.inputCount && overlap(plan.values[first], plan.values[last]))
        return wrong(function, function.values[last],
                     "is written, but shares memory with '" + function.values[first].name + "'");
    }
    open.push_back(place);
  }
  return {};
}
