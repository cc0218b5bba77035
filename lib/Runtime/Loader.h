//===- Loader.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An object on devices: one module a device, loaded by the first launch there, and
// the functions of the kernels that were launched.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_LOADER_H
#define BASIN_LIB_RUNTIME_LOADER_H

#include "Driver.h"
#include "Grid.h"

#include <map>
#include <mutex>

namespace basin::rt {

/// The device's own number, or that of the current context.
Status resolveDevice(const cuda::Driver &driver, int32_t device, cuda::Device &out);
Status getCapability(const cuda::Driver &driver, cuda::Device device, int &major, int &minor);

class Loader {
public:
  explicit Loader(const KernelObject &object) : object(object) {}
  Loader(const Loader &) = delete;
  Loader &operator=(const Loader &) = delete;
  /// Waits for the devices, unloads the modules, releases the contexts.
  ~Loader();

  Status load(const Kernel &kernel, int32_t device);
  /// Takes checked arguments and a grid that is not empty.
  Status launch(const Kernel &kernel, int32_t device, cuda::Stream stream, Arguments arguments,
                const std::array<uint32_t, 3> &grid);

private:
  /// `blocks`: the most that a launch has on its x axis.
  struct LoadedKernel {
    cuda::Function function = nullptr;
    uint32_t blocks = UINT32_MAX;
  };
  /// Made before it is known whether loading succeeds; a failed load is tried again.
  struct OnDevice {
    std::mutex mutex;
    cuda::Device device = 0;
    cuda::Context context = nullptr;
    cuda::Module module = nullptr;
    std::vector<LoadedKernel> kernels; // empty until they are launched
  };

  Status prepare(const cuda::Driver &driver, const Kernel &kernel, int32_t device, OnDevice *&on,
                 LoadedKernel &loaded);
  Status loadModule(const cuda::Driver &driver, OnDevice &on);
  Status loadFunction(const cuda::Driver &driver, const Kernel &kernel, OnDevice &on,
                      LoadedKernel &loaded);

  const KernelObject &object;
  std::mutex mutex;
  std::map<cuda::Device, OnDevice> devices;
};

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_LOADER_H
