//===- Products.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One lock guards the table of devices, and one lock of each device guards its plans. The device's
// lock is held until the product is enqueued: the pointer of the bias is part of the plan's
// descriptor, and another thread may have use for the same plan. Nothing waits for the device.
//
//===----------------------------------------------------------------------===//

#include "Products.h"

#include "Loader.h"
#include "ProductCheck.h"
#include "ProductPlan.h"
#include "Tensor.h"

#include <map>
#include <mutex>

using namespace basin::rt;
using cuda::Driver;

// NVIDIA's advice for cuBLAS: 32 MiB on devices of capability 9.0 and later, 4 MiB on others.
static constexpr uint64_t kWorkspaceBytes = 4 << 20, kLargeWorkspaceBytes = 32 << 20;

namespace {
struct OnDevice {
  std::mutex mutex;
  cuda::Context context = nullptr;
  lt::Handle handle = nullptr;
  ProductPlans plans;
};
/// The state lives until the process ends, because CUDA graphs may hold the library's kernels.
struct State {
  std::mutex mutex;
  basin_rt_product_provider provider = {};
  std::map<cuda::Device, OnDevice> devices;
};
/// What a call needs. The device is locked.
struct Session {
  const Driver *driver = nullptr;
  const lt::Library *library = nullptr;
  OnDevice *on = nullptr;
  std::unique_lock<std::mutex> lock;
};
} // namespace

static State &getState() {
  static State *state = new State();
  return *state;
}

static basin_rt_product_provider getProvider() {
  State &state = getState();
  std::lock_guard<std::mutex> lock(state.mutex);
  return state.provider;
}

Status basin::rt::useProducts(const basin_rt_product_provider *provider) {
  if (provider && !provider->run)
    return {BASIN_RT_INVALID_ARGUMENT, "run is null"};
  State &state = getState();
  std::lock_guard<std::mutex> lock(state.mutex);
  state.provider = provider ? *provider : basin_rt_product_provider{};
  return {};
}

/// Finds and locks the device, and retains its primary context.
static Status enterDevice(int32_t device, Session &session) {
  cuda::Device resolved = 0;
  Status status = cuda::getDriver(session.driver);
  if (!status.failed())
    status = resolveDevice(*session.driver, device, resolved);
  if (status.failed())
    return status;
  {
    State &state = getState();
    std::lock_guard<std::mutex> lock(state.mutex);
    session.on = &state.devices[resolved];
  }
  session.lock = std::unique_lock<std::mutex>(session.on->mutex);
  if (session.on->context)
    return {};
  status =
      session.driver->check(session.driver->primaryContextRetain(&session.on->context, resolved),
                            "cuDevicePrimaryCtxRetain");
  if (status.failed())
    session.on->context = nullptr;
  return status;
}

/// Creates the library's handle. The device's context must be the current one.
static Status enterLibrary(Session &session) {
  Status status = lt::getLibrary(session.library);
  if (status.failed() || session.on->handle)
    return status;
  lt::Handle handle = nullptr;
  status = session.library->check(session.library->create(&handle), "cublasLtCreate");
  if (!status.failed())
    session.on->handle = handle;
  return status;
}

Status basin::rt::loadProducts(int32_t device) {
  if (getProvider().run)
    return {};
  Session session;
  if (Status status = enterDevice(device, session); status.failed())
    return status;
  cuda::CurrentContext current(*session.driver);
  Status status = current.enter(session.on->context);
  return status.failed() ? status : enterLibrary(session);
}

Status basin::rt::getProductWorkspace(int32_t device, uint64_t &bytes) {
  if (getProvider().run) {
    bytes = 0;
    return {};
  }
  const Driver *driver = nullptr;
  cuda::Device resolved = 0;
  int major = 0, minor = 0;
  Status status = cuda::getDriver(driver);
  if (!status.failed())
    status = resolveDevice(*driver, device, resolved);
  if (!status.failed())
    status = getCapability(*driver, resolved, major, minor);
  if (!status.failed())
    bytes = major >= 9 ? kLargeWorkspaceBytes : kWorkspaceBytes;
  return status;
}

uint64_t basin::rt::getLargestProductWorkspace() {
  return getProvider().run ? 0 : kLargeWorkspaceBytes;
}

