//===- Traffic.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Traffic.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/bit.h"

using namespace basin::emulator;

void Traffic::reset(unsigned count) {
  warps.resize(count);
  for (Warp &warp : warps)
    for (Accesses *accesses : {&warp.global, &warp.shared})
      accesses->ofSite.resize(sites.size());
}

void Traffic::record(unsigned warp, unsigned lane, uint32_t site, uint64_t address, uint32_t bytes,
                     bool isShared, bool store) {
  Accesses &accesses = isShared ? warps[warp].shared : warps[warp].global;
  std::unique_ptr<Place> &place = accesses.ofSite[site];
  if (!place)
    place = std::make_unique<Place>();
  if (place->groups.empty())
    accesses.touched.push_back(site);
  uint32_t n = place->counts[lane]++;
  if (n == place->groups.size())
    place->groups.push_back(std::make_unique<Group>());
  Group &group = *place->groups[n];
  group.lanes |= 1u << lane;
  group.bytes[lane] = bytes;
  group.addresses[lane] = address;
  (isShared ? shared : global)[site].store = store;
}

void Traffic::flush(unsigned warp) {
  auto count = [](Accesses &accesses, std::vector<Counted> &to, auto countGroup) {
    for (uint32_t site : accesses.touched) {
      Place &place = *accesses.ofSite[site];
      for (const std::unique_ptr<Group> &group : place.groups)
        countGroup(*group, to[site].memory);
      place.groups.clear();
      llvm::fill(place.counts, 0);
    }
    accesses.touched.clear();
  };
  count(warps[warp].global, global, countGlobal);
  count(warps[warp].shared, shared, countShared);
}

void Traffic::countGlobal(const Group &group, MemoryCounters &to) {
  llvm::SmallVector<std::pair<uint64_t, uint64_t>, 32> ranges;
  llvm::SmallVector<uint64_t, 64> sectors;
  for (unsigned lane = 0; lane < 32; ++lane) {
    // A cp.async with a source size of 0 writes zeros and reads nothing.
    if (!(group.lanes >> lane & 1) || group.bytes[lane] == 0)
      continue;
    uint64_t begin = group.addresses[lane], end = begin + group.bytes[lane];
    to.bytes += group.bytes[lane];
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
  to.sectors += llvm::unique(sectors) - sectors.begin();
}

/// Returns how many passes over the 32 banks of 4 bytes one phase needs. A bank serves one
/// word in each pass, so different words of one bank need one pass each.
static uint64_t wavefrontsOf(llvm::ArrayRef<uint64_t> addresses, uint32_t bytes) {
  llvm::SmallVector<uint64_t, 128> words;
  for (uint64_t address : addresses)
    for (uint64_t word = address / 4; word <= (address + bytes - 1) / 4; ++word)
      words.push_back(word);
  llvm::sort(words);
  words.erase(llvm::unique(words), words.end());
  unsigned perBank[32] = {};
  for (uint64_t word : words)
    ++perBank[word % 32];
  return *llvm::max_element(perBank);
}

void Traffic::countShared(const Group &group, MemoryCounters &to) {
  // All lanes access equally many bytes. A phase is a warp for up to 4 bytes a lane, half a
  // warp for up to 8, and a quarter for more.
  uint32_t bytes = group.bytes[llvm::countr_zero(group.lanes)];
  unsigned lanes = bytes <= 4 ? 32 : bytes <= 8 ? 16 : 8;
  to.instructions += 1;
  for (unsigned first = 0; first < 32; first += lanes) {
    llvm::SmallVector<uint64_t, 32> addresses;
    for (unsigned lane = first; lane < first + lanes; ++lane)
      if (group.lanes >> lane & 1)
        addresses.push_back(group.addresses[lane]);
    to.bytes += addresses.size() * bytes;
    if (!addresses.empty())
      to.extraWavefronts += wavefrontsOf(addresses, bytes) - 1;
  }
}

void Traffic::countRows(llvm::ArrayRef<uint64_t> addresses, uint32_t site, bool store) {
  shared[site].store = store;
  shared[site].memory.extraWavefronts += wavefrontsOf(addresses, 16) - 1;
}

void Traffic::countMatrixInstruction(uint64_t bytes, uint32_t site, bool store) {
  shared[site].store = store;
  shared[site].memory.instructions += 1;
  shared[site].memory.bytes += bytes;
}

void Traffic::report(Report &to) const {
  auto add = [&](const Site &site, const Counted &counted, bool isShared, MemoryCounters &sum) {
    if (counted.memory.instructions == 0)
      return;
    to.accesses.push_back({site.op, site.location, isShared, counted.store, counted.memory});
    sum += counted.memory;
  };
  Counters &sums = to.counters;
  for (auto [site, ofGlobal, ofShared] : llvm::zip(sites, global, shared)) {
    add(site, ofGlobal, false, ofGlobal.store ? sums.globalStores : sums.globalLoads);
    add(site, ofShared, true, ofShared.store ? sums.sharedStores : sums.sharedLoads);
  }
}
