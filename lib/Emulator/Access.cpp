//===- Access.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks each access to memory, and records findings.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "llvm/ADT/StringExtras.h"

using namespace basin::emulator;

void Machine::find(FindingKind kind, uint32_t site, uint64_t address, const llvm::Twine &message,
                   std::optional<uint32_t> otherSite, const Thread *who) {
  ++report.totalFindings;
  auto [it, isNew] = seen.try_emplace({kind, site, otherSite.value_or(~0u)}, ~size_t(0));
  if (!isNew) {
    if (it->second != ~size_t(0))
      ++report.findings[it->second].count;
    return;
  }
  if (report.findings.size() >= launch.maxFindings)
    return;
  it->second = report.findings.size();
  Finding finding{kind,
                  sites[site].op,
                  sites[site].location,
                  blockId,
                  (who ? *who : threads[running]).id,
                  address,
                  message.str(),
                  {},
                  {}};
  if (otherSite) {
    finding.otherOp = sites[*otherSite].op;
    finding.otherLocation = sites[*otherSite].location;
  }
  report.findings.push_back(std::move(finding));
}

static llvm::StringRef verbOf(AccessKind kind) {
  switch (kind) {
  case AccessKind::Load:
    return "reads ";
  case AccessKind::Store:
    return "writes ";
  default:
    return "updates ";
  }
}

//===----------------------------------------------------------------------===//
// Global memory
//===----------------------------------------------------------------------===//

bool Machine::checkGlobal(const void *pointer, size_t bytes, AccessKind kind, uint32_t site) {
  GlobalMemory::Place place = global.find(pointer);
  if (!global.contains(pointer) || !place.buffer) {
    find(FindingKind::OutOfBounds, site, reinterpret_cast<uint64_t>(pointer),
         verbOf(kind) + llvm::Twine(bytes) + " bytes that are in none of the launch's buffers");
    return false;
  }
  if (!place.isInside(bytes)) {
    find(FindingKind::OutOfBounds, site, place.address(),
         verbOf(kind) + llvm::Twine(bytes) + " bytes at " + llvm::Twine(place.offset) + " of '" +
             place.buffer->name + "', which has " + llvm::Twine(place.buffer->bytes));
    return false;
  }
  if (kind != AccessKind::Load && !place.buffer->writable) {
    find(FindingKind::ReadOnlyWrite, site, place.address(),
         verbOf(kind) + llvm::Twine(bytes) + " bytes at " + llvm::Twine(place.offset) + " of '" +
             place.buffer->name + "', which is read-only");
    return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

void Machine::touchShared(int64_t offset, size_t bytes, AccessKind kind, uint32_t site) {
  Access access{clocks.now(running), uint16_t(running), uint16_t(site)};
  shared.touch(offset, bytes, access, kind, clocks, sites, [&](Access earlier) {
    const Thread &other = threads[earlier.thread];
    find(FindingKind::Race, site, offset,
         verbOf(kind) + llvm::Twine(bytes) + " bytes at " + llvm::Twine(offset) +
             " of shared memory; thread (" + llvm::Twine(other.id[0]) + "," +
             llvm::Twine(other.id[1]) + "," + llvm::Twine(other.id[2]) +
             ") accessed them, and nothing orders the two",
         earlier.site);
  });
}

bool Machine::checkShared(const void *pointer, size_t bytes, AccessKind kind, uint32_t site) {
  int64_t offset = shared.offsetOf(pointer);
  if (!shared.isInside(offset, bytes)) {
    find(FindingKind::OutOfBounds, site, offset,
         verbOf(kind) + llvm::Twine(bytes) + " bytes at " + llvm::Twine(offset) +
             " of shared memory, but the launch has " + llvm::Twine(shared.size()));
    return false;
  }
  if (uint32_t copy = shared.findPending(offset, bytes))
    find(FindingKind::AsyncNotWaited, site, offset,
         verbOf(kind) + llvm::Twine(bytes) + " bytes at " + llvm::Twine(offset) +
             " of shared memory while an asynchronous copy to them is pending",
         siteOfCopy.lookup(copy));
  touchShared(offset, bytes, kind, site);
  if (kind == AccessKind::Store) {
    shared.define(offset, bytes);
    return true;
  }
  if (int64_t at = shared.findUndefined(offset, bytes); at >= 0)
    find(FindingKind::Uninitialized, site, at,
         verbOf(kind) + llvm::Twine("byte ") + llvm::Twine(at) +
             " of shared memory, which nothing wrote in this block");
  return true;
}

bool Machine::check(const void *pointer, size_t bytes, size_t align, AccessKind kind, Space space,
                    uint32_t site) {
  bool isShared = space == Space::Shared || (space == Space::Any && shared.isNear(pointer));
  uint64_t address = reinterpret_cast<uint64_t>(pointer);
  if (space == Space::Any && fibers.isOnStack(running, pointer))
    return true;
  if (isShared ? !checkShared(pointer, bytes, kind, site)
               : !checkGlobal(pointer, bytes, kind, site))
    return false;
  if (address % align == 0)
    return true;
  uint64_t told = isShared ? shared.offsetOf(pointer) : global.find(pointer).address();
  find(FindingKind::Misaligned, site, told,
       verbOf(kind) + llvm::Twine(bytes) + " bytes at an address that is not a multiple of " +
           llvm::Twine(align));
  return false;
}

void *Machine::access(void *pointer, uint32_t site) {
  const Site &place = sites[site];
  assert(place.bytes <= sizeof(poisonBytes) && "checked when it was lowered");
  bool isShared =
      place.space == Space::Shared || (place.space == Space::Any && shared.isNear(pointer));
  if (!check(pointer, place.bytes, place.align, place.kind, place.space, site))
    return place.kind == AccessKind::Load ? poisonBytes : sinkBytes;
  if (place.space == Space::Any && fibers.isOnStack(running, pointer))
    return pointer;
  Thread &thread = self();
  traffic.record(thread.warp, thread.lane, site, reinterpret_cast<uint64_t>(pointer), place.bytes,
                 isShared, place.kind != AccessKind::Load);
  return pointer;
}
