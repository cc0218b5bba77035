//===- Memory.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The memory of a launch: copies of its buffers, far apart, and its shared memory with the
// accesses to each byte.
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
  /// Reserves addresses, below 2 GiB if `low` is set and the system has some there. They
  /// cannot be accessed yet.
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

  /// The address in the copy for an address `p` of the launch; `p` itself if no buffer has it.
  void *translate(void *p) const;

  bool contains(const void *p) const { return mapping.contains(p); }
  struct Place {
    const Buffer *buffer = nullptr; // the nearest
    int64_t offset = 0;             // from its beginning
    bool isInside(size_t bytes) const {
      return buffer && offset >= 0 && size_t(offset) + bytes <= buffer->bytes;
    }
    /// The address in the buffer of the launch.
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
  uint32_t clock = 0; // of its thread; 0 if there was none
  uint16_t thread = 0, site = 0;
  bool operator==(const Access &) const = default;
};

class SharedMemory {
public:
  llvm::Error create(size_t bytes);
  char *get() const { return base; }
  size_t size() const { return bytes; }
  /// Whether the address is in shared memory or in the gap around it.
  bool isNear(const void *p) const { return mapping.contains(p); }
  int64_t offsetOf(const void *p) const { return static_cast<const char *>(p) - base; }
  bool isInside(int64_t offset, size_t size) const {
    return offset >= 0 && size_t(offset) + size <= bytes;
  }

  /// Fills shared memory for a new block with bytes that are a NaN in every format.
  void poison();

  /// Notes an access. Calls `race` with an earlier one that nothing orders before it.
  void touch(int64_t offset, size_t size, Access access, AccessKind kind, const Clocks &clocks,
             llvm::ArrayRef<Site> sites, llvm::function_ref<void(Access)> race);
  /// The offset of the first byte that was not written, or -1 if all were.
  int64_t findUndefined(int64_t offset, size_t size) const;
  void define(int64_t offset, size_t size);

  // Copies that were not waited for yet. They are numbered from 1.
  void setPending(int64_t offset, size_t size, uint32_t copy);
  void clearPending(int64_t offset, size_t size, uint32_t copy);
  uint32_t findPending(int64_t offset, size_t size) const;

private:
  /// How many readers of a byte are kept that are not known to be ordered.
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
