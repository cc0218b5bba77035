//===- Tensor.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tensor.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

using namespace basin::rt;

uint64_t basin::rt::sizeOf(basin_rt_type type) {
  static constexpr uint64_t kSizes[] = {4, 2, 2, 1, 4, 8, 1};
  return kSizes[type];
}

const char *basin::rt::nameOf(basin_rt_type type) {
  static constexpr const char *kNames[] = {"f32", "f16", "bf16", "i8", "i32", "i64", "bool"};
  auto index = static_cast<unsigned>(type);
  return index < std::size(kNames) ? kNames[index] : "an unknown type";
}

bool basin::rt::countElements(const basin_rt_tensor &tensor, int64_t &count) {
  count = 1;
  bool isEmpty = false, isRight = true;
  for (uint32_t axis = 0; axis < tensor.rank; ++axis) {
    int64_t size = tensor.sizes[axis];
    isRight &= size >= 0;
    isEmpty |= size == 0;
    isRight &= isEmpty || !__builtin_mul_overflow(count, size, &count);
  }
  count = isEmpty ? 0 : count;
  return isRight && count <= kMaxTensorBytes / static_cast<int64_t>(sizeOf(tensor.type));
}

void basin::rt::makeContiguous(basin_rt_tensor &tensor) {
  uint64_t count = 1;
  for (uint32_t axis = tensor.rank; axis-- > 0;) {
    tensor.strides[axis] = static_cast<int64_t>(count);
    count *= static_cast<uint64_t>(std::max<int64_t>(tensor.sizes[axis], 1));
  }
}

bool basin::rt::isContiguous(basin_rt_tensor tensor, bool isTransposed) {
  if (isTransposed && tensor.rank >= 2) {
    std::swap(tensor.sizes[tensor.rank - 1], tensor.sizes[tensor.rank - 2]);
    std::swap(tensor.strides[tensor.rank - 1], tensor.strides[tensor.rank - 2]);
  }
  basin_rt_tensor wanted = tensor;
  makeContiguous(wanted);
  for (uint32_t axis = 0; axis < tensor.rank; ++axis)
    if (tensor.sizes[axis] > 1 && tensor.strides[axis] != wanted.strides[axis])
      return false;
  return true;
}

bool basin::rt::isEmpty(const basin_rt_tensor &tensor) {
  return std::find(tensor.sizes, tensor.sizes + tensor.rank, 0) != tensor.sizes + tensor.rank;
}
