//===- Runtime.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C API of libbasin_rt for C++: owners, and exceptions instead of statuses.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_RUNTIME_RUNTIME_H
#define BASIN_RUNTIME_RUNTIME_H

#include "basin/Runtime/basin_rt.h"

#include <array>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace basin::rt {

class Error : public std::runtime_error {
public:
  Error(basin_rt_status status, const char *text) : std::runtime_error(text), status(status) {}
  const basin_rt_status status;
};

inline void check(basin_rt_status status) {
  if (status != BASIN_RT_OK)
    throw Error(status, basin_rt_last_error());
}

inline basin_rt_argument pointer(basin_rt_type type, const void *pointer) {
  return basin_rt_pointer(type, pointer);
}
inline basin_rt_argument scalar(int32_t value) { return basin_rt_i32(value); }
inline basin_rt_argument scalar(int64_t value) { return basin_rt_i64(value); }
inline basin_rt_argument scalar(float value) { return basin_rt_f32(value); }

/// A kernel of an object. It is valid as long as the object lives.
class Kernel {
public:
  explicit Kernel(const basin_rt_kernel *handle) : handle(handle) {}

  basin_rt_kernel_info describe() const {
    basin_rt_kernel_info out;
    check(basin_rt_kernel_describe(handle, &out));
    return out;
  }
  basin_rt_part_info part(size_t index) const {
    basin_rt_part_info out;
    check(basin_rt_kernel_part(handle, index, &out));
    return out;
  }
  basin_rt_argument_info argument(size_t index) const {
    basin_rt_argument_info out;
    check(basin_rt_kernel_argument(handle, index, &out));
    return out;
  }
  std::array<uint32_t, 3> grid(std::span<const basin_rt_argument> arguments) const {
    std::array<uint32_t, 3> out;
    check(basin_rt_kernel_grid(handle, arguments.data(), arguments.size(), out.data()));
    return out;
  }
  void load(int32_t device) const { check(basin_rt_kernel_load(handle, device)); }
  void launch(int32_t device, const void *stream,
              std::span<const basin_rt_argument> arguments) const {
    check(basin_rt_launch(handle, device, const_cast<void *>(stream), arguments.data(),
                          arguments.size()));
  }
  const basin_rt_kernel *get() const { return handle; }

private:
  const basin_rt_kernel *handle;
};

/// A function of an object: several launches. It is valid as long as the object lives.
class Function {
public:
  explicit Function(const basin_rt_function *handle) : handle(handle) {}

  basin_rt_function_info describe() const {
    basin_rt_function_info out;
    check(basin_rt_function_describe(handle, &out));
    return out;
  }
  basin_rt_value_info input(size_t index) const {
    basin_rt_value_info out;
    check(basin_rt_function_input(handle, index, &out));
    return out;
  }
  basin_rt_value_info output(size_t index) const {
    basin_rt_value_info out;
    check(basin_rt_function_output(handle, index, &out));
    return out;
  }
  /// Returns the outputs, without pointers, and the number of bytes of the workspace.
  std::pair<std::vector<basin_rt_tensor>, uint64_t>
  plan(std::span<const basin_rt_tensor> inputs) const {
    std::pair<std::vector<basin_rt_tensor>, uint64_t> out;
    out.first.resize(describe().output_count);
    check(basin_rt_function_plan(handle, inputs.data(), inputs.size(), out.first.data(),
                                 out.first.size(), &out.second));
    return out;
  }
  void load(int32_t device) const { check(basin_rt_function_load(handle, device)); }
  void launch(int32_t device, const void *stream, std::span<const basin_rt_tensor> inputs,
              std::span<const basin_rt_tensor> outputs, void *workspace, uint64_t bytes) const {
    check(basin_rt_function_launch(handle, device, const_cast<void *>(stream), inputs.data(),
                                   inputs.size(), outputs.data(), outputs.size(), workspace,
                                   bytes));
  }
  const basin_rt_function *get() const { return handle; }

private:
  const basin_rt_function *handle;
};

/// A whole model. It is valid as long as the object lives.
class Plan {
public:
  explicit Plan(const basin_rt_plan *handle) : handle(handle) {}

