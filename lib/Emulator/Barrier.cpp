//===- Barrier.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The sixteen barriers of a block, and the mbarriers in its shared memory.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace basin::emulator;
using mlir::NVVM::BarrierReduction;

bool Machine::arrive(uint32_t id, uint32_t given, bool waits, uint32_t site) {
  self().site = site;
  uint32_t expected = given ? given : threads.size();
  if (id >= barriers.size() || expected > threads.size() || (given && given % 32)) {
    find(FindingKind::BadOperand, site, 0,
         "barrier " + llvm::Twine(id) + " of " + llvm::Twine(expected) +
             " threads: expected a barrier from 0 to 15, and a multiple of 32 threads, " +
             llvm::Twine(threads.size()) + " at most");
    return false;
  }
  Barrier &barrier = barriers[id];
  if (barrier.arrivals.empty()) {
    barrier.expected = expected;
  } else if (barrier.expected != expected) {
    find(FindingKind::BadOperand, site, 0,
         "barrier " + llvm::Twine(id) + " waits for " + llvm::Twine(expected) +
             " threads here, but for " + llvm::Twine(barrier.expected) + " there",
         barrier.arrivals.front().site);
    return false;
  }
  barrier.arrivals.push_back({running, site, waits});
  clocks.release(running, barrier.released);
  return true;
}

/// Reports warps that did not come to the barrier with all their lanes at one op.
void Machine::checkAligned(const Barrier &barrier) {
  std::vector<const Barrier::Arrival *> first(warps.size());
  std::vector<uint32_t> came(warps.size());
  for (const Barrier::Arrival &arrival : barrier.arrivals) {
    const Thread &thread = threads[arrival.thread];
    const Barrier::Arrival *&one = first[thread.warp];
    one = one ? one : &arrival;
    came[thread.warp] |= 1u << thread.lane;
    if (one->site != arrival.site)
      find(FindingKind::Divergence, one->site, 0,
           "threads of one warp come to a barrier at different places", arrival.site,
           &threads[one->thread]);
  }
  for (const Warp &warp : warps)
    if (uint32_t missing = warp.existing & ~came[warp.index]; missing && came[warp.index]) {
      const Thread &other = threadOf(warp, llvm::countr_zero(missing));
      std::optional<uint32_t> otherSite;
      if (other.state != Thread::Done)
        otherSite = other.site;
      find(FindingKind::Divergence, first[warp.index]->site, 0,
           "only a part of a warp comes to a barrier", otherSite,
           &threads[first[warp.index]->thread]);
    }
}

void Machine::complete(Barrier &barrier, int32_t reduction) {
  checkAligned(barrier);
  ++report.counters.barriers;
  uint32_t sum = 0, count = 0;
  for (const Barrier::Arrival &arrival : barrier.arrivals) {
    if (!arrival.waits)
      continue;
    ++count;
    sum += threads[arrival.thread].operands[0] != 0;
  }
  uint32_t result = 0;
  if (reduction >= 0) {
    auto kind = BarrierReduction(reduction);
    result = kind == BarrierReduction::POPC  ? sum
             : kind == BarrierReduction::AND ? sum == count
                                             : sum != 0;
  }
  std::vector<uint32_t> came(warps.size());
  for (const Barrier::Arrival &arrival : barrier.arrivals) {
    Thread &thread = threads[arrival.thread];
    came[thread.warp] |= 1u << thread.lane;
    if (!arrival.waits)
      continue;
    clocks.acquire(arrival.thread, barrier.released);
    thread.result = result;
    if (thread.state == Thread::Waiting)
      thread.state = Thread::Ready;
  }
  for (Warp &warp : warps)
    flushIfTogether(warp, came[warp.index]);
  barrier = {};
}

uint32_t Machine::barrier(uint32_t id, uint32_t given, int32_t reduction, uint32_t predicate,
                          uint32_t site) {
  Thread &thread = self();
  thread.operands[0] = predicate;
  if (!arrive(id, given, /*waits=*/true, site))
    return 0;
  Barrier &barrier = barriers[id];
  if (barrier.arrivals.size() == barrier.expected)
    complete(barrier, reduction);
  else
    wait();
  return uint32_t(thread.result);
}

