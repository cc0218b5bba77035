//===- Driver.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NVIDIA's driver, libcuda.so.1, which is loaded when it is first needed. The build needs
// nothing of CUDA: the few types and numbers of its stable binary interface are declared here.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_DRIVER_H
#define BASIN_LIB_RUNTIME_DRIVER_H

#include "Status.h"

#include <cstddef>

namespace basin::rt::cuda {

using Result = int;
using Device = int;
using Context = struct ContextTag *;
using Module = struct ModuleTag *;
using Function = struct FunctionTag *;
using Stream = struct StreamTag *;

constexpr Result kSuccess = 0;

enum DeviceAttribute : int {
  kMultiprocessors = 16,
  kComputeCapabilityMajor = 75,
  kComputeCapabilityMinor = 76,
  kMaxSharedMemoryPerBlockOptin = 97
};
enum FunctionAttribute : int { kMaxDynamicSharedBytes = 8 };
enum PointerAttribute : int { kDeviceOrdinal = 9 };
enum JITOption : int { kErrorLogBuffer = 5, kErrorLogBufferBytes = 6 };

/// A kernel may have this much dynamic shared memory without setting an attribute.
constexpr uint32_t kSharedBytesUnasked = 48 * 1024;

struct Driver {
  Result (*init)(unsigned flags);
  Result (*getErrorName)(Result, const char **);
  Result (*getErrorString)(Result, const char **);
  Result (*deviceGetCount)(int *);
  Result (*deviceGet)(Device *, int ordinal);
  Result (*deviceGetAttribute)(int *, int attribute, Device);
  Result (*primaryContextRetain)(Context *, Device);
  Result (*primaryContextRelease)(Device);
  Result (*contextGetCurrent)(Context *);
  Result (*contextGetDevice)(Device *);
  Result (*contextPush)(Context);
  Result (*contextPop)(Context *);
  Result (*contextSynchronize)();
  Result (*moduleLoad)(Module *, const void *image, unsigned count, int *options, void **values);
  Result (*moduleUnload)(Module);
  Result (*moduleGetFunction)(Function *, Module, const char *name);
  Result (*functionSetAttribute)(Function, int attribute, int value);
  Result (*blocksAtOnce)(int *count, Function, int blockSize, size_t sharedBytes);
  Result (*launchKernel)(Function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                         unsigned blockY, unsigned blockZ, unsigned sharedBytes, Stream,
                         void **parameters, void **extra);
  Result (*memoryAllocate)(unsigned long long *pointer, size_t bytes);
  Result (*memoryFree)(unsigned long long pointer);
  Result (*copyToDevice)(unsigned long long pointer, const void *from, size_t bytes);
  Result (*pointerGetAttribute)(void *, int attribute, unsigned long long pointer);
  Result (*memset2D)(unsigned long long pointer, size_t pitch, unsigned char value, size_t width,
                     size_t height, Stream);

  /// Returns ok, or a status with the call's name and the driver's name and text of the error.
  Status check(Result result, const char *call) const;
};

/// Gets the driver, which is loaded and initialized once. If that fails, the next call tries
/// again.
Status getDriver(const Driver *&driver);

/// Sets another file than libcuda.so.1. Fails once another driver is loaded.
Status useDriver(const char *path);

/// Makes a context the calling thread's current one as long as this object lives.
class CurrentContext {
public:
  explicit CurrentContext(const Driver &driver) : driver(driver) {}
  CurrentContext(const CurrentContext &) = delete;
  CurrentContext &operator=(const CurrentContext &) = delete;
  ~CurrentContext();
  Status enter(Context context);

private:
  const Driver &driver;
  bool pushed = false;
};

} // namespace basin::rt::cuda

#endif // BASIN_LIB_RUNTIME_DRIVER_H
