//===- Memory.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The memory of a launch: copies of its buffers, far apart, and shared memory
// with what is known of each of its bytes.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_MEMORY_H
#define BASIN_LIB_EMULATOR_MEMORY_H

#include "Clocks.h"
#include "Sites.h"

#include "basin/Emulator/Emulator.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace basin::emulator {

/// An address range that only this maps; unmapped at the end.
class Mapping {
public:
  Mapping() = default;
  ~Mapping();
  Mapping(const Mapping &) = delete;
  /// Reserves addresses; below 2 GiB if `low` and the system can. Not yet usable.
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
  /// Copies the buffers in.
  llvm::Error create(llvm::ArrayRef<Buffer> buffers);
  /// Copies the writable ones back.
  void writeBack() const;

  /// Where the copy has what the launch has at `p`; `p` if that is in no buffer.
  void *translate(void *p) const;

  bool contains(const void *p) const { return mapping.contains(p); }
  struct Place {
    const Buffer *buffer = nullptr; // the nearest
    int64_t offset = 0;             // from its beginning
    bool isInside(size_t bytes) const {
      return buffer && offset >= 0 && size_t(offset) + bytes <= buffer->bytes;
    }
    /// As the launch has it.
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
  /// Near it, be it inside or not.
  bool isNear(const void *p) const { return mapping.contains(p); }
  int64_t offsetOf(const void *p) const { return static_cast<const char *>(p) - base; }
  bool isInside(int64_t offset, size_t size) const {
    return offset >= 0 && size_t(offset) + size <= bytes;
  }

  /// What a new block finds: bytes that make a NaN in every format.
  void poison();

  /// Calls `race` with an earlier access that nothing orders before this one.
  void touch(int64_t offset, size_t size, Access access, AccessKind kind, const Clocks &clocks,
             llvm::ArrayRef<Site> sites, llvm::function_ref<void(Access)> race);
  /// The first byte there that was not written; -1 if all were.
  int64_t findUndefined(int64_t offset, size_t size) const;
  void define(int64_t offset, size_t size);

  // Copies on their way, by numbers from 1 on.
  void setPending(int64_t offset, size_t size, uint32_t copy);
  void clearPending(int64_t offset, size_t size, uint32_t copy);
  uint32_t findPending(int64_t offset, size_t size) const;

private:
  /// Readers that are not known to be before each other; the last few of them.
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