void Machine::barrierArrive(uint32_t id, uint32_t given, uint32_t site) {
  if (!arrive(id, given, /*waits=*/false, site))
    return;
  Barrier &barrier = barriers[id];
  if (barrier.arrivals.size() == barrier.expected)
    complete(barrier, /*reduction=*/-1);
}

//===----------------------------------------------------------------------===//
// mbarriers. The machine keeps the state of each one beside shared memory, by its offset. It
// never reads the object's bytes.
//===----------------------------------------------------------------------===//

MBarrier *Machine::findMBarrier(char *object, uint32_t site) {
  self().site = site;
  int64_t offset = shared.offsetOf(object);
  auto it = mbarriers.find(offset);
  if (it != mbarriers.end())
    return &it->second;
  find(FindingKind::BadOperand, site, offset,
       "no mbarrier was made at " + llvm::Twine(offset) + " of shared memory");
  return nullptr;
}

void Machine::mbarrierInit(char *object, uint32_t count, uint32_t site) {
  self().site = site;
  int64_t offset = shared.offsetOf(object);
  if (!shared.isInside(offset, 8) || offset % 8) {
    find(FindingKind::OutOfBounds, site, offset,
         "an mbarrier at " + llvm::Twine(offset) +
             ", which is not in shared memory or not a multiple of 8");
    return;
  }
  shared.define(offset, 8);
  touchShared(offset, 8, AccessKind::Store, site);
  MBarrier fresh;
  fresh.expected = fresh.pending = count;
  mbarriers[offset] = std::move(fresh);
}

void Machine::mbarrierInval(char *object, uint32_t site) {
  if (!findMBarrier(object, site))
    return;
  touchShared(shared.offsetOf(object), 8, AccessKind::Store, site);
  mbarriers.erase(shared.offsetOf(object));
}

uint64_t Machine::mbarrierArrive(char *object, uint32_t count, uint32_t site) {
  MBarrier *barrier = findMBarrier(object, site);
  if (!barrier)
    return 0;
  // An arrival counts as a read of the object. If the thread did not wait until another one
  // had made the mbarrier, that is a race.
  touchShared(shared.offsetOf(object), 8, AccessKind::Load, site);
  uint64_t phase = barrier->phase;
  clocks.release(running, barrier->released);
  if (count == 0 || count > barrier->pending) {
    find(FindingKind::BadOperand, site, shared.offsetOf(object),
         "expected 1 to " + llvm::Twine(barrier->pending) +
             " arrivals, as many as are left in the phase of the mbarrier, but got " +
             llvm::Twine(count));
    count = barrier->pending;
  }
  barrier->pending -= count;
  if (barrier->pending == 0) {
    ++barrier->phase;
    barrier->pending = barrier->expected;
    barrier->completed = std::move(barrier->released);
    barrier->released.clear();
    for (unsigned thread : barrier->waiting)
      threads[thread].state = Thread::Ready;
    barrier->waiting.clear();
  }
  return phase;
}

bool Machine::mbarrierTest(char *object, uint64_t state, uint32_t site) {
  MBarrier *barrier = findMBarrier(object, site);
  if (!barrier)
    return true;
  touchShared(shared.offsetOf(object), 8, AccessKind::Load, site);
  if (barrier->phase == state) {
    wait(Thread::Spinning); // gives the other threads their turn
    return false;
  }
  clocks.acquire(running, barrier->completed);
  return true;
}

void Machine::mbarrierWaitParity(char *object, uint32_t parity, uint32_t site) {
  MBarrier *barrier = findMBarrier(object, site);
  if (!barrier)
    return;
  touchShared(shared.offsetOf(object), 8, AccessKind::Load, site);
  // The phase of this parity is over as soon as the current phase has the other parity.
  while ((barrier->phase & 1) == (parity & 1)) {
    barrier->waiting.push_back(running);
    wait();
  }
  clocks.acquire(running, barrier->completed);
}
