//===- FakeDriver.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A libcuda.so.1 for tests on machines without a GPU. It has two devices, contexts for each thread
// as in the real driver, modules that remember their image, and a log of calls. It runs no kernel,
// but allocates, copies and sets memory.
//
//===----------------------------------------------------------------------===//

#include "FakeDriver.h"

#include "../../lib/Runtime/Driver.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {
constexpr int kDevices = 2;

struct State {
  std::mutex mutex;
  std::ostringstream log;
  std::string text;
  int capability[kDevices][2] = {{9, 0}, {8, 6}};
  std::vector<int> sizes;
  std::map<std::string, int> failures;
  bool logs = true;
  int loadTime = 20;
  int pointerDevice = 0;
};
State &state() {
  static State *made = new State();
  return *made;
}

} // namespace

// The types that the runtime's handles point to.
namespace basin::rt::cuda {
struct ContextTag {};
struct ModuleTag {
  std::string image;
};
struct FunctionTag {
  std::string name;
};
} // namespace basin::rt::cuda

using basin::rt::cuda::Context;
using basin::rt::cuda::Function;
using basin::rt::cuda::FunctionTag;
using basin::rt::cuda::Module;
using basin::rt::cuda::ModuleTag;
using basin::rt::cuda::Stream;

/// The index of a context is its device.
static basin::rt::cuda::ContextTag contexts[kDevices];
static thread_local std::vector<Context> stack;

/// Logs a call, and returns the status that a test has set.
template <typename... Parts> static int called(const char *function, const Parts &...parts) {
  State &s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  if (!s.logs)
    return 0;
  s.log << function;
  ((s.log << ' ' << parts), ...);
  s.log << '\n';
  auto failure = s.failures.find(function);
  if (failure == s.failures.end())
    return 0;
  int result = failure->second;
  s.failures.erase(failure);
  return result;
}

extern "C" {

void fake_reset(void) {
  State &s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  s.log.str("");
  s.failures.clear();
  s.sizes.clear();
  s.logs = true;
  s.loadTime = 20;
  s.pointerDevice = 0;
  s.capability[0][0] = 9, s.capability[0][1] = 0;
  s.capability[1][0] = 8, s.capability[1][1] = 6;
  stack.clear();
}

void fake_set_capability(int device, int major, int minor) {
  state().capability[device][0] = major;
  state().capability[device][1] = minor;
}

void fake_set_parameter_sizes(const int *sizes, int count) {
  state().sizes.assign(sizes, sizes + count);
}

void fake_set_load_time(int milliseconds) { state().loadTime = milliseconds; }

void fake_set_logging(int on) { state().logs = on != 0; }

void fake_fail(const char *function, int result) { state().failures[function] = result; }

void fake_set_current_device(int device) {
  stack.clear();
  if (device >= 0)
    stack.push_back(&contexts[device]);
}

void fake_set_pointer_device(int device) { state().pointerDevice = device; }

const char *fake_log(void) {
  std::lock_guard<std::mutex> lock(state().mutex);
  state().text = state().log.str();
  return state().text.c_str();
}

int cuInit(unsigned flags) { return called("cuInit", flags); }

int cuGetErrorName(int result, const char **name) {
  *name = result == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_INVALID_PTX";
  return result == 2 || result == 218 ? 0 : 1;
}

int cuGetErrorString(int result, const char **text) {
  *text = result == 2 ? "out of memory" : "a PTX JIT compilation failed";
  return result == 2 || result == 218 ? 0 : 1;
}

int cuDeviceGetCount(int *count) {
  *count = kDevices;
  return 0;
}

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal < kDevices ? 0 : 101;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  if (attribute == 75 || attribute == 76)
    *value = state().capability[device][attribute - 75];
  else if (attribute == 16)
    *value = 3;
  else if (attribute == 97)
    *value = device == 0 ? 232448 : 49152;
  else
    return 1;
  return 0;
}

int cuDevicePrimaryCtxRetain(Context *context, int device) {
  *context = &contexts[device];
  return called("retain", device);
}

int cuDevicePrimaryCtxRelease_v2(int device) { return called("release", device); }

