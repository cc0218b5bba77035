//===- Clocks.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vector clocks. They tell whether barriers order two accesses of different threads. The
// order in which the emulator happened to run the threads does not count.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_CLOCKS_H
#define BASIN_LIB_EMULATOR_CLOCKS_H

#include "llvm/ADT/ArrayRef.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace basin::emulator {

class Clocks {
public:
  using Vector = std::vector<uint32_t>;

  explicit Clocks(unsigned threads) : count(threads), clocks(size_t(threads) * threads, 0) {
    for (unsigned i = 0; i < threads; ++i)
      tick(i);
  }

  uint32_t now(unsigned thread) const { return of(thread)[thread]; }

  /// Returns whether everything that `thread` did until its time `then` is ordered before
  /// what `other` does now.
  bool isBefore(unsigned thread, uint32_t then, unsigned other) const {
    return thread == other || of(other)[thread] >= then;
  }

  /// Adds the thread's clock to `into`, for threads that will acquire it, and advances the
  /// thread's own time: what it does later is not released.
  void release(unsigned thread, Vector &into) {
    into.resize(count, 0);
    const uint32_t *mine = of(thread);
    for (unsigned i = 0; i < count; ++i)
      into[i] = std::max(into[i], mine[i]);
    tick(thread);
  }

  /// Orders everything that was released into `from` before what the thread does from now on.
  void acquire(unsigned thread, const Vector &from) {
    uint32_t *mine = of(thread);
    for (unsigned i = 0; i < from.size(); ++i)
      mine[i] = std::max(mine[i], from[i]);
  }

private:
  uint32_t *of(unsigned thread) { return clocks.data() + size_t(thread) * count; }
  const uint32_t *of(unsigned thread) const { return clocks.data() + size_t(thread) * count; }
  void tick(unsigned thread) { ++of(thread)[thread]; }

  unsigned count;
  Vector clocks;
};

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_CLOCKS_H
