//===- PlanRun.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs a plan on a device.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_PLANRUN_H
#define BASIN_LIB_RUNTIME_PLANRUN_H

#include "Loader.h"
#include "PlanLayout.h"

namespace basin::rt {

/// What a run needs of the caller.
struct PlanCall {
  int32_t device;
  cuda::Stream stream;
  Tensors inputs, outputs;
  void *workspace;
  uint64_t workspaceBytes;
};

/// Returns the size of the workspace, with that of products.
uint64_t countWorkspace(const ModelPlan &plan, const PlanLayout &layout);

/// Loads kernels, the library of products and the weights.
Status loadPlan(const KernelObject &object, Loader &loader, int32_t device);

/// Checks all arguments of all steps, then enqueues the steps. The inputs are those of the layout.
Status runPlan(const ModelPlan &plan, const PlanLayout &layout, Loader &loader,
               const PlanCall &call);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_PLANRUN_H
