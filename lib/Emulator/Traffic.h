//===- Traffic.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Groups lanes' accesses into the warp instructions that the hardware would
// issue, and counts what each moves: the n-th access of a lane at a place, since
// its warp was last together, goes with the other lanes' n-th.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_TRAFFIC_H
#define BASIN_LIB_EMULATOR_TRAFFIC_H

#include "Sites.h"

#include "basin/Emulator/Report.h"

#include <memory>

namespace basin::emulator {

class Traffic {
public:
  explicit Traffic(llvm::ArrayRef<Site> sites)
      : sites(sites), global(sites.size()), shared(sites.size()) {}

  void reset(unsigned warps);
  void record(unsigned warp, unsigned lane, uint32_t site, uint64_t address, uint32_t bytes,
              bool shared, bool store);
  /// The warp is together: what was recorded of it is counted.
  void flush(unsigned warp);

  /// Rows of 16 bytes that one phase of ldmatrix or stmatrix takes.
  void countRows(llvm::ArrayRef<uint64_t> addresses, uint32_t site, bool store);
  void countMatrixInstruction(uint64_t bytes, uint32_t site, bool store);

  /// Each place's counters, and their sums.
  void report(Report &to) const;

private:
  struct Group {
    uint32_t lanes = 0;
    uint32_t bytes[32];
    uint64_t addresses[32];
  };
  /// Of one place and one memory, in one warp.
  struct Place {
    std::vector<std::unique_ptr<Group>> groups;
    uint32_t counts[32] = {};
  };
  /// Of one memory, in one warp.
  struct Accesses {
    std::vector<std::unique_ptr<Place>> ofSite;
    std::vector<uint32_t> touched;
  };
  struct Warp {
    Accesses global, shared;
  };
  struct Counted {
    bool store = false;
    MemoryCounters memory;
  };
  static void countGlobal(const Group &group, MemoryCounters &to);
  static void countShared(const Group &group, MemoryCounters &to);

  llvm::ArrayRef<Site> sites;
  std::vector<Counted> global, shared; // by site
  std::vector<Warp> warps;
};

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_TRAFFIC_H
