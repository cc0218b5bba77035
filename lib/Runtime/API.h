//===- API.h ----------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the files of the C API share: the owner of an object, and how a call reports its end.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_API_H
#define BASIN_LIB_RUNTIME_API_H

#include "KernelObject.h"
#include "Loader.h"
#include "PlanLayout.h"

#include <new>
#include <unordered_map>

struct basin_rt_kernel {
  basin_rt_object *object;
  const basin::rt::Kernel *kernel;
};

struct basin_rt_function {
  basin_rt_object *object;
  const basin::rt::Function *function;
};

struct basin_rt_plan {
  basin_rt_object *object = nullptr;
  const basin::rt::ModelPlan *plan = nullptr; // null if the object has none
  mutable basin::rt::PlanLayouts layouts;
};

struct basin_rt_object {
  basin::rt::KernelObject object;
  std::vector<basin_rt_kernel> kernels;
  std::vector<basin_rt_function> functions;
  std::unordered_map<std::string_view, size_t> byName;
  basin_rt_plan plan;
  basin::rt::Loader loader{object};
};

namespace basin::rt {

/// Keeps the text as the thread's last error, and returns the code.
basin_rt_status report(basin_rt_status code, const char *text);

Status nullArgument(const char *name);
Status outOfRange(const char *what, size_t index, size_t count);

/// Runs `body`, which returns a Status, and reports how it ended.
template <typename Body> basin_rt_status guard(Body body) {
  try {
    Status status = body();
    return status.failed() ? report(status.code(), status.message().c_str()) : BASIN_RT_OK;
  } catch (const std::bad_alloc &) {
    return report(BASIN_RT_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception &error) {
    return report(BASIN_RT_INTERNAL_ERROR, error.what());
  }
}

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_API_H
