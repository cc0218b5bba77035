//===- Report.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Emulator/Report.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/Format.h"

using namespace basin::emulator;

llvm::StringRef basin::emulator::toString(FindingKind kind) {
  switch (kind) {
  case FindingKind::OutOfBounds:
    return "out of bounds";
  case FindingKind::Misaligned:
    return "misaligned";
  case FindingKind::ReadOnlyWrite:
    return "write to an input";
  case FindingKind::Race:
    return "race";
  case FindingKind::Uninitialized:
    return "uninitialized";
  case FindingKind::AsyncNotWaited:
    return "copy not waited for";
  case FindingKind::Divergence:
    return "divergence";
  case FindingKind::InactiveLane:
    return "inactive lane";
  case FindingKind::Deadlock:
    return "deadlock";
  case FindingKind::BadOperand:
    return "bad operand";
  }
  llvm_unreachable("a finding of no kind");
}

static void print(llvm::raw_ostream &os, const std::array<unsigned, 3> &id) {
  os << '(' << id[0] << ',' << id[1] << ',' << id[2] << ')';
}

static void print(llvm::raw_ostream &os, const Finding &finding) {
  os << toString(finding.kind) << ": " << finding.op;
  if (!finding.location.empty())
    os << " at " << finding.location;
  os << ", block ";
  print(os, finding.block);
  os << ", thread ";
  print(os, finding.thread);
  os << ", address " << llvm::format_hex(finding.address, 0) << ": " << finding.message;
  if (finding.count > 1)
    os << " (" << finding.count << " times)";
  os << '\n';
  if (!finding.otherOp.empty())
    os << "  the other: " << finding.otherOp
       << (finding.otherLocation.empty() ? "" : " at " + finding.otherLocation) << '\n';
}

MemoryCounters &MemoryCounters::operator+=(const MemoryCounters &other) {
  instructions += other.instructions;
  bytes += other.bytes;
  sectors += other.sectors;
  distinctBytes += other.distinctBytes;
  extraWavefronts += other.extraWavefronts;
  return *this;
}

static void print(llvm::raw_ostream &os, const llvm::Twine &name, const MemoryCounters &memory,
                  bool global) {
  if (memory.instructions == 0)
    return;
  os << name << ": " << memory.instructions << " warp instructions, " << memory.bytes << " bytes";
  if (global)
    os << ", " << memory.sectors << " sectors, " << llvm::format("%.1f", 100 * memory.efficiency())
       << " % of their bytes asked for";
  else
    os << ", " << memory.extraWavefronts << " extra wavefronts";
  os << '\n';
}

void Report::print(llvm::raw_ostream &os) const {
  for (const Finding &finding : findings)
    ::print(os, finding);
  os << totalFindings << " findings in " << findings.size() << " places";
  if (abandonedBlocks)
    os << ", " << abandonedBlocks << " blocks given up";
  os << '\n';
  ::print(os, "global loads", counters.globalLoads, true);
  ::print(os, "global stores", counters.globalStores, true);
  ::print(os, "shared loads", counters.sharedLoads, false);
  ::print(os, "shared stores", counters.sharedStores, false);
  for (const AccessCounters &access : accesses)
    if (access.memory.efficiency() < 1 || access.memory.extraWavefronts > 0)
      ::print(os,
              llvm::Twine("  ") + access.op +
                  (access.location.empty() ? "" : " at " + access.location) + ", " +
                  (access.shared ? "shared" : "global") + (access.store ? " store" : " load"),
              access.memory, !access.shared);
  os << counters.barriers << " barriers, " << counters.warpCollectives << " warp collectives, "
     << counters.mma << " mma, " << counters.asyncCopies << " asynchronous copies\n";
}
