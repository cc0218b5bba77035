//===- KernelFamily.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Families.h"

using namespace basin::kernels;

llvm::ArrayRef<const KernelFamily *> basin::kernels::getKernelFamilies() {
  static const KernelFamily *const kFamilies[] = {
      &getNormFamily(),
      &getDyTFamily(),
      &getAttentionFamily(),
  };
  return kFamilies;
}

const KernelFamily *basin::kernels::findKernelFamily(llvm::StringRef name) {
  for (const KernelFamily *family : getKernelFamilies())
    if (family->getName() == name)
      return family;
  return nullptr;
}
