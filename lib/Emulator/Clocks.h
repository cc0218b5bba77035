//===- Clocks.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vector clocks: which of two threads' accesses came before the other, by
// barriers alone, whatever the order they happened to run in.
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

  /// Whether what `thread` did at its time `then` came before what `other` does
  /// now.
  bool isBefore(unsigned thread, uint32_t then, unsigned other) const {
    return thread == other || of(other)[thread] >= then;
  }

  /// What the thread did up to now goes into `into`; it starts anew.
  void release(unsigned thread, Vector &into) {
    into.resize(count, 0);
    const uint32_t *mine = of(thread);
    for (unsigned i = 0; i < count; ++i)
      into[i] = std::max(into[i], mine[i]);
    tick(thread);
  }

  /// What was released into `from` came before all that the thread does next.
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
