//===- Grid.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks a launch's arguments against the kernel, and computes the grid from them.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_GRID_H
#define BASIN_LIB_RUNTIME_GRID_H

#include "KernelObject.h"

namespace basin::rt {

using Arguments = std::span<const basin_rt_argument>;

/// Checks the arguments' count, kinds and types.
Status checkArguments(const Kernel &kernel, Arguments arguments);

/// Checks that a kernel may follow the pointers: none is null, each is aligned, and a pointer
/// that the kernel writes through equals no other. How far a tensor reaches is not known here.
Status checkPointers(const Kernel &kernel, Arguments arguments);

/// Computes the grid, which is all 0 if a size that it depends on is 0. The arguments must have
/// been checked.
Status computeGrid(const Kernel &kernel, Arguments arguments, std::array<uint32_t, 3> &grid);

/// Checks all that can be wrong with a launch, and computes its grid. If the grid is empty, nobody
/// follows the pointers, and they may be anything.
Status checkLaunch(const Kernel &kernel, Arguments arguments, std::array<uint32_t, 3> &grid);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_GRID_H
