//===- Allocations.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Counts the allocations of the whole process, the runtime's among them.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_UNITTESTS_ALLOCATIONS_H
#define BASIN_UNITTESTS_ALLOCATIONS_H

#include <cstddef>

namespace basin::test {

/// Returns the number of allocations by `new` so far.
size_t countAllocations();

} // namespace basin::test

#endif // BASIN_UNITTESTS_ALLOCATIONS_H