  basin_rt_plan_info describe() const {
    basin_rt_plan_info out;
    check(basin_rt_plan_describe(handle, &out));
    return out;
  }
  basin_rt_plan_value_info input(size_t index) const {
    basin_rt_plan_value_info out;
    check(basin_rt_plan_input(handle, index, &out));
    return out;
  }
  basin_rt_plan_value_info output(size_t index) const {
    basin_rt_plan_value_info out;
    check(basin_rt_plan_output(handle, index, &out));
    return out;
  }
  /// Returns the outputs, without pointers.
  std::vector<basin_rt_tensor> shapes(std::span<const basin_rt_tensor> inputs) const {
    std::vector<basin_rt_tensor> out(describe().output_count);
    check(basin_rt_plan_shapes(handle, inputs.data(), inputs.size(), out.data(), out.size()));
    return out;
  }
  /// Returns the number of bytes of the workspace.
  uint64_t workspace(std::span<const basin_rt_tensor> inputs) const {
    uint64_t out = 0;
    check(basin_rt_plan_workspace(handle, inputs.data(), inputs.size(), &out));
    return out;
  }
  void load(int32_t device) const { check(basin_rt_plan_load(handle, device)); }
  void run(int32_t device, const void *stream, std::span<const basin_rt_tensor> inputs,
           std::span<const basin_rt_tensor> outputs, void *workspace, uint64_t bytes) const {
    check(basin_rt_plan_run(handle, device, const_cast<void *>(stream), inputs.data(),
                            inputs.size(), outputs.data(), outputs.size(), workspace, bytes));
  }
  const basin_rt_plan *get() const { return handle; }

private:
  const basin_rt_plan *handle;
};

class Object {
public:
  static Object fromFile(const std::string &path) {
    basin_rt_object *out = nullptr;
    check(basin_rt_object_open(path.c_str(), &out));
    return Object(out);
  }
  static Object fromMemory(const void *data, size_t size) {
    basin_rt_object *out = nullptr;
    check(basin_rt_object_create(data, size, &out));
    return Object(out);
  }

  std::vector<Kernel> kernels() const {
    std::vector<Kernel> out;
    for (size_t i = 0, e = basin_rt_object_kernel_count(handle.get()); i < e; ++i) {
      const basin_rt_kernel *kernel = nullptr;
      check(basin_rt_object_kernel(handle.get(), i, &kernel));
      out.emplace_back(kernel);
    }
    return out;
  }
  Kernel find(const std::string &name) const {
    const basin_rt_kernel *out = nullptr;
    check(basin_rt_object_find_kernel(handle.get(), name.c_str(), &out));
    return Kernel(out);
  }
  Function findFunction(const std::string &name) const {
    const basin_rt_function *out = nullptr;
    check(basin_rt_object_find_function(handle.get(), name.c_str(), &out));
    return Function(out);
  }
  Plan plan() const {
    const basin_rt_plan *out = nullptr;
    check(basin_rt_object_plan(handle.get(), &out));
    return Plan(out);
  }
  basin_rt_object *get() const { return handle.get(); }

private:
  struct Free {
    void operator()(basin_rt_object *object) const { basin_rt_object_free(object); }
  };
  explicit Object(basin_rt_object *object) : handle(object) {}
  std::unique_ptr<basin_rt_object, Free> handle;
};

inline void useDriver(const std::string &path) { check(basin_rt_use_driver(path.c_str())); }

inline int32_t deviceCount() {
  int32_t out = 0;
  check(basin_rt_device_count(&out));
  return out;
}

inline std::pair<int32_t, int32_t> deviceCapability(int32_t device) {
  std::pair<int32_t, int32_t> out;
  check(basin_rt_device_capability(device, &out.first, &out.second));
  return out;
}

inline void useCublasLt(const std::string &path) { check(basin_rt_use_cublaslt(path.c_str())); }

/// Null gives cuBLASLt back.
inline void useProducts(const basin_rt_product_provider *provider) {
  check(basin_rt_use_products(provider));
}

inline void checkProduct(const basin_rt_product &product) {
  check(basin_rt_product_check(&product));
}

inline void loadProducts(int32_t device) { check(basin_rt_product_load(device)); }

inline uint64_t productWorkspace(int32_t device) {
  uint64_t out = 0;
  check(basin_rt_product_workspace(device, &out));
  return out;
}

inline void runProduct(const basin_rt_product &product, int32_t device, const void *stream,
                       void *workspace, uint64_t bytes) {
  check(basin_rt_product_run(&product, device, const_cast<void *>(stream), workspace, bytes));
}

} // namespace basin::rt

#endif // BASIN_RUNTIME_RUNTIME_H
