//===- Report.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the emulator found and counted in one launch.
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
  /// A write to a buffer that is not writable.
  ReadOnlyWrite,
  /// Two threads access one byte of shared memory, one of them writes, and nothing orders
  /// the accesses.
  Race,
  /// A read of shared memory that nothing in this block wrote before.
  Uninitialized,
  /// An access to bytes of an asynchronous copy that was not waited for.
  AsyncNotWaited,
  /// Not all threads that must execute an op together came to it.
  Divergence,
  /// A shuffle reads a lane that does not execute it.
  InactiveLane,
  /// All threads wait, or some have ended while others wait for them.
  Deadlock,
  /// An operand has a value that the op does not allow, such as a barrier's id or count, or
  /// an object that is no mbarrier.
  BadOperand,
};

llvm::StringRef toString(FindingKind kind);

struct Finding {
  FindingKind kind;
  std::string op;       // its name, and which of that name in the kernel
  std::string location; // MLIR's: a name, or file:line
  std::array<unsigned, 3> block, thread;
  /// The launch's own address for global memory, the offset for shared memory, and 0 where
  /// the finding is about no access.
  uint64_t address = 0;
  std::string message;
  /// The other op of a race or a divergence, and empty for other findings.
  std::string otherOp, otherLocation;
  /// How often it was found. The other members describe the first time.
  uint64_t count = 1;
};

/// Counters of warp instructions: lanes' accesses are grouped as the hardware groups them.
struct MemoryCounters {
  uint64_t instructions = 0;
  uint64_t bytes = 0; // that lanes asked for
  /// For global memory: sectors of 32 bytes, and the distinct bytes accessed in them.
  uint64_t sectors = 0, distinctBytes = 0;
  /// For shared memory: passes over its banks beyond the first one of each phase.
  uint64_t extraWavefronts = 0;

  /// The share of the sectors' bytes that was accessed, and 1 without any sector.
  double efficiency() const { return sectors == 0 ? 1 : double(distinctBytes) / (32.0 * sectors); }

  MemoryCounters &operator+=(const MemoryCounters &other);
};

struct Counters {
  MemoryCounters globalLoads, globalStores, sharedLoads, sharedStores;
  /// Barriers are counted per block, collective ops and mma per warp, copies per thread.
  uint64_t barriers = 0, warpCollectives = 0, mma = 0, asyncCopies = 0;
};

/// What the accesses of one op did in all blocks.
struct AccessCounters {
  std::string op, location; // as in Finding
  bool shared = false, store = false;
  MemoryCounters memory;
};

struct Report {
  /// The first findings, one for each place.
  std::vector<Finding> findings;
  /// The number of all findings, with repetitions and those beyond the limit.
  uint64_t totalFindings = 0;
  Counters counters;
  /// The counters of each op that accessed memory, in the order of the kernel. `counters`
  /// has their sums. An op that copies has two entries, for its source and destination.
  std::vector<AccessCounters> accesses;
  /// The number of blocks that were given up because their threads could not go on.
  uint64_t abandonedBlocks = 0;

  bool clean() const { return totalFindings == 0; }
  void print(llvm::raw_ostream &os) const;
};

} // namespace basin::emulator

#endif // BASIN_EMULATOR_REPORT_H
