//===- Allocations.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<size_t> allocations;

size_t basin::test::countAllocations() { return allocations; }

void *operator new(size_t bytes) {
  ++allocations;
  if (void *out = std::malloc(bytes ? bytes : 1))
    return out;
  throw std::bad_alloc();
}
void operator delete(void *pointer) noexcept { std::free(pointer); }
void operator delete(void *pointer, size_t) noexcept { std::free(pointer); }
