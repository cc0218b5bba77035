//===- Loader.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One lock of the object guards the table of devices, and one lock of each device guards what is
// loaded there. Threads that want the same module wait for the one that loads it. Threads that
// want another device do not wait.
//
//===----------------------------------------------------------------------===//

#include "Loader.h"

#include <algorithm>
#include <cstring>

using namespace basin::rt;
using cuda::Driver;

Status basin::rt::resolveDevice(const Driver &driver, int32_t device, cuda::Device &out) {
  if (device == BASIN_RT_CURRENT_DEVICE) {
    cuda::Context current = nullptr;
    if (driver.contextGetCurrent(&current) != cuda::kSuccess || !current)
      return {BASIN_RT_INVALID_ARGUMENT,
              "the thread has no current CUDA context: expected the number of a device"};
    return driver.check(driver.contextGetDevice(&out), "cuCtxGetDevice");
  }
  int count = 0;
  Status status = driver.check(driver.deviceGetCount(&count), "cuDeviceGetCount");
  if (status.failed())
    return status;
  if (device < 0 || device >= count)
    return {BASIN_RT_INVALID_ARGUMENT,
            "no device " + std::to_string(device) + ": there are " + std::to_string(count)};
  return driver.check(driver.deviceGet(&out, device), "cuDeviceGet");
}

static Status getAttribute(const Driver &driver, cuda::Device device, int attribute, int &out) {
  return driver.check(driver.deviceGetAttribute(&out, attribute, device), "cuDeviceGetAttribute");
}

Status basin::rt::getCapability(const Driver &driver, cuda::Device device, int &major, int &minor) {
  Status status = getAttribute(driver, device, cuda::kComputeCapabilityMajor, major);
  return status.failed() ? status
                         : getAttribute(driver, device, cuda::kComputeCapabilityMinor, minor);
}

Loader::~Loader() {
  const Driver *driver = nullptr;
  if (devices.empty() || cuda::getDriver(driver).failed())
    return;
  // At the end of a process the driver may be gone, so its errors mean nothing here.
  for (auto &[device, on] : devices) {
    if (!on.context)
      continue;
    {
      cuda::CurrentContext current(*driver);
      if ((on.module || on.weights) && !current.enter(on.context).failed()) {
        (void)driver->contextSynchronize();
        if (on.weights)
          (void)driver->memoryFree(on.weights);
        if (on.module)
          (void)driver->moduleUnload(on.module);
      }
    }
    (void)driver->primaryContextRelease(device);
  }
}

/// Loads the section for the device. The driver takes no length: PTX is a text that ends in a
/// zero, and a cubin contains its length.
Status Loader::loadModule(const Driver &driver, OnDevice &on) {
  int major = 0, minor = 0;
  size_t index = 0;
  Status status = getCapability(driver, on.device, major, minor);
  if (!status.failed())
    status = object.chooseSection(major, minor, index);
  if (status.failed())
    return status;
  const Section &section = object.getSections()[index];
  // The copy's address is aligned for any type, and it ends in a zero.
  std::string image(object.getBytes(section));
  char log[4096] = "";
  int options[] = {cuda::kErrorLogBuffer, cuda::kErrorLogBufferBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log) - 1)};
  status = driver.check(driver.moduleLoad(&on.module, image.c_str(), 2, options, values),
                        "cuModuleLoadDataEx");
  if (!status.failed())
    return status;
  on.module = nullptr;
  std::string text = status.message() + " (section for " + section.chipName + ")";
  size_t length = ::strnlen(log, sizeof(log) - 1);
  return {status.code(), length ? text + "\n" + std::string(log, length) : text};
}

/// Counts the blocks of a kernel that the whole device runs at once.
static Status countResident(const Driver &driver, const Kernel &kernel, cuda::Device device,
                            cuda::Function function, uint32_t &blocks) {
  int each = 0, processors = 0;
  int threads = static_cast<int>(kernel.block[0] * kernel.block[1] * kernel.block[2]);
  Status status = driver.check(driver.blocksAtOnce(&each, function, threads, kernel.sharedBytes),
                               "cuOccupancyMaxActiveBlocksPerMultiprocessor");
  if (!status.failed())
    status = getAttribute(driver, device, cuda::kMultiprocessors, processors);
  // A kernel that does not fit counts as one block here; its launch fails.
  blocks =
      static_cast<uint32_t>(std::max(each, 1)) * static_cast<uint32_t>(std::max(processors, 1));
  return status;
}

Status Loader::loadFunction(const Driver &driver, const Kernel &kernel, OnDevice &on,
                            LoadedKernel &loaded) {
  if (kernel.sharedBytes > cuda::kSharedBytesUnasked) {
    int most = 0;
    Status status = getAttribute(driver, on.device, cuda::kMaxSharedMemoryPerBlockOptin, most);
    if (status.failed())
      return status;
    if (most < 0 || kernel.sharedBytes > static_cast<uint32_t>(most))
      return {BASIN_RT_UNSUPPORTED_DEVICE, kernel.name + ": needs " +
                                               std::to_string(kernel.sharedBytes) +
                                               " bytes of shared memory, but a block has " +
                                               std::to_string(most) + " on this device"};
  }
  cuda::Function found = nullptr;
  Status status = driver.check(driver.moduleGetFunction(&found, on.module, kernel.name.c_str()),
                               "cuModuleGetFunction");
  if (!status.failed() && kernel.sharedBytes > cuda::kSharedBytesUnasked)
    status = driver.check(driver.functionSetAttribute(found, cuda::kMaxDynamicSharedBytes,
                                                      static_cast<int>(kernel.sharedBytes)),
                          "cuFuncSetAttribute");
  uint32_t blocks = UINT32_MAX;
  if (!status.failed() && kernel.isResident)
    status = countResident(driver, kernel, on.device, found, blocks);
  if (status.failed())
    return {status.code(), kernel.name + ": " + status.message()};
  loaded = {found, blocks};
  return {};
}

