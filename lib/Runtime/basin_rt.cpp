//===- basin_rt.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C API. It checks what callers pass, keeps the text of the last error, and lets no
// exception out.
//
//===----------------------------------------------------------------------===//

#include "API.h"

#include "CublasLt.h"
#include "Function.h"
#include "ProductCheck.h"
#include "Products.h"

#include <algorithm>
#include <cstdio>

using namespace basin::rt;

// This is a buffer and not a string, because an error must be written without allocating.
static thread_local char lastError[8192] = "";

basin_rt_status basin::rt::report(basin_rt_status code, const char *text) {
  std::snprintf(lastError, sizeof(lastError), "%s", text);
  return code;
}

Status basin::rt::nullArgument(const char *name) {
  return {BASIN_RT_INVALID_ARGUMENT, std::string(name) + " is null"};
}

Status basin::rt::outOfRange(const char *what, size_t index, size_t count) {
  return {BASIN_RT_INVALID_ARGUMENT, std::string("no ") + what + " " + std::to_string(index) +
                                         ": there are " + std::to_string(count)};
}

int32_t basin_rt_abi_version(void) { return BASIN_RT_ABI_VERSION; }

const char *basin_rt_last_error(void) { return lastError; }

const char *basin_rt_status_name(basin_rt_status status) {
  static constexpr const char *kNames[] = {"ok",
                                           "invalid argument",
                                           "i/o error",
                                           "invalid object",
                                           "not found",
                                           "no driver",
                                           "unsupported device",
                                           "driver error",
                                           "out of memory",
                                           "internal error",
                                           "no product library",
                                           "product library error"};
  auto index = static_cast<unsigned>(status);
  return index < std::size(kNames) ? kNames[index] : "unknown status";
}

//===----------------------------------------------------------------------===//
// Objects
//===----------------------------------------------------------------------===//

template <typename Read> static Status make(basin_rt_object **out, Read read) {
  auto made = std::make_unique<basin_rt_object>();
  if (Status status = read(made->object); status.failed())
    return status;
  for (const Kernel &kernel : made->object.getKernels()) {
    made->byName.emplace(kernel.name, made->kernels.size());
    made->kernels.push_back({made.get(), &kernel});
  }
  for (const Function &function : made->object.getFunctions())
    made->functions.push_back({made.get(), &function});
  made->plan.object = made.get();
  made->plan.plan = made->object.getPlan();
  *out = made.release();
  return {};
}

basin_rt_status basin_rt_object_open(const char *path, basin_rt_object **object) {
  return guard([&]() -> Status {
    if (!path || !object)
      return nullArgument(path ? "object" : "path");
    return make(object, [&](KernelObject &out) { return KernelObject::readFile(path, out); });
  });
}

basin_rt_status basin_rt_object_create(const void *data, size_t size, basin_rt_object **object) {
  return guard([&]() -> Status {
    if ((!data && size != 0) || !object)
      return nullArgument(object ? "data" : "object");
    return make(object, [&](KernelObject &out) {
      // Refused before it is copied.
      if (size > kMaxFileBytes)
        return Status(BASIN_RT_INVALID_OBJECT,
                      "kernel object: " + std::to_string(size) + " bytes are too many");
      const char *bytes = static_cast<const char *>(data);
      return KernelObject::parse(size ? std::string(bytes, size) : std::string(), out);
    });
  });
}

void basin_rt_object_free(basin_rt_object *object) { delete object; }

size_t basin_rt_object_section_count(const basin_rt_object *object) {
  return object ? object->object.getSections().size() : 0;
}

basin_rt_status basin_rt_object_section(const basin_rt_object *object, size_t index,
                                        basin_rt_section_info *info) {
  return guard([&]() -> Status {
    if (!object || !info)
      return nullArgument(object ? "info" : "object");
    const auto &sections = object->object.getSections();
    if (index >= sections.size())
      return outOfRange("section", index, sections.size());
    const Section &section = sections[index];
    *info = {section.kind, section.chipName.c_str(), section.offset, section.size};
    return {};
  });
}

basin_rt_status basin_rt_object_choose_section(const basin_rt_object *object, int32_t major,
                                               int32_t minor, size_t *index) {
  return guard([&]() -> Status {
    if (!object || !index)
      return nullArgument(object ? "index" : "object");
    return object->object.chooseSection(major, minor, *index);
  });
}

size_t basin_rt_object_kernel_count(const basin_rt_object *object) {
  return object ? object->kernels.size() : 0;
}

