//===- PlanMemory.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Places the largest request first, each at the lowest offset where it fits between those that are
// placed already and needed at the same time. Small requests then fill the gaps between large ones.
// The time is quadratic in the number of requests.
//
//===----------------------------------------------------------------------===//

#include "PlanMemory.h"

#include <algorithm>
#include <numeric>

using namespace basin::rt;

/// Returns the lowest offset with enough memory. `placed` is sorted by the offset.
static uint64_t findGap(const std::vector<const MemoryRequest *> &placed,
                        const MemoryRequest &request, uint64_t begin) {
  uint64_t offset = begin;
  for (const MemoryRequest *other : placed) {
    if (other->lastStep < request.firstStep || request.lastStep < other->firstStep)
      continue;
    if (other->offset >= offset && other->offset - offset >= request.bytes)
      break;
    offset = std::max(offset, other->offset + other->bytes);
  }
  return offset;
}

uint64_t basin::rt::placeInWorkspace(std::vector<MemoryRequest> &requests, uint64_t begin,
                                     uint64_t limit) {
  std::vector<size_t> order(requests.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return requests[a].bytes != requests[b].bytes ? requests[a].bytes > requests[b].bytes : a < b;
  });
  std::vector<const MemoryRequest *> placed;
  placed.reserve(requests.size());
  uint64_t end = begin;
  for (size_t i : order) {
    MemoryRequest &request = requests[i];
    request.offset = findGap(placed, request, begin);
    if (request.bytes > limit || request.offset > limit - request.bytes)
      return 0;
    end = std::max(end, request.offset + request.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &request,
                                   [](const MemoryRequest *a, const MemoryRequest *b) {
                                     return a->offset < b->offset;
                                   }),
                  &request);
  }
  return end;
}
