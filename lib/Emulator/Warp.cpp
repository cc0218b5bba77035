//===- Warp.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The ops that lanes of a warp execute together.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"

#include <cmath>

using namespace basin::emulator;
using mlir::NVVM::ReduxKind;
using mlir::NVVM::ShflKind;
using mlir::NVVM::VoteSyncKind;

template <typename F> static void forEachLane(uint32_t lanes, F f) {
  for (; lanes; lanes &= lanes - 1)
    f(llvm::countr_zero(lanes));
}

uint32_t Machine::special(int32_t which) const {
  const Thread &thread = threads[running];
  uint32_t bit = 1u << thread.lane;
  switch (Special(which)) {
  case Special::TidX:
  case Special::TidY:
  case Special::TidZ:
    return thread.id[which - int(Special::TidX)];
  case Special::NTidX:
  case Special::NTidY:
  case Special::NTidZ:
    return launch.block[which - int(Special::NTidX)];
  case Special::CtaIdX:
  case Special::CtaIdY:
  case Special::CtaIdZ:
    return blockId[which - int(Special::CtaIdX)];
  case Special::NCtaIdX:
  case Special::NCtaIdY:
  case Special::NCtaIdZ:
    return launch.grid[which - int(Special::NCtaIdX)];
  case Special::LaneId:
    return thread.lane;
  case Special::WarpId:
    return thread.warp;
  case Special::WarpSize:
    return 32;
  case Special::NWarpId:
    return warps.size();
  case Special::LaneMaskEq:
    return bit;
  case Special::LaneMaskLe:
    return bit | (bit - 1);
  case Special::LaneMaskLt:
    return bit - 1;
  case Special::LaneMaskGe:
    return ~(bit - 1);
  case Special::LaneMaskGt:
    return ~(bit | (bit - 1));
  }
  llvm_unreachable("no such register");
}

//===----------------------------------------------------------------------===//
// Meeting
//===----------------------------------------------------------------------===//

void Machine::flushIfTogether(Warp &warp, uint32_t lanes) {
  if (lanes == warp.existing)
    traffic.flush(warp.index);
}

bool Machine::meet(uint32_t mask, uint32_t site,
                   llvm::function_ref<void(Warp &, uint32_t lanes)> work, bool anySite) {
  Thread &thread = self();
  Warp &warp = warps[thread.warp];
  thread.site = site;
  uint32_t bit = 1u << thread.lane;
  if (!(mask & bit)) {
    find(FindingKind::Divergence, site, 0,
         "lane " + llvm::Twine(thread.lane) + " is not in its own mask 0x" + llvm::utohexstr(mask));
    return false;
  }
  mask &= warp.existing;
  uint32_t key = anySite ? kAnySite : site;
  auto *it = llvm::find_if(warp.meetings,
                           [&](const Meeting &m) { return m.site == key && m.mask == mask; });
  if (it == warp.meetings.end())
    it = warp.meetings.insert(it, {key, mask, 0});
  it->arrived |= bit;
  if (it->arrived != mask) {
    wait();
    return true;
  }
  warp.meetings.erase(it);
  ++report.counters.warpCollectives;
  work(warp, mask);
  flushIfTogether(warp, mask);
  forEachLane(mask & ~bit, [&](unsigned lane) { threadOf(warp, lane).state = Thread::Ready; });
  return true;
}

bool Machine::isWhole(Warp &warp, uint32_t lanes, uint32_t site) {
  if (lanes == ~0u)
    return true;
  find(FindingKind::Divergence, site, 0,
       "an op that needs all 32 lanes, in a warp of " + llvm::Twine(llvm::popcount(lanes)));
  return false;
}

//===----------------------------------------------------------------------===//
// Shuffles
//===----------------------------------------------------------------------===//

namespace {
struct Source {
  unsigned lane;
  bool valid;
};
} // namespace

/// Computes the source lane of a shuffle as the PTX ISA does. Bits 0 to 4 of `clamp` hold the
/// highest lane, and bits 8 to 12 a mask of the lane bits that tell segments apart.
static Source sourceOf(unsigned lane, uint32_t offset, uint32_t clamp, ShflKind kind) {
  int b = offset & 31, highest = clamp & 31, segment = clamp >> 8 & 31;
  int last = (int(lane) & segment) | (highest & ~segment);
  int first = int(lane) & segment;
  int from;
  bool valid;
  switch (kind) {
  case ShflKind::up:
    from = int(lane) - b;
    valid = from >= last;
    break;
  case ShflKind::down:
    from = int(lane) + b;
    valid = from <= last;
    break;
  case ShflKind::bfly:
    from = int(lane) ^ b;
    valid = from <= last;
    break;
  case ShflKind::idx:
    from = first | (b & ~segment);
    valid = from <= last;
    break;
  }
  return {valid ? unsigned(from) : lane, valid};
}

void Machine::shuffle(Warp &warp, uint32_t lanes, int32_t kind, uint32_t site) {
  forEachLane(lanes, [&](unsigned lane) {
    Thread &thread = threadOf(warp, lane);
    Source source = sourceOf(lane, thread.operands[1], thread.operands[2], ShflKind(kind));
    uint32_t value = ~0u;
    if (lanes >> source.lane & 1)
      value = threadOf(warp, source.lane).operands[0];
    else
      find(FindingKind::InactiveLane, site, 0,
           "lane " + llvm::Twine(lane) + " reads lane " + llvm::Twine(source.lane) +
               ", which does not take part",
           {}, &thread);
    thread.result = value | uint64_t(source.valid) << 32;
  });
}

