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

llvm::Expected<std::string> basin::kernels::addKernel(gpu::GPUModuleOp module, const AnySpec &spec,
                                                      const KernelTarget &target) {
  std::string name = spec.getName();
  if (module.lookupSymbol(name))
    return name;
  if (llvm::Error error = spec.build(module, target).takeError())
    return error;
  return name;
}
