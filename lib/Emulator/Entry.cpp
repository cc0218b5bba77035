//===- Entry.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Entry.h"

#include "Machine.h"

using namespace basin::emulator;

/// Wraps `method` of Machine in a plain function that calls it on the machine that runs now.
template <auto method> struct Entry;
template <typename Result, typename... Args, Result (Machine::*method)(Args...)>
struct Entry<method> {
  static Result call(Args... args) { return (Machine::current->*method)(args...); }
};
template <typename Result, typename... Args, Result (Machine::*method)(Args...) const>
struct Entry<method> {
  static Result call(Args... args) { return (Machine::current->*method)(args...); }
};

// Kernels pass and receive truth values as 32 bits, so these have wrappers of their own.
static void moveMatrix(char *row, uint32_t *words, uint32_t count, uint32_t transposed,
                       uint32_t site) {
  Machine::current->moveMatrix(row, words, count, transposed != 0, site);
}
static void mma(uint32_t *words, int32_t type, int32_t k, uint32_t half, uint32_t site) {
  Machine::current->mma(words, type, k, half != 0, site);
}
static uint32_t mbarrierTest(char *object, uint64_t state, uint32_t site) {
  return Machine::current->mbarrierTest(object, state, site);
}

void basin::emulator::forEachEntry(
    llvm::function_ref<void(llvm::StringRef symbol, void *address)> use) {
  auto add = [&](llvm::StringRef name, auto *function) {
    use(("basin_emu_" + name).str(), reinterpret_cast<void *>(function));
  };
  add("special", &Entry<&Machine::special>::call);
  add("access", &Entry<&Machine::access>::call);
  add("shared", &Entry<&Machine::sharedBase>::call);
  add("shfl", &Entry<&Machine::shfl>::call);
  add("vote", &Entry<&Machine::vote>::call);
  add("redux", &Entry<&Machine::redux>::call);
  add("elect", &Entry<&Machine::elect>::call);
  add("warp_sync", &Entry<&Machine::warpSync>::call);
  add("barrier", &Entry<&Machine::barrier>::call);
  add("barrier_arrive", &Entry<&Machine::barrierArrive>::call);
  add("ldmatrix", &moveMatrix);
  add("stmatrix", &moveMatrix);
  add("mma", &mma);
  add("cp_async", &Entry<&Machine::cpAsync>::call);
  add("cp_async_commit", &Entry<&Machine::cpAsyncCommit>::call);
  add("cp_async_wait", &Entry<&Machine::cpAsyncWait>::call);
  add("mbarrier_init", &Entry<&Machine::mbarrierInit>::call);
  add("mbarrier_inval", &Entry<&Machine::mbarrierInval>::call);
  add("mbarrier_arrive", &Entry<&Machine::mbarrierArrive>::call);
  add("mbarrier_test", &mbarrierTest);
  add("mbarrier_wait_parity", &Entry<&Machine::mbarrierWaitParity>::call);
}
