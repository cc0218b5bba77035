//===- EmulatorAsyncTest.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Asynchronous copies arrive late, and mbarriers order what they should.
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;

namespace {
struct Async : EmulatorTest {
  void buildXY(int64_t threads, Body body) {
    build({{"x", KernelArgument::InOut, i32()}, {"y", KernelArgument::Out, i32()}}, threads, body);
  }
  Report runXY(unsigned threads, size_t sharedBytes) {
    for (unsigned i = 0; i < x.size(); ++i)
      x[i] = i;
    Launch launch;
    launch.block = {threads, 1, 1};
    launch.sharedBytes = sharedBytes;
    launch.arguments = {x.data(), y.data()};
    launch.buffers = {buffer("x", x), buffer("y", y)};
    return run(launch);
  }
  std::vector<int32_t> x = std::vector<int32_t>(512), y = std::vector<int32_t>(512, -7);
};

/// Copies the words of x from `from` on to the words of shared memory from `to` on.
void copy(KernelBuilder &b, Value to, Value from, int64_t bytes, Value sourceBytes = {}) {
  Named name(b, "copy");
  auto cache = bytes == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
  NVVM::CpAsyncOp::create(b, b.at(b.shared(), b.getI32Type(), to),
                          b.at(b.arg("x"), b.getI32Type(), from), bytes, cache, sourceBytes);
}
void commit(KernelBuilder &b) { NVVM::CpAsyncCommitGroupOp::create(b); }
void wait(KernelBuilder &b, int64_t left) { NVVM::CpAsyncWaitGroupOp::create(b, left); }
Value read(KernelBuilder &b, Value index) {
  Named name(b, "read");
  return b.load(b.shared(), b.getI32Type(), index);
}
void put(KernelBuilder &b, Value value) { b.store(value, b.arg("y"), b.getI32Type(), b.threadX()); }
} // namespace

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

TEST_F(Async, CopiesOfEachSizeAndOfLessThanThat) {
  for (int64_t words : {1, 2, 4}) {
    buildXY(32, [&](KernelBuilder &b) {
      Value t = b.threadX(), index = b.mul(t, b.i32(words));
      // Odd threads copy only the first word, and their other words become zero.
      Value bytes = b.select(b.lessU(b.remU(t, 2), b.i32(1)), b.i32(4 * words), b.i32(4));
      copy(b, index, index, 4 * words, bytes);
      commit(b);
      wait(b, 0);
      for (int64_t i = 0; i < words; ++i)
        b.store(read(b, b.add(index, b.i32(i))), b.arg("y"), b.getI32Type(),
                b.add(index, b.i32(i)));
    });
    Report report = runXY(32, 128 * words);
    EXPECT_TRUE(report.clean()) << print(report);
    EXPECT_EQ(report.counters.asyncCopies, 32u);
    for (int i = 0; i < 32 * words; ++i)
      EXPECT_EQ(y[i], i / words % 2 == 0 || i % words == 0 ? i : 0) << words << ", " << i;
  }
}

TEST_F(Async, CopyIsMadeWhenItIsWaitedFor) {
  buildXY(1, [](KernelBuilder &b) {
    copy(b, b.i32(0), b.i32(5), 4);
    commit(b);
    put(b, read(b, b.i32(0))); // too early, so it reads poison
    b.store(b.i32(1234), b.arg("x"), b.getI32Type(), b.i32(5));
    wait(b, 0);
    b.store(read(b, b.i32(0)), b.arg("y"), b.getI32Type(), b.i32(1));
  });
  Report report = runXY(1, 4);
  expectOne(report, FindingKind::AsyncNotWaited, "read");
  EXPECT_EQ(first(report).otherLocation, "copy");
  EXPECT_EQ(first(report).address, 0u);
  EXPECT_EQ(uint32_t(y[0]), 0xffffffffu);
  EXPECT_EQ(y[1], 1234); // the source as it was at the copy
}

