//===- Memory.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The memory of a launch: copies of its buffers, far apart, and its shared memory with a
// record of the accesses to each byte.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_MEMORY_H
#define BASIN_LIB_EMULATOR_MEMORY_H

#include "Clocks.h"
#include "Sites.h"

#include "basin/Emulator/Emulator.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace basin::emulator {

/// Owns a range of addresses, and unmaps it at the end.
class Mapping {
public:
  Mapping() = default;
  ~Mapping();
  Mapping(const Mapping &) = delete;
  /// Reserves addresses that cannot be accessed yet. They are below 2 GiB if `low` is set and
  /// the system offers such addresses. Returns whether there were any.
  bool reserve(size_t bytes, bool low);
  bool makeUsable(char *from, size_t bytes);
  bool contains(const void *p) const { return p >= base && p < base + bytes; }
  char *get() const { return base; }

private:
  char *base = nullptr;
  size_t bytes = 0;
};

class GlobalMemory {
public:
  /// Makes the copies of the buffers.
  llvm::Error create(llvm::ArrayRef<Buffer> buffers);
  /// Copies the contents of writable buffers back.
  void writeBack() const;

  /// Returns where the copy has the launch's address `p`, or `p` itself if it is in no buffer.
  void *translate(void *p) const;

  bool contains(const void *p) const { return mapping.contains(p); }
  struct Place {
    const Buffer *buffer = nullptr; // the buffer nearest to the address
    int64_t offset = 0;             // of the address from the buffer's beginning
    bool isInside(size_t bytes) const {
      return buffer && offset >= 0 && size_t(offset) + bytes <= buffer->bytes;
    }
    /// Returns the address in the launch's own buffer.
    uint64_t address() const { return reinterpret_cast<uint64_t>(buffer->pointer) + offset; }
  };
  Place find(const void *p) const;

private:
  Mapping mapping;
  std::vector<Buffer> buffers;
  std::vector<char *> copies;
};

/// One access to a byte of shared memory.
struct Access {
  uint32_t clock = 0; // the thread's time at the access; 0 if there was no access
  uint16_t thread = 0, site = 0;
  bool operator==(const Access &) const = default;
};

class SharedMemory {
public:
  llvm::Error create(size_t bytes);
  char *get() const { return base; }
  size_t size() const { return bytes; }
  /// Returns whether the address is in shared memory or in the gap around it.
  bool isNear(const void *p) const { return mapping.contains(p); }
  int64_t offsetOf(const void *p) const { return static_cast<const char *>(p) - base; }
  bool isInside(int64_t offset, size_t size) const {
    return offset >= 0 && size_t(offset) + size <= bytes;
  }

  /// Begins a new block: fills shared memory with bytes that are a NaN in every format, and
  /// forgets all accesses.
  void poison();

  /// Records an access to `size` bytes. Calls `race` with each earlier access that conflicts
  /// with it and that nothing orders before it.
  void touch(int64_t offset, size_t size, Access access, AccessKind kind, const Clocks &clocks,
             llvm::ArrayRef<Site> sites, llvm::function_ref<void(Access)> race);
  /// Returns the offset of the first byte that was not written, or -1 if all were.
  int64_t findUndefined(int64_t offset, size_t size) const;
  void define(int64_t offset, size_t size);

  // These record which bytes belong to a copy that was not waited for yet. Copies are
  // numbered from 1, and 0 stands for none.
  void setPending(int64_t offset, size_t size, uint32_t copy);
  void clearPending(int64_t offset, size_t size, uint32_t copy);
  uint32_t findPending(int64_t offset, size_t size) const;

private:
  /// The number of readers kept for a byte. A reader that is ordered before a later one needs
  /// no place: a write that is ordered after the later one is ordered after both.
  static constexpr unsigned kReaders = 4;
  struct Cell {
    Access write;
    Access reads[kReaders];
    bool operator==(const Cell &) const = default;
  };
  void addReader(Cell &cell, Access access, const Clocks &clocks);

  Mapping mapping;
  char *base = nullptr;
  size_t bytes = 0;
  std::vector<Cell> cells;
  std::vector<uint8_t> defined;
  std::vector<uint32_t> pending;
};

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_MEMORY_H
