//===- GlobalMemory.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace basin::emulator;

//===----------------------------------------------------------------------===//
// Mapping
//===----------------------------------------------------------------------===//

Mapping::~Mapping() {
  if (base)
    munmap(base, bytes);
}

bool Mapping::reserve(size_t newBytes, bool low) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
#ifdef MAP_32BIT
  if (low)
    flags |= MAP_32BIT;
#endif
  void *memory = mmap(nullptr, newBytes, PROT_NONE, flags, -1, 0);
  if (memory == MAP_FAILED)
    return false;
  base = static_cast<char *>(memory);
  bytes = newBytes;
  return true;
}

bool Mapping::makeUsable(char *from, size_t size) {
  return size == 0 || mprotect(from, size, PROT_READ | PROT_WRITE) == 0;
}

//===----------------------------------------------------------------------===//
// GlobalMemory
//===----------------------------------------------------------------------===//

/// The gap before, between and behind buffers. An access outside is reported for the nearest
/// buffer: after an overrun by less than half a gap, that is the buffer that it left.
static constexpr size_t kGap = size_t(64) << 20;

static size_t roundUp(size_t bytes) {
  size_t page = sysconf(_SC_PAGESIZE);
  return (bytes + page - 1) / page * page;
}

llvm::Error GlobalMemory::create(llvm::ArrayRef<Buffer> given) {
  buffers.assign(given.begin(), given.end());
  size_t total = kGap;
  for (const Buffer &buffer : buffers)
    total += roundUp(buffer.shift + buffer.bytes) + kGap;
  if (!mapping.reserve(total, /*low=*/false))
    return llvm::createStringError("cannot reserve addresses for the buffers of the launch");
  char *next = mapping.get() + kGap;
  for (const Buffer &buffer : buffers) {
    size_t used = roundUp(buffer.shift + buffer.bytes);
    if (!mapping.makeUsable(next, used))
      return llvm::createStringError("out of memory for buffer '" + buffer.name + "'");
    copies.push_back(next + buffer.shift);
    if (buffer.bytes)
      std::memcpy(copies.back(), buffer.pointer, buffer.bytes);
    next += used + kGap;
  }
  return llvm::Error::success();
}

void GlobalMemory::writeBack() const {
  for (auto [buffer, copy] : llvm::zip_equal(buffers, copies))
    if (buffer.writable && buffer.bytes)
      std::memcpy(buffer.pointer, copy, buffer.bytes);
}

void *GlobalMemory::translate(void *p) const {
  for (auto [buffer, copy] : llvm::zip_equal(buffers, copies)) {
    auto *begin = static_cast<char *>(buffer.pointer), *at = static_cast<char *>(p);
    if (at >= begin && (at < begin + buffer.bytes || at == begin))
      return copy + (at - begin);
  }
  return p;
}

GlobalMemory::Place GlobalMemory::find(const void *p) const {
  Place place;
  int64_t nearest = INT64_MAX;
  for (auto [buffer, copy] : llvm::zip_equal(buffers, copies)) {
    int64_t offset = static_cast<const char *>(p) - copy;
    int64_t distance = offset < 0                       ? -offset
                       : offset < int64_t(buffer.bytes) ? 0
                                                        : offset - int64_t(buffer.bytes) + 1;
    if (distance < nearest) {
      nearest = distance;
      place = {&buffer, offset};
    }
  }
  return place;
}