TEST_F(Async, WaitLeavesTheLastGroups) {
  auto pipeline = [&](int64_t left, bool committed = true) {
    buildXY(1, [&](KernelBuilder &b) {
      for (int stage = 0; stage < 3; ++stage) {
        copy(b, b.i32(stage), b.i32(10 + stage), 4);
        if (committed || stage < 2)
          commit(b);
      }
      wait(b, left);
      b.store(read(b, b.i32(0)), b.arg("y"), b.getI32Type(), b.i32(0));
      b.store(read(b, b.i32(1)), b.arg("y"), b.getI32Type(), b.i32(1));
      if (!committed)
        b.store(read(b, b.i32(2)), b.arg("y"), b.getI32Type(), b.i32(2));
    });
    return runXY(1, 12);
  };
  Report report = pipeline(1);
  EXPECT_TRUE(report.clean()) << print(report);
  EXPECT_EQ(y[1], 11);
  report = pipeline(2);
  expectOne(report, FindingKind::AsyncNotWaited, "read");
  EXPECT_EQ(first(report).address, 4u);
  EXPECT_EQ(y[0], 10);
  // A copy that belongs to no group is not waited for.
  report = pipeline(0, /*committed=*/false);
  expectOne(report, FindingKind::AsyncNotWaited, "read");
  EXPECT_EQ(first(report).address, 8u);
}

TEST_F(Async, OthersNeedABarrierAfterTheWait) {
  enum { NoWait, NoBarrier, BarrierFirst, Right };
  auto exchange = [&](int form) {
    buildXY(64, [&](KernelBuilder &b) {
      Value t = b.threadX();
      copy(b, t, t, 4);
      commit(b);
      if (form == BarrierFirst)
        b.barrier();
      if (form != NoWait)
        wait(b, 0);
      if (form == Right || form == NoWait)
        b.barrier();
      put(b, read(b, b.sub(b.i32(63), t)));
    });
    return runXY(64, 256);
  };
  // The thread that runs first reads bytes that are still on their way, or that no barrier orders.
  for (auto [form, kinds] :
       {std::pair(int(NoWait), std::vector{FindingKind::AsyncNotWaited}),
        {int(NoBarrier),
         {FindingKind::Race, FindingKind::AsyncNotWaited, FindingKind::Uninitialized}},
        {int(BarrierFirst), {FindingKind::Race, FindingKind::AsyncNotWaited}}}) {
    Report report = exchange(form);
    EXPECT_FALSE(report.clean()) << form;
    for (const Finding &finding : report.findings)
      EXPECT_TRUE(llvm::is_contained(kinds, finding.kind)) << form << ": " << print(report);
  }
  Report report = exchange(Right);
  EXPECT_TRUE(report.clean()) << print(report);
  for (int t = 0; t < 64; ++t)
    EXPECT_EQ(y[t], 63 - t);
}

TEST_F(Async, CopyOverWhatOthersStillRead) {
  auto reuse = [&](bool barrier) {
    buildXY(64, [&](KernelBuilder &b) {
      Value t = b.threadX();
      b.store(t, b.shared(), b.getI32Type(), t);
      b.barrier();
      Value before = read(b, b.sub(b.i32(63), t));
      if (barrier)
        b.barrier();
      copy(b, t, t, 4);
      commit(b);
      wait(b, 0);
      put(b, b.add(before, read(b, t)));
    });
    return runXY(64, 256);
  };
  Report report = reuse(false);
  ASSERT_FALSE(report.clean());
  for (const Finding &finding : report.findings) {
    EXPECT_EQ(finding.kind, FindingKind::Race) << print(report);
    EXPECT_TRUE(finding.location == "copy" || finding.otherLocation == "copy") << print(report);
  }
  report = reuse(true);
  EXPECT_TRUE(report.clean()) << print(report);
  EXPECT_EQ(y[5], 63);
}

