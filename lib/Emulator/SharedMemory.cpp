//===- SharedMemory.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Remembers the last write of each byte and the reads since then, like FastTrack (Flanagan
// and Freund, PLDI 2009), but keeps a few readers instead of all.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "llvm/ADT/STLExtras.h"

#include <cstring>

using namespace basin::emulator;

/// The gap around shared memory. An access through a generic pointer that misses shared
/// memory by less than this is reported as one to shared memory.
static constexpr size_t kGap = 1 << 20;

llvm::Error SharedMemory::create(size_t newBytes) {
  bytes = newBytes;
  size_t usable = (bytes + 0xffff) & ~size_t(0xffff);
  // The addresses are below 2 GiB, because kernels may keep shared addresses in 32 bits.
  if (!mapping.reserve(usable + 2 * kGap, /*low=*/true))
    return llvm::createStringError("cannot reserve addresses for shared memory");
  base = mapping.get() + kGap;
  if (!mapping.makeUsable(base, usable))
    return llvm::createStringError("out of memory for shared memory");
  cells.resize(bytes);
  defined.resize(bytes);
  pending.resize(bytes);
  return llvm::Error::success();
}

void SharedMemory::poison() {
  if (bytes)
    std::memset(base, 0xff, bytes);
  llvm::fill(cells, Cell());
  llvm::fill(defined, 0);
  llvm::fill(pending, 0);
}

/// Adds a reader and drops those that are ordered before it. When all four places are taken,
/// it replaces a reader of the same warp: reads of other warps are less often ordered before
/// a later write, so they reveal more races.
void SharedMemory::addReader(Cell &cell, Access access, const Clocks &clocks) {
  Access *free = nullptr, *sameWarp = nullptr;
  for (Access &read : cell.reads) {
    if (read.clock && clocks.isBefore(read.thread, read.clock, access.thread))
      read = {};
    if (!read.clock)
      free = free ? free : &read;
    else if (read.thread / 32 == access.thread / 32)
      sameWarp = &read;
  }
  *(free ? free : sameWarp ? sameWarp : &cell.reads[0]) = access;
}

void SharedMemory::touch(int64_t offset, size_t size, Access access, AccessKind kind,
                         const Clocks &clocks, llvm::ArrayRef<Site> sites,
                         llvm::function_ref<void(Access)> race) {
  auto conflicts = [&](Access earlier) {
    return earlier.clock && !clocks.isBefore(earlier.thread, earlier.clock, access.thread);
  };
  Cell before, after;
  for (size_t i = 0; i < size; ++i) {
    Cell &cell = cells[offset + i];
    if (i > 0 && cell == before) { // as its neighbor was: it changes alike, races are reported
      cell = after;
      continue;
    }
    before = cell;
    bool bothAtomic =
        kind == AccessKind::Atomic && sites[cell.write.site].kind == AccessKind::Atomic;
    if (!bothAtomic && conflicts(cell.write))
      race(cell.write);
    if (kind == AccessKind::Load) {
      addReader(cell, access, clocks);
    } else {
      for (Access read : cell.reads)
        if (conflicts(read))
          race(read);
      cell = {};
      cell.write = access;
    }
    after = cell;
  }
}

int64_t SharedMemory::findUndefined(int64_t offset, size_t size) const {
  for (size_t i = 0; i < size; ++i)
    if (!defined[offset + i])
      return offset + i;
  return -1;
}

void SharedMemory::define(int64_t offset, size_t size) {
  std::fill_n(defined.begin() + offset, size, 1);
}

void SharedMemory::setPending(int64_t offset, size_t size, uint32_t copy) {
  std::fill_n(pending.begin() + offset, size, copy);
}

void SharedMemory::clearPending(int64_t offset, size_t size, uint32_t copy) {
  std::replace(pending.begin() + offset, pending.begin() + offset + size, copy, 0u);
}

uint32_t SharedMemory::findPending(int64_t offset, size_t size) const {
  for (size_t i = 0; i < size; ++i)
    if (pending[offset + i])
      return pending[offset + i];
  return 0;
}
