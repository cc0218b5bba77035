//===- KernelFamily.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Families.h"

#include "llvm/ADT/SmallVectorExtras.h"

using namespace basin::kernels;

llvm::ArrayRef<const KernelFamily *> basin::kernels::getKernelFamilies() {
  static const auto families =
      llvm::map_to_vector(kFamilies, [](auto get) -> const KernelFamily * { return &get(); });
  return families;
}

const KernelFamily *basin::kernels::findKernelFamily(llvm::StringRef name) {
  for (const KernelFamily *family : getKernelFamilies())
    if (family->getName() == name)
      return family;
  return nullptr;
}
