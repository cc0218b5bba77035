//===- Async.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// cp.async. The emulator makes a copy as late as the GPU may make it: when its thread
// waits for it. Until then the destination holds NaNs, and an access to it is a finding.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include <cstring>

using namespace basin::emulator;

void Machine::cpAsync(char *destination, char *source, uint32_t bytes, uint32_t sourceBytes,
                      uint32_t site) {
  Thread &thread = self();
  thread.site = site;
  ++report.counters.asyncCopies;
  if (sourceBytes > bytes) {
    find(FindingKind::BadOperand, site, 0,
         "a copy of " + llvm::Twine(bytes) + " bytes that reads " + llvm::Twine(sourceBytes));
    sourceBytes = bytes;
  }
  bool reads =
      sourceBytes == 0 || check(source, sourceBytes, bytes, AccessKind::Load, Space::Global, site);
  traffic.record(thread.warp, thread.lane, site, reinterpret_cast<uint64_t>(source), sourceBytes,
                 /*shared=*/false, /*store=*/false);
  traffic.record(thread.warp, thread.lane, site, reinterpret_cast<uint64_t>(destination), bytes,
                 /*shared=*/true, /*store=*/true);
  if (!check(destination, bytes, bytes, AccessKind::Store, Space::Shared, site))
    return;
  int64_t offset = shared.offsetOf(destination);
  AsyncCopy copy{++copies, site, destination, reads ? source : nullptr, bytes, sourceBytes};
  siteOfCopy[copy.number] = site;
  std::memset(destination, 0xff, bytes);
  shared.setPending(offset, bytes, copy.number);
  thread.uncommitted.push_back(copy);
}

void Machine::cpAsyncCommit() {
  Thread &thread = self();
  thread.groups.push_back(std::move(thread.uncommitted));
  thread.uncommitted.clear();
}

void Machine::finish(const AsyncCopy &copy) {
  int64_t offset = shared.offsetOf(copy.destination);
  shared.clearPending(offset, copy.bytes, copy.number);
  if (copy.source) {
    std::memcpy(copy.destination, copy.source, copy.sourceBytes);
    std::memset(copy.destination + copy.sourceBytes, 0, copy.bytes - copy.sourceBytes);
  }
  // The copy counts as a write of this thread at this time: other threads need a barrier
  // after it.
  Access access{clocks.now(running), uint16_t(running), uint16_t(copy.site)};
  shared.touch(offset, copy.bytes, access, AccessKind::Store, clocks, sites, [](Access) {});
}

void Machine::cpAsyncWait(uint32_t left) {
  Thread &thread = self();
  while (thread.groups.size() > left) {
    for (const AsyncCopy &copy : thread.groups.front())
      finish(copy);
    thread.groups.erase(thread.groups.begin());
  }
}
