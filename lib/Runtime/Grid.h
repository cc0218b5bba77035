//===- Grid.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a launch's arguments say: whether they are those of the kernel, and its grid.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_GRID_H
#define BASIN_LIB_RUNTIME_GRID_H

#include "KernelObject.h"

namespace basin::rt {

using Arguments = std::span<const basin_rt_argument>;

/// Their count, kinds and types.
Status checkArguments(const Kernel &kernel, Arguments arguments);

/// Checks that a kernel may follow the pointers: none is null, each is aligned, and what
/// the kernel writes is no other argument, too. How far a tensor reaches is not known here.
Status checkPointers(const Kernel &kernel, Arguments arguments);

/// All 0 where a size that the grid depends on is 0. Takes checked arguments.
Status computeGrid(const Kernel &kernel, Arguments arguments, std::array<uint32_t, 3> &grid);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_GRID_H