TEST_F(Async, CopyFromBehindABufferAndToAnOddAddress) {
  auto one = [&](int64_t to, int64_t from, int64_t bytes, int64_t sourceBytes) {
    buildXY(1, [&](KernelBuilder &b) {
      copy(b, b.i32(to), b.i32(from), bytes, b.i32(sourceBytes));
      commit(b);
      wait(b, 0);
    });
    return runXY(1, 64);
  };
  expectOne(one(0, 512, 16, 16), FindingKind::OutOfBounds, "copy");
  expectOne(one(16, 0, 16, 16), FindingKind::OutOfBounds, "copy");
  expectOne(one(2, 0, 16, 16), FindingKind::Misaligned, "copy");
  expectOne(one(0, 2, 16, 16), FindingKind::Misaligned, "copy");
  expectOne(one(0, 0, 16, 20), FindingKind::BadOperand, "copy");
  // A source of no bytes is not read, so its address does not matter.
  Report report = one(0, 512, 16, 0);
  EXPECT_TRUE(report.clean()) << print(report);
}

//===----------------------------------------------------------------------===//
// mbarriers
//===----------------------------------------------------------------------===//

TEST_F(Async, MBarrierHandsOnWhatWasWritten) {
  enum { Right, NoWait, TooFew, NotMade, NotFenced };
  auto hand = [&](int form) {
    buildXY(64, [&](KernelBuilder &b) {
      Value t = b.threadX(), object = b.shared(256);
      b.ifThen(b.lessU(t, b.i32(form == NotMade ? 0 : 1)), [&] {
        Named name(b, "init");
        NVVM::MBarrierInitOp::create(b, object, b.i32(form == TooFew ? 65 : 64), Value());
      });
      if (form != NotFenced)
        b.barrier();
      b.store(t, b.shared(), b.getI32Type(), t);
      {
        Named name(b, "arrive");
        NVVM::MBarrierArriveOp::create(b, b.getI64Type(), object, Value());
      }
      if (form != NoWait) {
        Named name(b, "wait");
        NVVM::MBarrierTryWaitParityOp::create(b, object, b.i32(0), b.i32(1000));
      }
      put(b, read(b, b.sub(b.i32(63), t)));
    });
    return runXY(64, 264);
  };
  Report report = hand(Right);
  EXPECT_TRUE(report.clean()) << print(report);
  for (int t = 0; t < 64; ++t)
    EXPECT_EQ(y[t], 63 - t);
  report = hand(NoWait);
  ASSERT_FALSE(report.clean());
  expectOne(hand(TooFew), FindingKind::Deadlock, "wait");
  report = hand(NotMade);
  ASSERT_FALSE(report.clean());
  EXPECT_EQ(first(report).kind, FindingKind::BadOperand);
  EXPECT_EQ(first(report).location, "arrive");
  report = hand(NotFenced);
  ASSERT_FALSE(report.clean());
  EXPECT_EQ(first(report).kind, FindingKind::Race) << print(report);
  EXPECT_EQ(first(report).otherLocation, "init") << print(report);
}

TEST_F(Async, MBarrierIsAskedUntilItIsDone) {
  auto ask = [&](int64_t count) {
    buildXY(64, [&](KernelBuilder &b) {
      Value t = b.threadX(), object = b.shared(256);
      b.ifThen(b.lessU(t, b.i32(1)),
               [&] { NVVM::MBarrierInitOp::create(b, object, b.i32(count), Value()); });
      b.barrier();
      b.store(t, b.shared(), b.getI32Type(), t);
      Value state = NVVM::MBarrierArriveOp::create(b, b.getI64Type(), object, Value()).getRes();
      auto loop = scf::WhileOp::create(b, TypeRange{}, ValueRange{});
      {
        OpBuilder::InsertionGuard guard(b);
        b.createBlock(&loop.getBefore());
        Named name(b, "ask");
        Value done = NVVM::MBarrierTestWaitOp::create(b, b.getI1Type(), object, state);
        scf::ConditionOp::create(
            b, b.select(done, b.lessU(b.i32(1), b.i32(0)), b.lessU(b.i32(0), b.i32(1))),
            ValueRange{});
        b.createBlock(&loop.getAfter());
        scf::YieldOp::create(b);
      }
      put(b, read(b, b.sub(b.i32(63), t)));
    });
    return runXY(64, 264);
  };
  Report report = ask(64);
  EXPECT_TRUE(report.clean()) << print(report);
  EXPECT_EQ(y[1], 62);
  report = ask(65);
  expectOne(report, FindingKind::Deadlock, "ask");
}
