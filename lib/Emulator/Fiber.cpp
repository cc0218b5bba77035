//===- Fiber.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Switches between stacks: with some ten instructions on x86-64, with glibc's contexts on
// other machines. The page below each stack is inaccessible, so an overflow faults.
//
//===----------------------------------------------------------------------===//

#include "Fiber.h"

#include "llvm/Support/ErrorHandling.h"

#include <cstdint>
#include <sys/mman.h>
#include <unistd.h>

#if !defined(__x86_64__) || defined(BASIN_EMULATOR_UCONTEXT)
#define BASIN_FIBER_UCONTEXT 1
#include <ucontext.h>
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BASIN_FIBER_ASAN 1
#include <sanitizer/common_interface_defs.h>
#endif
#endif

using namespace basin::emulator;

static constexpr size_t kStackBytes = 256 << 10;

struct FiberPool::Context {
#ifdef BASIN_FIBER_UCONTEXT
  ucontext_t context;
#else
  void *stackPointer = nullptr;
#endif
  void *fakeStack = nullptr; // the address sanitizer's
  const void *bottom = nullptr;
  size_t bytes = 0;
};

struct FiberPool::Fiber : FiberPool::Context {
  unsigned index = 0;
  bool ended = false;
  char *stack = nullptr; // the lowest usable byte

  Fiber() {
    size_t page = sysconf(_SC_PAGESIZE);
    void *memory = mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0)
      llvm::report_fatal_error("out of memory for the emulator's stacks");
    stack = static_cast<char *>(memory) + page;
    bottom = stack;
    bytes = kStackBytes;
  }
  ~Fiber() {
    size_t page = sysconf(_SC_PAGESIZE);
    munmap(stack - page, kStackBytes + page);
  }
};

#ifndef BASIN_FIBER_UCONTEXT
// void basinSwitchStack(void **from, void *to): pushes the registers that a call must
// preserve onto the current stack, stores the stack's pointer in `*from`, and continues on
// the stack `to`.
asm(R"(
.text
.p2align 4
.globl basinSwitchStack
.hidden basinSwitchStack
.type basinSwitchStack, @function
basinSwitchStack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size basinSwitchStack, .-basinSwitchStack
)");
extern "C" void basinSwitchStack(void **from, void *to);
#endif

/// Leaves `from` and continues `to`. `last` says that `from` will not be resumed.
template <typename Context> static void switchTo(Context &from, Context &to, bool last = false) {
#ifdef BASIN_FIBER_ASAN
  __sanitizer_start_switch_fiber(last ? nullptr : &from.fakeStack, to.bottom, to.bytes);
#endif
#ifdef BASIN_FIBER_UCONTEXT
  swapcontext(&from.context, &to.context);
#else
  basinSwitchStack(&from.stackPointer, to.stackPointer);
#endif
#ifdef BASIN_FIBER_ASAN
  __sanitizer_finish_switch_fiber(from.fakeStack, nullptr, nullptr);
#endif
}

/// The pool whose fiber runs. A fiber's first function gets no arguments and finds them here.
static thread_local FiberPool *activePool = nullptr;

FiberPool::FiberPool() : scheduler(std::make_unique<Context>()) {}
FiberPool::~FiberPool() = default;

void FiberPool::run() {
  FiberPool &pool = *activePool;
  Fiber &fiber = *pool.current;
#ifdef BASIN_FIBER_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &pool.scheduler->bottom, &pool.scheduler->bytes);
#endif
  pool.entry(pool.argument, fiber.index);
  fiber.ended = true;
  switchTo<Context>(fiber, *pool.scheduler, /*last=*/true);
  llvm_unreachable("a fiber that ended was resumed");
}

void FiberPool::prepare(Fiber &fiber) {
  fiber.ended = false;
#ifdef BASIN_FIBER_UCONTEXT
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, &FiberPool::run, 0);
#else
  // A new stack holds six registers, the address of the first instruction, and one more
  // word. That word aligns the stack at the first instruction as a call would.
  auto *top = reinterpret_cast<uint64_t *>(fiber.stack + kStackBytes);
  *--top = 0;
  *--top = reinterpret_cast<uint64_t>(&FiberPool::run);
  for (int i = 0; i < 6; ++i)
    *--top = 0;
  fiber.stackPointer = top;
#endif
}

void FiberPool::reset(unsigned count, void (*newEntry)(void *, unsigned), void *newArgument) {
  entry = newEntry;
  argument = newArgument;
  while (fibers.size() < count) {
    fibers.push_back(std::make_unique<Fiber>());
    fibers.back()->index = fibers.size() - 1;
  }
  for (unsigned i = 0; i < count; ++i)
    prepare(*fibers[i]);
}

bool FiberPool::resume(unsigned index) {
  FiberPool *outer = activePool;
  activePool = this;
  current = fibers[index].get();
  switchTo<Context>(*scheduler, *current);
  current = nullptr;
  activePool = outer;
  return fibers[index]->ended;
}

void FiberPool::yield() {
  Fiber &self = *current;
  switchTo<Context>(self, *scheduler);
}

bool FiberPool::isOnStack(unsigned index, const void *pointer) const {
  const char *stack = fibers[index]->stack;
  return pointer >= stack && pointer < stack + kStackBytes;
}
