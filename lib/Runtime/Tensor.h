//===- Tensor.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes of tensors: how many elements and bytes they have, and whether they are contiguous.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_TENSOR_H
#define BASIN_LIB_RUNTIME_TENSOR_H

#include "basin/Runtime/basin_rt.h"

#include <span>

namespace basin::rt {

using Tensors = std::span<const basin_rt_tensor>;

/// Sums of a few sizes up to this, in bytes, do not overflow.
constexpr int64_t kMaxTensorBytes = int64_t(1) << 60;

uint64_t sizeOf(basin_rt_type type);

/// Returns "bf16", or "an unknown type" for what a caller made up.
const char *nameOf(basin_rt_type type);

/// Counts the elements of a tensor. Returns false if they are too many or a size is negative.
bool countElements(const basin_rt_tensor &tensor, int64_t &count);

/// Sets the strides of a contiguous tensor. If one axis has no elements, the others may have any
/// size and a stride may wrap around, but then nobody uses it.
void makeContiguous(basin_rt_tensor &tensor);

/// Returns whether the tensor is contiguous, or, if `isTransposed`, whether it is so after its
/// last two axes are exchanged.
bool isContiguous(basin_rt_tensor tensor, bool isTransposed);

bool isEmpty(const basin_rt_tensor &tensor);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_TENSOR_H
