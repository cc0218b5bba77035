//===- Traffic.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Traffic.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

using namespace basin::emulator;

void Traffic::reset(unsigned count) {
  warps.resize(count);
  for (Warp &warp : warps)
    warp.ofSite.resize(sites.size());
}

void Traffic::record(unsigned warp, unsigned lane, uint32_t site, uint64_t address, uint32_t bytes,
                     bool shared, bool store) {
  std::unique_ptr<Groups> &place = warps[warp].ofSite[site];
  if (!place)
    place = std::make_unique<Groups>();
  if (place->groups.empty())
    warps[warp].touched.push_back(site);
  uint32_t n = place->counts[lane]++;
  if (n == place->groups.size())
    place->groups.push_back(std::make_unique<Group>());
  Group &group = *place->groups[n];
  group.lanes |= 1u << lane;
  group.bytes = bytes;
  group.shared = shared;
  group.store = store;
  group.addresses[lane] = address;
}

void Traffic::flush(unsigned warp) {
  for (uint32_t site : warps[warp].touched) {
    Groups &place = *warps[warp].ofSite[site];
    for (const std::unique_ptr<Group> &group : place.groups)
      group->shared ? countShared(*group) : countGlobal(*group);
    place.groups.clear();
    std::fill(std::begin(place.counts), std::end(place.counts), 0);
  }
  warps[warp].touched.clear();
}

void Traffic::countGlobal(const Group &group) {
  llvm::SmallVector<std::pair<uint64_t, uint64_t>, 32> ranges;
  llvm::SmallVector<uint64_t, 64> sectors;
  MemoryCounters &to = group.store ? counters.globalStores : counters.globalLoads;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(group.lanes >> lane & 1))
      continue;
    uint64_t begin = group.addresses[lane], end = begin + group.bytes;
    to.bytes += group.bytes;
    ranges.push_back({begin, end});
    for (uint64_t sector = begin / 32; sector <= (end - 1) / 32; ++sector)
      sectors.push_back(sector);
  }
  llvm::sort(sectors);
  llvm::sort(ranges);
  uint64_t last = 0;
  for (auto [begin, end] : ranges) {
    if (end > last)
      to.distinctBytes += end - std::max(begin, last);
    last = std::max(last, end);
  }
  to.instructions += 1;
  to.sectors += std::unique(sectors.begin(), sectors.end()) - sectors.begin();
}

/// Passes over the 32 banks of 4 bytes that one phase needs: words of one bank
/// that differ come one after the other.
static uint64_t wavefrontsOf(llvm::ArrayRef<uint64_t> addresses, uint32_t bytes) {
  llvm::SmallVector<uint64_t, 128> words;
  for (uint64_t address : addresses)
    for (uint64_t word = address / 4; word <= (address + bytes - 1) / 4; ++word)
      words.push_back(word);
  llvm::sort(words);
  words.erase(std::unique(words.begin(), words.end()), words.end());
  unsigned perBank[32] = {};
  for (uint64_t word : words)
    ++perBank[word % 32];
  return *std::max_element(std::begin(perBank), std::end(perBank));
}

void Traffic::countShared(const Group &group) {
  MemoryCounters &to = group.store ? counters.sharedStores : counters.sharedLoads;
  // 8 bytes a lane go by half warps, 16 by quarters.
  unsigned lanes = group.bytes <= 4 ? 32 : group.bytes <= 8 ? 16 : 8;
  to.instructions += 1;
  for (unsigned first = 0; first < 32; first += lanes) {
    llvm::SmallVector<uint64_t, 32> addresses;
    for (unsigned lane = first; lane < first + lanes; ++lane)
      if (group.lanes >> lane & 1)
        addresses.push_back(group.addresses[lane]);
    to.bytes += addresses.size() * group.bytes;
    if (!addresses.empty())
      to.extraWavefronts += wavefrontsOf(addresses, group.bytes) - 1;
  }
}

void Traffic::countRows(llvm::ArrayRef<uint64_t> addresses, bool store) {
  MemoryCounters &to = store ? counters.sharedStores : counters.sharedLoads;
  to.extraWavefronts += wavefrontsOf(addresses, 16) - 1;
}

void Traffic::countMatrixInstruction(uint64_t bytes, bool store) {
  MemoryCounters &to = store ? counters.sharedStores : counters.sharedLoads;
  to.instructions += 1;
  to.bytes += bytes;
}
