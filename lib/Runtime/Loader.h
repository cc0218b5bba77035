//===- Loader.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loads an object on devices. The first launch on a device loads one module there, and each
// kernel's function is looked up when the kernel is first launched. The weights of a plan are
// copied when the plan is loaded.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_LOADER_H
#define BASIN_LIB_RUNTIME_LOADER_H

#include "Driver.h"
#include "Grid.h"

#include <map>
#include <mutex>

namespace basin::rt {

/// Finds the driver's handle of a device, or of the current context's device if `device` is
/// BASIN_RT_CURRENT_DEVICE.
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
  /// Launches a kernel. The arguments must have been checked, and the grid is not empty.
  Status launch(const Kernel &kernel, int32_t device, cuda::Stream stream, Arguments arguments,
                const std::array<uint32_t, 3> &grid);

  /// Copies the weights to the device, once, into memory that the loader keeps. Waits until they
  /// are there.
  Status loadWeights(std::string_view weights, int32_t device);
  /// Finds the address of the weights. Fails if they are not loaded.
  Status findWeights(int32_t device, uint64_t &address);

private:
  /// A kernel on a device. A launch has at most `blocks` blocks on its x axis.
  struct LoadedKernel {
    cuda::Function function = nullptr;
    uint32_t blocks = UINT32_MAX;
  };
  /// What is loaded on a device. It exists even if loading failed; the next call tries again.
  struct OnDevice {
    std::mutex mutex;
    cuda::Device device = 0;
    cuda::Context context = nullptr;
    cuda::Module module = nullptr;
    std::vector<LoadedKernel> kernels; // one for each kernel; without a function until launched
    bool hasWeights = false;
    unsigned long long weights = 0; // 0 if there are none
  };

  Status enter(const cuda::Driver &driver, int32_t device, OnDevice *&on,
               std::unique_lock<std::mutex> &lock);
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
