//===- Overlap.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Overlap.h"

#include "Tensor.h"

#include <algorithm>
#include <array>
#include <numeric>

using namespace basin::rt;

namespace {
/// A tensor's memory in bytes: it goes from `begin` to `end`, in runs of `run` bytes. Each run
/// begins at a multiple of `pitch` from the first one. If there is one run, `pitch` is 0.
struct Layout {
  uint64_t begin, end, run, pitch;
};
} // namespace

static Layout layoutOf(const basin_rt_tensor &tensor) {
  std::array<std::pair<uint64_t, uint64_t>, BASIN_RT_MAX_RANK> axes;
  size_t count = 0;
  for (uint32_t axis = 0; axis < tensor.rank; ++axis)
    if (tensor.sizes[axis] > 1)
      axes[count++] = {static_cast<uint64_t>(tensor.strides[axis]),
                       static_cast<uint64_t>(tensor.sizes[axis])};
  std::sort(axes.begin(), axes.begin() + count);
  uint64_t run = 1, pitch = 0, last = 0, each = sizeOf(tensor.type);
  for (size_t i = 0; i < count; ++i) {
    auto [stride, size] = axes[i];
    if (stride == run)
      run *= size;
    else
      pitch = std::gcd(pitch, stride);
    last += stride * (size - 1);
  }
  auto begin = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(tensor.pointer));
  return {begin, begin + (last + 1) * each, run * each, pitch * each};
}

Extent basin::rt::extentOf(const basin_rt_tensor &tensor) {
  Layout layout = layoutOf(tensor);
  return {layout.begin, layout.end};
}

bool basin::rt::overlap(const basin_rt_tensor &a, const basin_rt_tensor &b) {
  if (isEmpty(a) || isEmpty(b))
    return false;
  Layout first = layoutOf(a), second = layoutOf(b);
  if (second.begin < first.begin)
    std::swap(first, second);
  if (second.begin >= first.end)
    return false;
  uint64_t pitch = std::gcd(first.pitch, second.pitch);
  uint64_t between = pitch == 0 ? 0 : (second.begin - first.begin) % pitch;
  return between < first.run || between + second.run > pitch;
}
