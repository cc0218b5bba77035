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
  /// An address that is not a multiple of the alignment that the op states.
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
  /// A shuffle that reads a lane which does not take part in it.
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
  std::string op;       // "llvm.load #3": the fourth llvm.load of its function
  std::string location; // the MLIR location: a name, or file:line:column
  std::array<unsigned, 3> block, thread;
  /// For global memory the address in the launch's own buffer, for shared memory the offset,
  /// and 0 for a finding that is not about an access.
  uint64_t address = 0;
  std::string message;
  /// The other op of a race or a divergence, and empty for other findings.
  std::string otherOp, otherLocation;
  /// How often it was found. The other members describe the first time.
  uint64_t count = 1;
};

/// Counts warp instructions: the accesses of lanes are grouped as the hardware groups them.
struct MemoryCounters {
  uint64_t instructions = 0;
  uint64_t bytes = 0; // the sum of what the lanes asked for
  /// The 32-byte sectors of global memory that were touched, and the distinct bytes that
  /// were accessed in them. Both are 0 for shared memory.
  uint64_t sectors = 0, distinctBytes = 0;
  /// The passes over the banks of shared memory beyond the first one of each phase. They
  /// are 0 for global memory.
  uint64_t extraWavefronts = 0;

  /// Returns the share of the sectors' bytes that was accessed, or 1 if there are none.
  double efficiency() const { return sectors == 0 ? 1 : double(distinctBytes) / (32.0 * sectors); }

  MemoryCounters &operator+=(const MemoryCounters &other);
};

struct Counters {
  MemoryCounters globalLoads, globalStores, sharedLoads, sharedStores;
  /// Barriers are counted per block, collective ops and mma per warp, copies per thread.
  uint64_t barriers = 0, warpCollectives = 0, mma = 0, asyncCopies = 0;
};

/// The counters of one op over all blocks.
struct AccessCounters {
  std::string op, location; // as in Finding
  bool shared = false, store = false;
  MemoryCounters memory;
};

struct Report {
  /// The first findings. A finding that repeats is here once, with a count.
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