/// Finds and locks a device, and retains its primary context.
Status Loader::enter(const Driver &driver, int32_t device, OnDevice *&on,
                     std::unique_lock<std::mutex> &lock) {
  cuda::Device resolved = 0;
  Status status = resolveDevice(driver, device, resolved);
  if (status.failed())
    return status;
  {
    std::lock_guard<std::mutex> table(mutex);
    on = &devices[resolved];
  }
  lock = std::unique_lock<std::mutex>(on->mutex);
  if (on->context)
    return {};
  on->device = resolved;
  on->kernels.resize(object.getKernels().size());
  status =
      driver.check(driver.primaryContextRetain(&on->context, resolved), "cuDevicePrimaryCtxRetain");
  if (status.failed())
    on->context = nullptr;
  return status;
}

Status Loader::prepare(const Driver &driver, const Kernel &kernel, int32_t device, OnDevice *&on,
                       LoadedKernel &loaded) {
  std::unique_lock<std::mutex> lock;
  Status status = enter(driver, device, on, lock);
  if (status.failed())
    return status;
  LoadedKernel &slot = on->kernels[static_cast<size_t>(&kernel - object.getKernels().data())];
  if (!slot.function) {
    cuda::CurrentContext current(driver);
    status = current.enter(on->context);
    if (!status.failed() && !on->module)
      status = loadModule(driver, *on);
    if (!status.failed())
      status = loadFunction(driver, kernel, *on, slot);
  }
  loaded = slot;
  return status;
}

Status Loader::load(const Kernel &kernel, int32_t device) {
  const Driver *driver = nullptr;
  Status status = cuda::getDriver(driver);
  OnDevice *on = nullptr;
  LoadedKernel loaded;
  return status.failed() ? status : prepare(*driver, kernel, device, on, loaded);
}

Status Loader::launch(const Kernel &kernel, int32_t device, cuda::Stream stream,
                      Arguments arguments, const std::array<uint32_t, 3> &grid) {
  const Driver *driver = nullptr;
  Status status = cuda::getDriver(driver);
  OnDevice *on = nullptr;
  LoadedKernel loaded;
  if (!status.failed())
    status = prepare(*driver, kernel, device, on, loaded);
  if (status.failed())
    return status;
  // The driver reads as many bytes as the kernel's parameter has, and each member of the union
  // begins where the union does. The driver copies the values before it returns, and writes none.
  std::array<void *, kMaxArguments> parameters;
  for (size_t i = 0; i < arguments.size(); ++i)
    parameters[i] = const_cast<void *>(static_cast<const void *>(&arguments[i].value));
  cuda::CurrentContext current(*driver);
  status = current.enter(on->context);
  if (status.failed())
    return status;
  status =
      driver->check(driver->launchKernel(loaded.function, std::min(grid[0], loaded.blocks), grid[1],
                                         grid[2], kernel.block[0], kernel.block[1], kernel.block[2],
                                         kernel.sharedBytes, stream, parameters.data(), nullptr),
                    "cuLaunchKernel");
  return status.failed() ? Status(status.code(), kernel.name + ": " + status.message()) : status;
}

/// Allocates memory for the weights and copies them. The device's context must be the current one.
static Status copyWeights(const Driver &driver, std::string_view weights,
                          unsigned long long &address) {
  unsigned long long made = 0;
  Status status = driver.check(driver.memoryAllocate(&made, weights.size()), "cuMemAlloc");
  if (status.failed())
    return {status.code(),
            std::to_string(weights.size()) + " bytes of weights: " + status.message()};
  status = driver.check(driver.copyToDevice(made, weights.data(), weights.size()), "cuMemcpyHtoD");
  // The copy may return before the bytes have arrived, and other streams would not wait for them.
  if (!status.failed())
    status = driver.check(driver.contextSynchronize(), "cuCtxSynchronize");
  if (status.failed())
    (void)driver.memoryFree(made);
  else
    address = made;
  return status;
}

Status Loader::loadWeights(std::string_view weights, int32_t device) {
  const Driver *driver = nullptr;
  Status status = cuda::getDriver(driver);
  OnDevice *on = nullptr;
  std::unique_lock<std::mutex> lock;
  if (!status.failed())
    status = enter(*driver, device, on, lock);
  if (status.failed() || on->hasWeights)
    return status;
  if (!weights.empty()) {
    cuda::CurrentContext current(*driver);
    status = current.enter(on->context);
    if (!status.failed())
      status = copyWeights(*driver, weights, on->weights);
  }
  on->hasWeights = !status.failed();
  return status;
}

Status Loader::findWeights(int32_t device, uint64_t &address) {
  const Driver *driver = nullptr;
  cuda::Device resolved = 0;
  Status status = cuda::getDriver(driver);
  if (!status.failed())
    status = resolveDevice(*driver, device, resolved);
  if (status.failed())
    return status;
  OnDevice *on = nullptr;
  {
    std::lock_guard<std::mutex> table(mutex);
    auto found = devices.find(resolved);
    on = found == devices.end() ? nullptr : &found->second;
  }
  if (on) {
    std::lock_guard<std::mutex> lock(on->mutex);
    address = on->weights;
    if (on->hasWeights)
      return {};
  }
  return {BASIN_RT_INVALID_ARGUMENT,
          "the plan is not loaded on device " + std::to_string(resolved)};
}
