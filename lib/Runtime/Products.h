//===- Products.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matrix products on devices. cuBLASLt computes them, or a provider that the program sets.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_PRODUCTS_H
#define BASIN_LIB_RUNTIME_PRODUCTS_H

#include "Driver.h"

namespace basin::rt {

/// Sets who computes products. Null stands for cuBLASLt.
Status useProducts(const basin_rt_product_provider *provider);

Status loadProducts(int32_t device);
Status getProductWorkspace(int32_t device, uint64_t &bytes);
/// Returns the largest size that getProductWorkspace() writes for any device.
uint64_t getLargestProductWorkspace();

/// Checks and runs a product.
Status runProduct(const basin_rt_product &product, int32_t device, cuda::Stream stream,
                  void *workspace, uint64_t workspaceBytes);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_PRODUCTS_H