basin_rt_status basin_rt_object_kernel(const basin_rt_object *object, size_t index,
                                       const basin_rt_kernel **kernel) {
  return guard([&]() -> Status {
    if (!object || !kernel)
      return nullArgument(object ? "kernel" : "object");
    if (index >= object->kernels.size())
      return outOfRange("kernel", index, object->kernels.size());
    *kernel = &object->kernels[index];
    return {};
  });
}

basin_rt_status basin_rt_object_find_kernel(const basin_rt_object *object, const char *name,
                                            const basin_rt_kernel **kernel) {
  return guard([&]() -> Status {
    if (!object || !name || !kernel)
      return nullArgument(!object ? "object" : !name ? "name" : "kernel");
    auto found = object->byName.find(name);
    if (found == object->byName.end())
      return {BASIN_RT_NOT_FOUND, "the object has no kernel '" + std::string(name) + "'"};
    *kernel = &object->kernels[found->second];
    return {};
  });
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

basin_rt_status basin_rt_kernel_describe(const basin_rt_kernel *kernel,
                                         basin_rt_kernel_info *info) {
  return guard([&]() -> Status {
    if (!kernel || !info)
      return nullArgument(kernel ? "info" : "kernel");
    const Kernel &k = *kernel->kernel;
    *info = {k.name.c_str(), {k.block[0], k.block[1], k.block[2]},
             k.sharedBytes,  k.arguments.size(),
             k.isResident,   k.family.c_str(),
             k.spec.size()};
    return {};
  });
}

basin_rt_status basin_rt_kernel_argument(const basin_rt_kernel *kernel, size_t index,
                                         basin_rt_argument_info *info) {
  return guard([&]() -> Status {
    if (!kernel || !info)
      return nullArgument(kernel ? "info" : "kernel");
    const auto &arguments = kernel->kernel->arguments;
    if (index >= arguments.size())
      return outOfRange("argument", index, arguments.size());
    const Argument &argument = arguments[index];
    *info = {argument.name.c_str(), argument.kind, argument.type, argument.alignment,
             argument.isStrided};
    return {};
  });
}

basin_rt_status basin_rt_kernel_part(const basin_rt_kernel *kernel, size_t index,
                                     basin_rt_part_info *info) {
  return guard([&]() -> Status {
    if (!kernel || !info)
      return nullArgument(kernel ? "info" : "kernel");
    const auto &spec = kernel->kernel->spec;
    if (index >= spec.size())
      return outOfRange("part", index, spec.size());
    const SpecPart &part = spec[index];
    *info = {part.name.c_str(), part.kind, part.number, part.text.c_str()};
    return {};
  });
}

size_t basin_rt_kernel_factor_count(const basin_rt_kernel *kernel, uint32_t axis) {
  return kernel && axis < 3 ? kernel->kernel->grid[axis].size() : 0;
}

basin_rt_status basin_rt_kernel_factor(const basin_rt_kernel *kernel, uint32_t axis, size_t index,
                                       basin_rt_grid_factor *factor) {
  return guard([&]() -> Status {
    if (!kernel || !factor)
      return nullArgument(kernel ? "factor" : "kernel");
    size_t count = basin_rt_kernel_factor_count(kernel, axis);
    if (index >= count)
      return outOfRange("factor", index, count);
    *factor = kernel->kernel->grid[axis][index];
    return {};
  });
}

basin_rt_status basin_rt_kernel_grid(const basin_rt_kernel *kernel,
                                     const basin_rt_argument *arguments, size_t count,
                                     uint32_t grid[3]) {
  return guard([&]() -> Status {
    if (!kernel || (!arguments && count != 0) || !grid)
      return nullArgument(!kernel ? "kernel" : !grid ? "grid" : "arguments");
    std::array<uint32_t, 3> made = {};
    Status status = checkArguments(*kernel->kernel, {arguments, count});
    if (!status.failed())
      status = computeGrid(*kernel->kernel, {arguments, count}, made);
    if (!status.failed())
      std::copy(made.begin(), made.end(), grid);
    return status;
  });
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

basin_rt_status basin_rt_use_driver(const char *path) {
  return guard([&] { return path ? cuda::useDriver(path) : nullArgument("path"); });
}

basin_rt_status basin_rt_device_count(int32_t *count) {
  return guard([&]() -> Status {
    if (!count)
      return nullArgument("count");
    const cuda::Driver *driver = nullptr;
    Status status = cuda::getDriver(driver);
    return status.failed() ? status
                           : driver->check(driver->deviceGetCount(count), "cuDeviceGetCount");
  });
}

basin_rt_status basin_rt_device_capability(int32_t device, int32_t *major, int32_t *minor) {
  return guard([&]() -> Status {
    if (!major || !minor)
      return nullArgument(major ? "minor" : "major");
    const cuda::Driver *driver = nullptr;
    cuda::Device resolved = 0;
    Status status = cuda::getDriver(driver);
    if (!status.failed())
      status = resolveDevice(*driver, device, resolved);
    return status.failed() ? status : getCapability(*driver, resolved, *major, *minor);
  });
}

basin_rt_status basin_rt_pointer_device(const void *pointer, int32_t *device) {
  return guard([&]() -> Status {
    if (!device)
      return nullArgument("device");
    const cuda::Driver *driver = nullptr;
    Status status = cuda::getDriver(driver);
    if (status.failed())
      return status;
    auto address = static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(pointer));
    return driver->check(driver->pointerGetAttribute(device, cuda::kDeviceOrdinal, address),
                         "cuPointerGetAttribute");
  });
}

basin_rt_status basin_rt_kernel_load(const basin_rt_kernel *kernel, int32_t device) {
  return guard([&]() -> Status {
    if (!kernel)
      return nullArgument("kernel");
    return kernel->object->loader.load(*kernel->kernel, device);
  });
}

basin_rt_status basin_rt_launch(const basin_rt_kernel *kernel, int32_t device, void *stream,
                                const basin_rt_argument *arguments, size_t count) {
  return guard([&]() -> Status {
    if (!kernel || (!arguments && count != 0))
      return nullArgument(kernel ? "arguments" : "kernel");
    std::array<uint32_t, 3> grid = {};
    Status status = checkLaunch(*kernel->kernel, {arguments, count}, grid);
    if (status.failed() || grid[0] == 0)
      return status;
    return kernel->object->loader.launch(*kernel->kernel, device, static_cast<cuda::Stream>(stream),
                                         {arguments, count}, grid);
  });
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

size_t basin_rt_object_function_count(const basin_rt_object *object) {
  return object ? object->functions.size() : 0;
}

basin_rt_status basin_rt_object_function(const basin_rt_object *object, size_t index,
                                         const basin_rt_function **function) {
  return guard([&]() -> Status {
    if (!object || !function)
      return nullArgument(object ? "function" : "object");
    if (index >= object->functions.size())
      return outOfRange("function", index, object->functions.size());
    *function = &object->functions[index];
    return {};
  });
}

basin_rt_status basin_rt_object_find_function(const basin_rt_object *object, const char *name,
                                              const basin_rt_function **function) {
  return guard([&]() -> Status {
    if (!object || !name || !function)
      return nullArgument(!object ? "object" : !name ? "name" : "function");
    for (const basin_rt_function &one : object->functions)
      if (one.function->name == name) {
        *function = &one;
        return {};
      }
    return {BASIN_RT_NOT_FOUND, "the object has no function '" + std::string(name) + "'"};
  });
}

basin_rt_status basin_rt_function_describe(const basin_rt_function *function,
                                           basin_rt_function_info *info) {
  return guard([&]() -> Status {
    if (!function || !info)
      return nullArgument(function ? "info" : "function");
    const Function &f = *function->function;
    *info = {f.name.c_str(), f.inputCount, f.outputs.size(), f.steps.size()};
    return {};
  });
}

static void describe(const FunctionValue &value, basin_rt_value_info &info) {
  info = {value.name.c_str(), value.type, value.isTransposed};
}

basin_rt_status basin_rt_function_input(const basin_rt_function *function, size_t index,
                                        basin_rt_value_info *info) {
  return guard([&]() -> Status {
    if (!function || !info)
      return nullArgument(function ? "info" : "function");
    const Function &f = *function->function;
    if (index >= f.inputCount)
      return outOfRange("input", index, f.inputCount);
    describe(f.values[index], *info);
    return {};
  });
}

basin_rt_status basin_rt_function_output(const basin_rt_function *function, size_t index,
                                         basin_rt_value_info *info) {
  return guard([&]() -> Status {
    if (!function || !info)
      return nullArgument(function ? "info" : "function");
    const Function &f = *function->function;
    if (index >= f.outputs.size())
      return outOfRange("output", index, f.outputs.size());
    describe(f.values[f.outputs[index]], *info);
    return {};
  });
}

basin_rt_status basin_rt_function_plan(const basin_rt_function *function,
                                       const basin_rt_tensor *inputs, size_t input_count,
                                       basin_rt_tensor *outputs, size_t output_count,
                                       uint64_t *workspace_bytes) {
  return guard([&]() -> Status {
    if (!function || (!inputs && input_count != 0) || (!outputs && output_count != 0) ||
        !workspace_bytes)
      return nullArgument(!function          ? "function"
                          : !workspace_bytes ? "workspace_bytes"
                                             : "tensors");
    const Function &f = *function->function;
    if (output_count != f.outputs.size())
      return {BASIN_RT_INVALID_ARGUMENT, f.name + ": expected " + std::to_string(f.outputs.size()) +
                                             " outputs, but got " + std::to_string(output_count)};
    Plan plan;
    if (Status status = makePlan(f, {inputs, input_count}, plan); status.failed())
      return status;
    for (size_t i = 0; i < output_count; ++i) {
      const void *pointer = outputs[i].pointer;
      outputs[i] = plan.values[f.outputs[i]];
      outputs[i].pointer = pointer;
    }
    *workspace_bytes = plan.workspaceBytes;
    return {};
  });
}

basin_rt_status basin_rt_function_load(const basin_rt_function *function, int32_t device) {
  return guard([&]() -> Status {
    if (!function)
      return nullArgument("function");
    for (const Step &step : function->function->steps) {
      const Kernel &kernel = function->object->object.getKernels()[step.kernel];
      if (Status status = function->object->loader.load(kernel, device); status.failed())
        return status;
    }
    return {};
  });
}

namespace {
/// A step that was checked and has blocks to launch.
struct Ready {
  const Kernel *kernel;
  std::vector<basin_rt_argument> arguments;
  std::array<uint32_t, 3> grid;
};
} // namespace

static Status prepareSteps(const basin_rt_function &function, const Plan &plan, void *workspace,
                           std::vector<Ready> &out) {
  for (const Step &step : function.function->steps) {
    Ready ready{&function.object->object.getKernels()[step.kernel], {}, {}};
    Status status =
        bindStep(*function.function, step, *ready.kernel, plan, workspace, ready.arguments);
    if (!status.failed())
      status = checkLaunch(*ready.kernel, ready.arguments, ready.grid);
    if (status.failed())
      return status;
    if (ready.grid[0] != 0)
      out.push_back(std::move(ready));
  }
  return checkApart(*function.function, plan);
}

basin_rt_status basin_rt_function_launch(const basin_rt_function *function, int32_t device,
                                         void *stream, const basin_rt_tensor *inputs,
                                         size_t input_count, const basin_rt_tensor *outputs,
                                         size_t output_count, void *workspace,
                                         uint64_t workspace_bytes) {
  return guard([&]() -> Status {
    if (!function || (!inputs && input_count != 0) || (!outputs && output_count != 0))
      return nullArgument(!function ? "function" : "tensors");
    Plan plan;
    Status status = makePlan(*function->function, {inputs, input_count}, plan);
    if (!status.failed())
      status =
          place(*function->function, {outputs, output_count}, workspace, workspace_bytes, plan);
    std::vector<Ready> steps;
    if (!status.failed())
      status = prepareSteps(*function, plan, workspace, steps);
    for (size_t i = 0; i < steps.size() && !status.failed(); ++i)
      status = function->object->loader.launch(*steps[i].kernel, device,
                                               static_cast<cuda::Stream>(stream),
                                               steps[i].arguments, steps[i].grid);
    return status;
  });
}

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

basin_rt_status basin_rt_use_cublaslt(const char *path) {
  return guard([&] { return path ? lt::useLibrary(path) : nullArgument("path"); });
}

basin_rt_status basin_rt_use_products(const basin_rt_product_provider *provider) {
  return guard([&] { return useProducts(provider); });
}

basin_rt_status basin_rt_product_check(const basin_rt_product *product) {
  return guard([&] { return product ? checkProduct(*product) : nullArgument("product"); });
}

basin_rt_status basin_rt_product_load(int32_t device) {
  return guard([&] { return loadProducts(device); });
}

basin_rt_status basin_rt_product_workspace(int32_t device, uint64_t *bytes) {
  return guard([&] { return bytes ? getProductWorkspace(device, *bytes) : nullArgument("bytes"); });
}

basin_rt_status basin_rt_product_run(const basin_rt_product *product, int32_t device, void *stream,
                                     void *workspace, uint64_t workspace_bytes) {
  return guard([&] {
    return product ? runProduct(*product, device, static_cast<cuda::Stream>(stream), workspace,
                                workspace_bytes)
                   : nullArgument("product");
  });
}
