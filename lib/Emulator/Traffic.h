//===- Traffic.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Groups the accesses of lanes into the warp instructions that the hardware would issue, and
// counts what each one moves. Lanes of a warp run one after the other here. The n-th access
// of a lane at an op is therefore grouped with the n-th accesses of the other lanes there,
// counted from the last time that the warp was together.
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
  /// Counts the recorded accesses of a warp whose lanes are together now.
  void flush(unsigned warp);

  /// Counts the bank conflicts of the rows of 16 bytes that one phase of ldmatrix or stmatrix
  /// accesses.
  void countRows(llvm::ArrayRef<uint64_t> addresses, uint32_t site, bool store);
  void countMatrixInstruction(uint64_t bytes, uint32_t site, bool store);

  /// Writes the counters of each op and their sums into the report.
  void report(Report &to) const;

private:
  struct Group {
    uint32_t lanes = 0;
    uint32_t bytes[32];
    uint64_t addresses[32];
  };
  /// The accesses of a warp at one op to one of the memories.
  struct Place {
    std::vector<std::unique_ptr<Group>> groups;
    uint32_t counts[32] = {};
  };
  /// The accesses of a warp to one of the memories.
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
