//===- Driver.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Looks up the driver's functions. A symbol that changed once has the suffix of the version
// that this code was written for.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

#include <dlfcn.h>
#include <mutex>

using namespace basin::rt;
using namespace basin::rt::cuda;

static constexpr const char *kDefaultPath = "libcuda.so.1";

namespace {
/// The state lives until the process ends, because handles of the driver may outlive any owner.
struct State {
  std::mutex mutex;
  std::string path = kDefaultPath;
  bool ready = false;
  Driver driver = {};
};
} // namespace

static State &getState() {
  static State *state = new State();
  return *state;
}

Status Driver::check(Result result, const char *call) const {
  if (result == kSuccess)
    return {};
  const char *name = nullptr, *text = nullptr;
  if (getErrorName(result, &name) != kSuccess || !name)
    name = "unknown error";
  if (getErrorString(result, &text) != kSuccess || !text)
    text = "no description";
  return {BASIN_RT_DRIVER_ERROR,
          std::string(call) + ": " + name + " (" + std::to_string(result) + "): " + text};
}

template <typename T>
static bool lookUp(void *library, T &function, const char *name, const char *&missing) {
  function = reinterpret_cast<T>(::dlsym(library, name));
  if (!function)
    missing = name;
  return function != nullptr;
}

/// Returns the name of a missing function, or null if all are there.
static const char *lookUpAll(void *library, Driver &driver) {
  const char *missing = nullptr;
  auto get = [&](auto &function, const char *name) {
    return lookUp(library, function, name, missing);
  };
  (void)(get(driver.init, "cuInit") && get(driver.getErrorName, "cuGetErrorName") &&
         get(driver.getErrorString, "cuGetErrorString") &&
         get(driver.deviceGetCount, "cuDeviceGetCount") && get(driver.deviceGet, "cuDeviceGet") &&
         get(driver.deviceGetAttribute, "cuDeviceGetAttribute") &&
         get(driver.primaryContextRetain, "cuDevicePrimaryCtxRetain") &&
         get(driver.primaryContextRelease, "cuDevicePrimaryCtxRelease_v2") &&
         get(driver.contextGetCurrent, "cuCtxGetCurrent") &&
         get(driver.contextGetDevice, "cuCtxGetDevice") &&
         get(driver.contextPush, "cuCtxPushCurrent_v2") &&
         get(driver.contextPop, "cuCtxPopCurrent_v2") &&
         get(driver.contextSynchronize, "cuCtxSynchronize") &&
         get(driver.moduleLoad, "cuModuleLoadDataEx") &&
         get(driver.moduleUnload, "cuModuleUnload") &&
         get(driver.moduleGetFunction, "cuModuleGetFunction") &&
         get(driver.functionSetAttribute, "cuFuncSetAttribute") &&
         get(driver.blocksAtOnce, "cuOccupancyMaxActiveBlocksPerMultiprocessor") &&
         get(driver.launchKernel, "cuLaunchKernel") &&
         get(driver.memoryAllocate, "cuMemAlloc_v2") && get(driver.memoryFree, "cuMemFree_v2") &&
         get(driver.copyToDevice, "cuMemcpyHtoD_v2") &&
         get(driver.pointerGetAttribute, "cuPointerGetAttribute") &&
         get(driver.memset2D, "cuMemsetD2D8Async"));
  return missing;
}

static Status load(State &state) {
  void *library = ::dlopen(state.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = ::dlerror();
    return {BASIN_RT_NO_DRIVER,
            "no CUDA driver (" + state.path + "): " + (why ? why : "unknown error")};
  }
  if (const char *missing = lookUpAll(library, state.driver)) {
    ::dlclose(library);
    return {BASIN_RT_NO_DRIVER,
            "no CUDA driver (" + state.path + "): it has no function " + missing};
  }
  Status status = state.driver.check(state.driver.init(0), "cuInit");
  if (status.failed()) {
    ::dlclose(library);
    return status;
  }
  state.ready = true;
  return {};
}

Status cuda::getDriver(const Driver *&driver) {
  State &state = getState();
  std::lock_guard<std::mutex> lock(state.mutex);
  if (!state.ready)
    if (Status status = load(state); status.failed())
      return status;
  driver = &state.driver;
  return {};
}

Status cuda::useDriver(const char *path) {
  State &state = getState();
  std::lock_guard<std::mutex> lock(state.mutex);
  if (state.ready && state.path != path)
    return {BASIN_RT_INVALID_ARGUMENT, "the driver " + state.path + " is already in use"};
  state.path = path;
  return {};
}

Status CurrentContext::enter(Context context) {
  Context current = nullptr;
  if (driver.contextGetCurrent(&current) == kSuccess && current == context)
    return {};
  Status status = driver.check(driver.contextPush(context), "cuCtxPushCurrent");
  pushed = !status.failed();
  return status;
}

CurrentContext::~CurrentContext() {
  Context popped = nullptr;
  if (pushed)
    (void)driver.contextPop(&popped);
}
