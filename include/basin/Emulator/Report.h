//===- Report.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What one emulated launch found and counted.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_EMULATOR_REPORT_H
#define BASIN_EMULATOR_REPORT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace basin::emulator {

enum class FindingKind {
  /// An access outside the launch's buffers, or outside its shared memory.
  OutOfBounds,
  /// An address that is not a multiple of what the op states.
  Misaligned,
  /// A write to a buffer that the launch gave for reading.
  ReadOnlyWrite,
  /// Two accesses of different threads to one byte of shared memory, one of
  /// them a write, with nothing that orders them.
  Race,
  /// A read of shared memory that nothing wrote in this block.
  Uninitialized,
  /// An access to bytes that an asynchronous copy has not been waited for.
  AsyncNotWaited,
  /// Threads that an op is for did not all come to it.
  Divergence,
  /// A shuffle that reads a lane which takes no part.
  InactiveLane,
  /// Every thread waits, or some ended while others wait.
  Deadlock,
  /// An operand that the op does not take: a barrier's id or count, an object
  /// that is no mbarrier.
  BadOperand,
};

llvm::StringRef toString(FindingKind kind);

struct Finding {
  FindingKind kind;
  std::string op;       // its name, and which of that name in the kernel
  std::string location; // MLIR's: a name, or file:line
  std::array<unsigned, 3> block, thread;
  /// Of global memory the launch's own address, of shared memory the offset; 0
  /// where the finding is of no access.
  uint64_t address = 0;
  std::string message;
  /// The other place of a race or of a divergence; empty if there is none.
  std::string otherOp, otherLocation;
  /// How often it was found; the rest is of the first time.
  uint64_t count = 1;
};

/// Of warp instructions: lanes' accesses grouped as the hardware would.
struct MemoryCounters {
  uint64_t instructions = 0;
  uint64_t bytes = 0; // that lanes asked for
  /// Global memory: sectors of 32 bytes, and distinct bytes in them.
  uint64_t sectors = 0, distinctBytes = 0;
  /// Shared memory: passes over its banks beyond the one that each phase needs.
  uint64_t extraWavefronts = 0;

  /// Of the sectors' bytes, those that were asked for; 1 where there are none.
  double efficiency() const { return sectors == 0 ? 1 : double(distinctBytes) / (32.0 * sectors); }

  MemoryCounters &operator+=(const MemoryCounters &other);
};

struct Counters {
  MemoryCounters globalLoads, globalStores, sharedLoads, sharedStores;
  /// Per block, per warp, per warp, per thread.
  uint64_t barriers = 0, warpCollectives = 0, mma = 0, asyncCopies = 0;
};

/// What the accesses of one op did in all blocks.
struct AccessCounters {
  std::string op, location; // as in Finding
  bool shared = false, store = false;
  MemoryCounters memory;
};

struct Report {
  /// The first of them, each place once.
  std::vector<Finding> findings;
  /// All of them, those beyond the limit too.
  uint64_t totalFindings = 0;
  Counters counters;
  /// Whose sums are the counters of memory: of each op that accessed any, in the
  /// order of the kernel. An op that copies has two, of its source and of its
  /// destination.
  std::vector<AccessCounters> accesses;
  /// Blocks that were given up: their threads could not go on.
  uint64_t abandonedBlocks = 0;

  bool clean() const { return totalFindings == 0; }
  void print(llvm::raw_ostream &os) const;
};

} // namespace basin::emulator

#endif // BASIN_EMULATOR_REPORT_H
