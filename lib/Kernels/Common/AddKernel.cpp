//===- AddKernel.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/AddKernel.h"

using namespace mlir;
using namespace basin::kernels;

/// `build` appends the kernel or says why there is none.
template <typename Spec>
static llvm::Expected<std::string> addOnce(gpu::GPUModuleOp module, const Spec &spec,
                                           llvm::function_ref<std::string()> build) {
  std::string name = getName(spec);
  if (module.lookupSymbol(name))
    return name;
  if (std::string why = build(); !why.empty())
    return llvm::createStringError(why);
  return name;
}

llvm::Expected<std::string> basin::kernels::addKernel(gpu::GPUModuleOp module, const NormSpec &spec,
                                                      const KernelTarget &target) {
  return addOnce(module, spec, [&]() -> std::string {
    if (spec.gateRank != 0) {
      GatedNormSchedule schedule = chooseGatedNormSchedule(spec, target.chip);
      target.overrides.apply(schedule);
      std::string why = schedule.check(spec, target.chip);
      if (why.empty())
        buildGatedNormKernel(module, spec, schedule);
      return why;
    }
    NormSchedule schedule = chooseNormSchedule(spec);
    target.overrides.apply(schedule);
    std::string why = schedule.check(spec);
    if (why.empty())
      buildNormKernel(module, spec, schedule);
    return why;
  });
}

llvm::Expected<std::string> basin::kernels::addKernel(gpu::GPUModuleOp module, const DyTSpec &spec,
                                                      const KernelTarget &) {
  return addOnce(module, spec, [&]() -> std::string {
    buildDyTKernel(module, spec);
    return {};
  });
}

llvm::Expected<std::string> basin::kernels::addKernel(gpu::GPUModuleOp module,
                                                      const AttentionSpec &spec,
                                                      const KernelTarget &target) {
  return addOnce(module, spec, [&]() -> std::string {
    std::string why = check(spec);
    if (!why.empty())
      return why;
    AttentionSchedule schedule = chooseAttentionSchedule(spec, target.chip);
    target.overrides.apply(schedule);
    why = schedule.check(spec, target.chip);
    if (why.empty())
      buildAttentionKernel(module, spec, schedule);
    return why;
  });
}