/// Writes zeros into c, for products of empty sums. Elements between its rows stay.
static Status fillWithZeros(const Driver &driver, basin_rt_product product, cuda::Stream stream) {
  // a and b have no elements. With the strides of c in their place, only those of c decide which
  // axes of the batch become one.
  product.a = product.b = product.c;
  BlasProduct blas = arrange(product);
  const BlasMatrix &d = blas.d;
  auto each = static_cast<int64_t>(sizeOf(product.result_type));
  int64_t height = d.columns, calls = blas.batch;
  if (d.batchStride == d.leading * d.columns) {
    height *= calls;
    calls = 1;
  }
  std::array<int64_t, BASIN_RT_MAX_BATCH> index = {};
  do {
    auto begin = reinterpret_cast<uintptr_t>(pointerAt(blas, d, index));
    for (int64_t i = 0; i < calls; ++i) {
      unsigned long long target = begin + static_cast<uint64_t>(i * d.batchStride * each);
      Status status = driver.check(driver.memset2D(target, static_cast<size_t>(d.leading * each), 0,
                                                   static_cast<size_t>(d.rows * each),
                                                   static_cast<size_t>(height), stream),
                                   "cuMemsetD2D8Async");
      if (status.failed())
        return status;
    }
  } while (nextCall(blas, index));
  return {};
}

static Status multiply(Session &session, const basin_rt_product &product, const BlasProduct &blas,
                       ProductPlan &plan, cuda::Stream stream, void *workspace) {
  const lt::Library &library = *session.library;
  if (product.bias) {
    Status status = library.check(library.operationSet(plan.operation.get(), lt::kBiasPointer,
                                                       static_cast<const void *>(&product.bias),
                                                       sizeof(product.bias)),
                                  "cublasLtMatmulDescSetAttribute");
    if (status.failed())
      return status;
  }
  const float beta = 0;
  std::array<int64_t, BASIN_RT_MAX_BATCH> index = {};
  do {
    void *d = const_cast<void *>(pointerAt(blas, blas.d, index));
    Status status = library.check(
        library.multiply(session.on->handle, plan.operation.get(), &product.alpha,
                         pointerAt(blas, blas.a, index), plan.a.get(),
                         pointerAt(blas, blas.b, index), plan.b.get(), &beta, d, plan.d.get(), d,
                         plan.d.get(), &plan.algorithm, workspace, plan.workspaceBytes, stream),
        "cublasLtMatmul");
    if (status.failed())
      return status;
  } while (nextCall(blas, index));
  return {};
}

static Status runByLibrary(Session &session, const basin_rt_product &product, cuda::Stream stream,
                           void *workspace, uint64_t workspaceBytes) {
  if (Status status = enterLibrary(session); status.failed())
    return status;
  BlasProduct blas = arrange(product);
  PlanKey key = keyOf(product, blas, workspaceBytes);
  ProductPlan *plan = session.on->plans.find(key);
  if (!plan) {
    ProductPlan made;
    Status status =
        makePlan(*session.library, session.on->handle, product, blas, workspaceBytes, made);
    if (status.failed())
      return status;
    plan = session.on->plans.insert(key, std::move(made));
  }
  return multiply(session, product, blas, *plan, stream, workspace);
}

static Status checkWorkspace(const void *workspace, uint64_t bytes) {
  auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(workspace));
  if (bytes > 0 && (!workspace || address % lt::kWorkspaceAlignment != 0))
    return {BASIN_RT_INVALID_ARGUMENT, "product: expected a workspace of " + std::to_string(bytes) +
                                           " bytes, aligned to " +
                                           std::to_string(lt::kWorkspaceAlignment)};
  return {};
}

Status basin::rt::runProduct(const basin_rt_product &product, int32_t device, cuda::Stream stream,
                             void *workspace, uint64_t workspaceBytes) {
  Status status = checkProduct(product);
  if (!status.failed())
    status = checkWorkspace(workspace, workspaceBytes);
  if (status.failed() || isEmpty(product))
    return status;
  if (basin_rt_product_provider provider = getProvider(); provider.run) {
    basin_rt_status code =
        provider.run(provider.context, &product, device, stream, workspace, workspaceBytes);
    return code == BASIN_RT_OK ? Status() : Status(code, "the provider of products failed");
  }
  Session session;
  status = enterDevice(device, session);
  if (status.failed())
    return status;
  cuda::CurrentContext current(*session.driver);
  status = current.enter(session.on->context);
  if (status.failed())
    return status;
  return product.k == 0 ? fillWithZeros(*session.driver, product, stream)
                        : runByLibrary(session, product, stream, workspace, workspaceBytes);
}