uint64_t Machine::shfl(uint32_t mask, uint32_t value, uint32_t offset, uint32_t clamp, int32_t kind,
                       uint32_t site) {
  Thread &thread = self();
  thread.operands[0] = value;
  thread.operands[1] = offset;
  thread.operands[2] = clamp;
  bool met =
      meet(mask, site, [&](Warp &warp, uint32_t lanes) { shuffle(warp, lanes, kind, site); });
  return met ? thread.result : 0xffffffffu;
}

//===----------------------------------------------------------------------===//
// Votes and reductions
//===----------------------------------------------------------------------===//

uint32_t Machine::vote(uint32_t mask, uint32_t predicate, int32_t kind, uint32_t site) {
  Thread &thread = self();
  thread.operands[0] = predicate & 1;
  bool met = meet(mask, site, [&](Warp &warp, uint32_t lanes) {
    uint32_t ballot = 0;
    forEachLane(lanes, [&](unsigned lane) { ballot |= threadOf(warp, lane).operands[0] << lane; });
    uint32_t result = 0;
    switch (VoteSyncKind(kind)) {
    case VoteSyncKind::any:
      result = ballot != 0;
      break;
    case VoteSyncKind::all:
      result = ballot == lanes;
      break;
    case VoteSyncKind::uni:
      result = ballot == 0 || ballot == lanes;
      break;
    case VoteSyncKind::ballot:
      result = ballot;
      break;
    }
    forEachLane(lanes, [&](unsigned lane) { threadOf(warp, lane).result = result; });
  });
  return met ? uint32_t(thread.result) : 0;
}

uint32_t Machine::elect(uint32_t mask, uint32_t site) {
  Thread &thread = self();
  bool met = meet(mask, site, [&](Warp &warp, uint32_t lanes) {
    forEachLane(lanes, [&](unsigned lane) {
      threadOf(warp, lane).result = lane == unsigned(llvm::countr_zero(lanes));
    });
  });
  return met ? uint32_t(thread.result) : 0;
}

/// Returns the minimum or the maximum of two floats. Bit 0 of `flags` (abs) takes absolute
/// values first. If one value is NaN, the result is the other one, or NaN if bit 1 is set.
static uint32_t reduceFloat(uint32_t a, uint32_t b, bool max, int32_t flags) {
  float x = llvm::bit_cast<float>(a), y = llvm::bit_cast<float>(b);
  if (flags & 1) {
    x = std::fabs(x);
    y = std::fabs(y);
  }
  if ((flags & 2) && (std::isnan(x) || std::isnan(y)))
    return 0x7fffffff;
  return llvm::bit_cast<uint32_t>(max ? std::fmax(x, y) : std::fmin(x, y));
}

static uint32_t reduce(uint32_t a, uint32_t b, ReduxKind kind, int32_t flags) {
  switch (kind) {
  case ReduxKind::ADD:
    return a + b;
  case ReduxKind::AND:
    return a & b;
  case ReduxKind::OR:
    return a | b;
  case ReduxKind::XOR:
    return a ^ b;
  case ReduxKind::MAX:
    return std::max(int32_t(a), int32_t(b));
  case ReduxKind::MIN:
    return std::min(int32_t(a), int32_t(b));
  case ReduxKind::UMAX:
    return std::max(a, b);
  case ReduxKind::UMIN:
    return std::min(a, b);
  case ReduxKind::FMAX:
  case ReduxKind::FMIN:
    return reduceFloat(a, b, kind == ReduxKind::FMAX, flags);
  }
  llvm_unreachable("no such reduction");
}

uint32_t Machine::redux(uint32_t mask, uint32_t value, int32_t kind, int32_t flags, uint32_t site) {
  Thread &thread = self();
  thread.operands[0] = value;
  bool met = meet(mask, site, [&](Warp &warp, uint32_t lanes) {
    uint32_t first = llvm::countr_zero(lanes);
    uint32_t total = threadOf(warp, first).operands[0];
    // The flags apply to the value of a single lane, too.
    if (ReduxKind(kind) == ReduxKind::FMAX || ReduxKind(kind) == ReduxKind::FMIN)
      total = reduce(total, total, ReduxKind(kind), flags);
    forEachLane(lanes & (lanes - 1), [&](unsigned lane) {
      total = reduce(total, threadOf(warp, lane).operands[0], ReduxKind(kind), flags);
    });
    forEachLane(lanes, [&](unsigned lane) { threadOf(warp, lane).result = total; });
  });
  return met ? uint32_t(thread.result) : 0;
}

void Machine::warpSync(uint32_t mask, uint32_t site) {
  // Lanes may meet at different ops of this kind. The op orders their accesses to memory.
  meet(
      mask, site,
      [&](Warp &warp, uint32_t lanes) {
        Clocks::Vector released;
        forEachLane(lanes,
                    [&](unsigned lane) { clocks.release(warp.index * 32 + lane, released); });
        forEachLane(lanes,
                    [&](unsigned lane) { clocks.acquire(warp.index * 32 + lane, released); });
      },
      /*anySite=*/true);
}
