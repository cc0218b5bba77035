//===- PlanMemory.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gives the temporaries of a plan their places in the workspace. Two of them may share memory if no
// step needs both.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_PLANMEMORY_H
#define BASIN_LIB_RUNTIME_PLANMEMORY_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace basin::rt {

/// Each part of the workspace begins at a multiple of this. No kernel asks for more.
constexpr uint64_t kPartBytes = 256;

/// Memory that is needed from one step to another, both included.
struct MemoryRequest {
  uint64_t bytes; // a multiple of kPartBytes, not 0
  size_t firstStep, lastStep;
  uint64_t offset = 0; // the answer
};

/// Sets the offsets, which begin at `begin`. Returns the end of the last part, or 0 if it is beyond
/// `limit`.
uint64_t placeInWorkspace(std::vector<MemoryRequest> &requests, uint64_t begin, uint64_t limit);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_PLANMEMORY_H
