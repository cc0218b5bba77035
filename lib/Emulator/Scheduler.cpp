//===- Scheduler.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs blocks one after the other. It goes over the threads of a block again and again, and
// each thread runs until it has to wait. If a pass runs no thread although some have not
// ended, the block is stuck: the scheduler reports why and gives the block up.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "llvm/ADT/StringExtras.h"

#include <cstring>
#include <numeric>

using namespace basin::emulator;

thread_local Machine *Machine::current = nullptr;

/// A block also is stuck after more passes in a row than this in which threads only asked an
/// mbarrier whether they may go on.
static constexpr unsigned kSpinLimit = 1000;

Machine::Machine(llvm::ArrayRef<Site> sites, const Launch &launch, FiberPool &fibers,
                 Report &report)
    : sites(sites), launch(launch), fibers(fibers), report(report), traffic(sites),
      random(launch.seed) {}

static unsigned volume(const std::array<unsigned, 3> &size) { return size[0] * size[1] * size[2]; }

static std::array<unsigned, 3> unflatten(unsigned index, const std::array<unsigned, 3> &size) {
  return {index % size[0], index / size[0] % size[1], index / size[0] / size[1]};
}

std::vector<unsigned> Machine::orderOf(unsigned count, Order order) {
  std::vector<unsigned> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  if (order == Order::Reverse)
    std::reverse(indices.begin(), indices.end());
  if (order == Order::Random)
    std::shuffle(indices.begin(), indices.end(), random);
  return indices;
}

llvm::Error Machine::run(KernelFunction function, std::vector<void *> given) {
  kernel = function;
  if (llvm::Error error = global.create(launch.buffers))
    return error;
  if (llvm::Error error = shared.create(launch.sharedBytes))
    return error;
  arguments = std::move(given);
  // Arguments that point into a buffer are made to point into its copy.
  std::vector<void *> moved(launch.arguments.size());
  for (auto [i, argument] : llvm::enumerate(launch.arguments))
    if (auto *pointer = std::get_if<void *>(&argument)) {
      moved[i] = global.translate(*pointer);
      arguments[i] = static_cast<void *>(&moved[i]);
    }
  std::memset(poisonBytes, 0xff, sizeof(poisonBytes));
  Machine *outer = current;
  current = this;
  for (unsigned block : orderOf(volume(launch.grid), launch.blockOrder)) {
    startBlock(block);
    runBlock();
  }
  current = outer;
  traffic.report(report);
  global.writeBack();
  return llvm::Error::success();
}

void Machine::startBlock(unsigned block) {
  blockId = unflatten(block, launch.grid);
  unsigned count = volume(launch.block), warpCount = (count + 31) / 32;
  threads.assign(count, Thread());
  warps.assign(warpCount, Warp());
  for (unsigned i = 0; i < count; ++i) {
    threads[i].index = i;
    threads[i].warp = i / 32;
    threads[i].lane = i % 32;
    threads[i].id = unflatten(i, launch.block);
    warps[i / 32].existing |= 1u << i % 32;
  }
  for (unsigned i = 0; i < warpCount; ++i)
    warps[i].index = i;
  clocks = Clocks(count);
  barriers = {};
  mbarriers.clear();
  copies = 0;
  siteOfCopy.clear();
  shared.poison();
  traffic.reset(warpCount);
  fibers.reset(
      count,
      [](void *machine, unsigned index) { static_cast<Machine *>(machine)->runThread(index); },
      this);
}

void Machine::runThread(unsigned index) { kernel(arguments.data()); }

void Machine::runBlock() {
  unsigned spins = 0;
  for (bool left = true; left;) {
    bool ran = false, progressed = false;
    left = false;
    for (unsigned index : orderOf(threads.size(), launch.threadOrder)) {
      Thread &thread = threads[index];
      if (thread.state == Thread::Ready || thread.state == Thread::Spinning) {
        ran = true;
        running = index;
        thread.state = Thread::Ready;
        if (fibers.resume(index))
          thread.state = Thread::Done;
        progressed |= thread.state != Thread::Spinning;
      }
      left |= thread.state != Thread::Done;
    }
    spins = progressed ? 0 : spins + 1;
    if (left && (!ran || spins > kSpinLimit)) {
      reportStuck();
      ++report.abandonedBlocks;
      break;
    }
  }
  for (Warp &warp : warps)
    traffic.flush(warp.index);
}

void Machine::wait(Thread::State state) {
  unsigned index = running;
  threads[index].state = state;
  fibers.yield();
  running = index;
}

//===----------------------------------------------------------------------===//
// Stuck blocks
//===----------------------------------------------------------------------===//

static std::string nameOf(const Thread &thread) {
  return "(" + llvm::utostr(thread.id[0]) + "," + llvm::utostr(thread.id[1]) + "," +
         llvm::utostr(thread.id[2]) + ")";
}

std::string Machine::describeEnd(const Thread &thread) const {
  if (thread.state == Thread::Done)
    return "thread " + nameOf(thread) + " has ended";
  return "thread " + nameOf(thread) + " waits at " + sites[thread.site].op;
}

bool Machine::reportStuckWarp(const Warp &warp) {
  if (warp.meetings.empty())
    return false;
  const Meeting &meeting = warp.meetings.front();
  uint32_t missing = meeting.mask & ~meeting.arrived;
  const Thread &came = threadOf(warp, llvm::countr_zero(meeting.arrived));
  const Thread &other = threadOf(warp, llvm::countr_zero(missing));
  std::optional<uint32_t> otherSite;
  if (other.state != Thread::Done)
    otherSite = other.site;
  find(FindingKind::Divergence, came.site, 0,
       "lanes 0x" + llvm::utohexstr(meeting.arrived) + " of 0x" + llvm::utohexstr(meeting.mask) +
           " came, but " + describeEnd(other),
       otherSite, &came);
  return true;
}

void Machine::reportStuckBarriers() {
  const Thread *waits = nullptr, *other = nullptr;
  unsigned waiting = 0, ended = 0;
  for (const Thread &thread : threads) {
    ended += thread.state == Thread::Done;
    waiting += thread.state != Thread::Done;
    if (!waits && thread.state != Thread::Done)
      waits = &thread;
  }
  for (const Thread &thread : threads)
    if (thread.state == Thread::Done || thread.site != waits->site)
      other = other ? other : &thread;
  // All lanes of a warp must come to a barrier by one instruction. It is a divergence if one
  // waits elsewhere.
  bool sameWarp = other && other->warp == waits->warp && other->state != Thread::Done;
  std::string text = llvm::utostr(waiting) + " threads wait, " + llvm::utostr(ended) + " ended";
  if (other)
    text += ": " + describeEnd(*other);
  std::optional<uint32_t> otherSite;
  if (other && other->state != Thread::Done)
    otherSite = other->site;
  find(sameWarp ? FindingKind::Divergence : FindingKind::Deadlock, waits->site, 0, text, otherSite,
       waits);
}

void Machine::reportStuck() {
  bool found = false;
  for (const Warp &warp : warps)
    found |= reportStuckWarp(warp);
  if (!found)
    reportStuckBarriers();
}