int cuCtxGetCurrent(Context *context) {
  *context = stack.empty() ? nullptr : stack.back();
  return 0;
}

int cuCtxGetDevice(int *device) {
  if (stack.empty())
    return 201;
  *device = static_cast<int>(stack.back() - contexts);
  return 0;
}

int cuCtxPushCurrent_v2(Context context) {
  stack.push_back(context);
  return 0;
}

int cuCtxPopCurrent_v2(Context *context) {
  if (stack.empty())
    return 201;
  *context = stack.back();
  stack.pop_back();
  return 0;
}

int cuCtxSynchronize() { return called("synchronize"); }

/// The image is the text after an ELF header, or the whole text.
int cuModuleLoadDataEx(Module *module, const void *image, unsigned count, int *options,
                       void **values) {
  auto text = static_cast<const char *>(image);
  std::string tag = std::memcmp(text,
                                "\x7f"
                                "ELF",
                                4) == 0
                        ? "cubin " + std::string(text + 64)
                        : std::string(text);
  int device = -1;
  (void)cuCtxGetDevice(&device);
  std::this_thread::sleep_for(std::chrono::milliseconds(state().loadTime));
  int result = called("load", device, tag);
  for (unsigned i = 0; result != 0 && i < count; ++i)
    if (options[i] == 5)
      std::strcpy(static_cast<char *>(values[i]), "line 7: no such instruction");
  *module = result == 0 ? new ModuleTag{tag} : nullptr;
  return result;
}

int cuModuleUnload(Module module) {
  delete module;
  return called("unload");
}

int cuModuleGetFunction(Function *function, Module module, const char *name) {
  // It is never freed, because a test may keep it longer than its module.
  *function = new FunctionTag{name};
  return called("function", name);
}

int cuFuncSetAttribute(Function function, int attribute, int value) {
  return called("attribute", function->name, attribute, value);
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *count, Function function, int threads,
                                                size_t shared) {
  *count = 2;
  return called("occupancy", function->name, threads, shared);
}

int cuLaunchKernel(Function function, unsigned gridX, unsigned gridY, unsigned gridZ,
                   unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
                   Stream stream, void **parameters, void **) {
  std::string bytes;
  for (size_t i = 0; state().logs && i < state().sizes.size(); ++i) {
    bytes += i ? "," : "";
    for (int at = state().sizes[i]; at-- > 0;) {
      char digits[3];
      std::snprintf(digits, sizeof(digits), "%02x", static_cast<uint8_t *>(parameters[i])[at]);
      bytes += digits;
    }
  }
  int device = -1;
  (void)cuCtxGetDevice(&device);
  return called("launch", function->name, "on", device, "grid", gridX, gridY, gridZ, "block",
                blockX, blockY, blockZ, "shared", shared, "stream",
                reinterpret_cast<uintptr_t>(stream), bytes);
}

int cuMemAlloc_v2(unsigned long long *pointer, size_t bytes) {
  int result = called("allocate", bytes);
  void *memory = result ? nullptr : std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  *pointer = reinterpret_cast<uintptr_t>(memory);
  return result;
}

int cuMemFree_v2(unsigned long long pointer) {
  std::free(reinterpret_cast<void *>(pointer));
  return called("free");
}

int cuMemcpyHtoD_v2(unsigned long long pointer, const void *from, size_t bytes) {
  std::memcpy(reinterpret_cast<void *>(pointer), from, bytes);
  return called("copy", bytes);
}

int cuPointerGetAttribute(void *data, int, unsigned long long) {
  if (state().pointerDevice < 0)
    return 1;
  *static_cast<int *>(data) = state().pointerDevice;
  return 0;
}

/// Products of empty sums are in the memory of the host, so this does what it says.
int cuMemsetD2D8Async(unsigned long long pointer, size_t pitch, unsigned char value, size_t width,
                      size_t height, Stream stream) {
  int result = called("memset", static_cast<int>(value), "pitch", pitch, "width", width, "height",
                      height, "stream", reinterpret_cast<uintptr_t>(stream));
  for (size_t row = 0; result == 0 && row < height; ++row)
    std::memset(reinterpret_cast<char *>(pointer) + row * pitch, value, width);
  return result;
}

} // extern "C"
