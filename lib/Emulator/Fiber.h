//===- Fiber.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Fibers: stacks that take turns on one thread of the operating system.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_FIBER_H
#define BASIN_LIB_EMULATOR_FIBER_H

#include <cstddef>
#include <memory>
#include <vector>

namespace basin::emulator {

class FiberPool {
public:
  FiberPool();
  ~FiberPool();
  FiberPool(const FiberPool &) = delete;

  /// Prepares fibers 0 to `count` - 1: each will call `entry(argument, index)`. Calls that
  /// still are on their stacks are dropped without being unwound.
  void reset(unsigned count, void (*entry)(void *, unsigned), void *argument);

  /// Runs a fiber until it yields or ends. Returns whether it ended.
  bool resume(unsigned index);

  /// Goes back to the caller of `resume`. Returns when the fiber is resumed.
  void yield();

  /// Whether `pointer` is on the stack of fiber `index`.
  bool isOnStack(unsigned index, const void *pointer) const;

private:
  struct Fiber;
  struct Context;
  static void run();
  void prepare(Fiber &fiber);

  std::vector<std::unique_ptr<Fiber>> fibers;
  std::unique_ptr<Context> scheduler;
  Fiber *current = nullptr;
  void (*entry)(void *, unsigned) = nullptr;
  void *argument = nullptr;
};

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_FIBER_H
