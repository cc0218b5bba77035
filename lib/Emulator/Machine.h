//===- Machine.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The state of one launch: the block that runs, its threads, and what they wait for.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_MACHINE_H
#define BASIN_LIB_EMULATOR_MACHINE_H

#include "Fiber.h"
#include "Lowering.h"
#include "Memory.h"
#include "Traffic.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

#include <map>
#include <random>

namespace basin::emulator {

using KernelFunction = void (*)(void **);

/// A copy that cp.async asked for. It is made only when its thread waits for it.
struct AsyncCopy {
  uint32_t number, site;
  char *destination;
  const char *source; // null if it must not be read
  uint32_t bytes, sourceBytes;
};

struct Thread {
  enum State : uint8_t { Ready, Spinning, Waiting, Done };
  State state = Ready;
  unsigned index = 0, warp = 0, lane = 0;
  std::array<unsigned, 3> id = {};
  /// The site of the collective op or barrier that the thread came to last.
  uint32_t site = 0;
  // The operands that the thread gave to a collective op, and the result that it gets.
  uint32_t operands[3] = {};
  uint64_t result = 0;
  char *pointer = nullptr;
  uint32_t *words = nullptr;
  // Copies that are not committed yet, and the committed groups, oldest first.
  llvm::SmallVector<AsyncCopy, 0> uncommitted;
  llvm::SmallVector<llvm::SmallVector<AsyncCopy, 0>, 0> groups;
};

/// An op at which lanes of a warp wait for each other: `mask` has the lanes that must come,
/// `arrived` those that have come.
struct Meeting {
  uint32_t site, mask, arrived;
};

struct Warp {
  unsigned index = 0;
  uint32_t existing = 0; // the lanes that the block has in this warp
  llvm::SmallVector<Meeting, 2> meetings;
};

struct Barrier {
  uint32_t expected = 0;
  struct Arrival {
    unsigned thread;
    uint32_t site;
    bool waits;
  };
  llvm::SmallVector<Arrival, 0> arrivals;
  Clocks::Vector released;
};

struct MBarrier {
  uint32_t expected = 0, pending = 0;
  uint64_t phase = 0;
  /// The clocks that threads released in the current phase, and in the phase before.
  Clocks::Vector released, completed;
  llvm::SmallVector<unsigned, 0> waiting;
};

class Machine {
public:
  Machine(llvm::ArrayRef<Site> sites, const Launch &launch, FiberPool &fibers, Report &report);

  llvm::Error run(KernelFunction kernel, std::vector<void *> arguments);

  /// The machine that runs on this thread of the operating system.
  static thread_local Machine *current;

  // Kernels call these under the names basin_emu_*.
  uint32_t special(int32_t which) const;
  void *access(void *pointer, uint32_t site);
  char *sharedBase() const { return shared.get(); }
  uint64_t shfl(uint32_t mask, uint32_t value, uint32_t offset, uint32_t clamp, int32_t kind,
                uint32_t site);
  uint32_t vote(uint32_t mask, uint32_t predicate, int32_t kind, uint32_t site);
  uint32_t redux(uint32_t mask, uint32_t value, int32_t kind, int32_t flags, uint32_t site);
  uint32_t elect(uint32_t mask, uint32_t site);
  void warpSync(uint32_t mask, uint32_t site);
  uint32_t barrier(uint32_t id, uint32_t threads, int32_t reduction, uint32_t predicate,
                   uint32_t site);
  void barrierArrive(uint32_t id, uint32_t threads, uint32_t site);
  void moveMatrix(char *row, uint32_t *words, uint32_t count, bool transposed, uint32_t site);
  void mma(uint32_t *words, int32_t type, int32_t k, bool half, uint32_t site);
  void cpAsync(char *destination, char *source, uint32_t bytes, uint32_t sourceBytes,
               uint32_t site);
  void cpAsyncCommit();
  void cpAsyncWait(uint32_t left);
  void mbarrierInit(char *object, uint32_t count, uint32_t site);
  void mbarrierInval(char *object, uint32_t site);
  uint64_t mbarrierArrive(char *object, uint32_t count, uint32_t site);
  bool mbarrierTest(char *object, uint64_t state, uint32_t site);
  void mbarrierWaitParity(char *object, uint32_t parity, uint32_t site);

private:
  // Blocks and threads (Scheduler.cpp).
  std::vector<unsigned> orderOf(unsigned count, Order order);
  void startBlock(unsigned block);
  void runBlock();
  void runThread(unsigned index);
  void wait(Thread::State state = Thread::Waiting);
  void reportStuck();
  bool reportStuckWarp(const Warp &warp);
  void reportStuckBarriers();
  std::string describeEnd(const Thread &thread) const;

  // Warps (Warp.cpp).
  static constexpr uint32_t kAnySite = ~0u;
  /// Waits until all lanes of `mask` have come to the op, with `anySite` to any op that passes
  /// it. The last one to come does `work`. Returns false if the thread itself is not in the
  /// mask.
  bool meet(uint32_t mask, uint32_t site, llvm::function_ref<void(Warp &, uint32_t lanes)> work,
            bool anySite = false);
  void flushIfTogether(Warp &warp, uint32_t lanes);
  void shuffle(Warp &warp, uint32_t lanes, int32_t kind, uint32_t site);
  bool isWhole(Warp &warp, uint32_t lanes, uint32_t site);

  // Barriers (Barrier.cpp).
  bool arrive(uint32_t id, uint32_t threads, bool waits, uint32_t site);
  void complete(Barrier &barrier, int32_t reduction);
  void checkAligned(const Barrier &barrier);
  MBarrier *findMBarrier(char *object, uint32_t site);

  // Memory (Access.cpp).
  bool check(const void *pointer, size_t bytes, size_t align, AccessKind kind, Space space,
             uint32_t site);
  bool checkGlobal(const void *pointer, size_t bytes, AccessKind kind, uint32_t site);
  bool checkShared(const void *pointer, size_t bytes, AccessKind kind, uint32_t site);
  void touchShared(int64_t offset, size_t bytes, AccessKind kind, uint32_t site);
  void moveMatrixWords(Warp &warp, uint32_t matrix, bool transposed, uint32_t site);
  void finish(const AsyncCopy &copy);

  void find(FindingKind kind, uint32_t site, uint64_t address, const llvm::Twine &message,
            std::optional<uint32_t> otherSite = {}, const Thread *who = nullptr);
  Thread &self() { return threads[running]; }
  Thread &threadOf(const Warp &warp, unsigned lane) { return threads[warp.index * 32 + lane]; }

  llvm::ArrayRef<Site> sites;
  const Launch &launch;
  FiberPool &fibers;
  Report &report;
  GlobalMemory global;
  SharedMemory shared;
  Traffic traffic;
  std::mt19937_64 random;
  KernelFunction kernel = nullptr;
  std::vector<void *> arguments;
  /// The index of each finding by its kind and its two sites. A repeated finding is only
  /// counted. The index is ~0 for findings over the limit.
  std::map<std::tuple<FindingKind, uint32_t, uint32_t>, size_t> seen;

  // The state of the block that runs.
  std::array<unsigned, 3> blockId = {};
  unsigned running = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  Clocks clocks{0};
  std::array<Barrier, 16> barriers;
  std::map<int64_t, MBarrier> mbarriers; // by offset in shared memory
  uint32_t copies = 0;                   // the number of the last cp.async
  llvm::DenseMap<uint32_t, uint32_t> siteOfCopy;
  alignas(64) char poisonBytes[256], sinkBytes[256];
};

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_MACHINE_H
