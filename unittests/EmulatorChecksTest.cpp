//===- EmulatorChecksTest.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each test plants one fault, expects it by its kind and place, and runs the right kernel beside
// it.
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"

#include <set>

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;

namespace {
struct Checks : EmulatorTest {
  /// Builds a kernel with x and y of `n` f32 each. y is written back.
  void buildXY(int64_t threads, Body body) {
    build({{"x", KernelArgument::In, f32()}, {"y", KernelArgument::Out, f32()}}, threads, body);
  }
  Report runXY(unsigned threads, size_t sharedBytes = 0) {
    Launch launch;
    launch.block = {threads, 1, 1};
    launch.sharedBytes = sharedBytes;
    launch.arguments = {x.data(), y.data()};
    launch.buffers = {buffer("x", x, false), buffer("y", y)};
    return run(launch);
  }
  std::vector<float> x = std::vector<float>(64, 1.f), y = std::vector<float>(64, -1.f);
};

/// Returns a mask as an i32 constant.
Value mask(KernelBuilder &b, uint32_t bits) { return b.i32(int32_t(bits)); }
void warpSync(KernelBuilder &b, uint32_t bits = ~0u) { NVVM::SyncWarpOp::create(b, mask(b, bits)); }
} // namespace

//===----------------------------------------------------------------------===//
// Bounds, alignment, direction
//===----------------------------------------------------------------------===//

TEST_F(Checks, LoadBehindABuffer) {
  auto copy = [&](int64_t shift) {
    buildXY(64, [&](KernelBuilder &b) {
      Value i = b.threadX(), from = b.add(i, b.i32(shift));
      Value value;
      {
        Named name(b, "read x");
        value = b.load(b.arg("x"), b.getF32Type(), from);
      }
      b.store(value, b.arg("y"), b.getF32Type(), i);
    });
    return runXY(64);
  };
  Report report = copy(1);
  expectOne(report, FindingKind::OutOfBounds, "read x");
  const Finding &finding = first(report);
  EXPECT_EQ(finding.op, "llvm.load #0");
  EXPECT_EQ(finding.thread[0], 63u);
  EXPECT_EQ(finding.address, reinterpret_cast<uint64_t>(x.data() + 64));
  EXPECT_EQ(finding.count, 1u);
  EXPECT_NE(finding.message.find("4 bytes at 256 of 'x', which has 256"), std::string::npos)
      << finding.message;
  // The load was not made, and gave a NaN.
  EXPECT_NE(y[63], y[63]);
  EXPECT_EQ(y[62], 1.f);
  report = copy(-1);
  expectOne(report, FindingKind::OutOfBounds, "read x");
  EXPECT_EQ(first(report).thread[0], 0u);
  report = copy(0);
  EXPECT_TRUE(report.clean()) << print(report);
}

TEST_F(Checks, StoreFarBehindABufferHitsNoOther) {
  buildXY(1, [&](KernelBuilder &b) {
    Named name(b, "write y");
    b.store(b.f32(5), b.arg("y"), b.getF32Type(), b.i32(1 << 20));
  });
  expectOne(runXY(1), FindingKind::OutOfBounds, "write y");
  EXPECT_EQ(y, std::vector<float>(64, -1.f));
}

TEST_F(Checks, SharedMemoryEndsWhereTheLaunchSays) {
  buildXY(64, [&](KernelBuilder &b) {
    Named name(b, "write shared");
    b.store(b.f32(5), b.shared(), b.getF32Type(), b.threadX());
  });
  Report report = runXY(64, 252);
  expectOne(report, FindingKind::OutOfBounds, "write shared");
  EXPECT_EQ(first(report).address, 252u);
  EXPECT_EQ(first(report).thread[0], 63u);
  report = runXY(64, 256);
  EXPECT_TRUE(report.clean()) << print(report);
}

TEST_F(Checks, VectorAtAnOddAddress) {
  auto copy = [&](int64_t first) {
    buildXY(1, [&](KernelBuilder &b) {
      Value value;
      {
        Named name(b, "read four");
        value = b.load(b.arg("x"), b.getF32Type(), b.i32(first), 4);
      }
      b.store(value, b.arg("y"), b.getF32Type(), b.i32(0));
    });
    return runXY(1);
  };
  Report report = copy(2);
  expectOne(report, FindingKind::Misaligned, "read four");
  EXPECT_EQ(first(report).address, reinterpret_cast<uint64_t>(x.data() + 2));
  report = copy(4);
  EXPECT_TRUE(report.clean()) << print(report);
  EXPECT_EQ(y[3], 1.f);
}

TEST_F(Checks, WriteToAnInput) {
  buildXY(1, [&](KernelBuilder &b) {
    Named name(b, "write x");
    b.store(b.f32(5), b.arg("x"), b.getF32Type(), b.i32(3));
  });
  expectOne(runXY(1), FindingKind::ReadOnlyWrite, "write x");
  EXPECT_EQ(x[3], 1.f);
}

//===----------------------------------------------------------------------===//
// Races
//===----------------------------------------------------------------------===//

TEST_F(Checks, ReadOfAnotherWarpsValueWithoutABarrier) {
  auto exchange = [&](bool barrier, bool only = false) {
    buildXY(64, [&](KernelBuilder &b) {
      Value t = b.threadX(), other = b.sub(b.i32(63), t);
      {
        Named name(b, "write shared");
        b.store(b.load(b.arg("x"), b.getF32Type(), t), b.shared(), b.getF32Type(), t);
      }
      barrier ? b.barrier() : warpSync(b);
      Value value;
      {
        Named name(b, "read shared");
        value = b.load(b.shared(), b.getF32Type(), other);
      }
      b.store(value, b.arg("y"), b.getF32Type(), t);
    });
    return runXY(64, 256);
  };
  // The sync of a warp does not order two warps. The schedule decides whether the race is found at
  // the write or at the read.
  Report report = exchange(false);
  ASSERT_FALSE(report.findings.empty());
  bool race = false;
  for (const Finding &finding : report.findings)
    if (finding.kind == FindingKind::Race) {
      race = true;
      std::set<std::string> places = {finding.location, finding.otherLocation};
      EXPECT_EQ(places, (std::set<std::string>{"read shared", "write shared"})) << print(report);
    }
  EXPECT_TRUE(race) << print(report);
  report = exchange(true);
  EXPECT_TRUE(report.clean()) << print(report);
}

TEST_F(Checks, InAWarpASyncOrdersAndAShuffleDoesNot) {
  enum Between { Nothing, Sync, HalfSync, Shuffle };
  auto exchange = [&](Between between) {
    buildXY(32, [&](KernelBuilder &b) {
      Value t = b.threadX(), value = b.load(b.arg("x"), b.getF32Type(), t);
      b.store(value, b.shared(), b.getF32Type(), t);
      if (between == Sync)
        warpSync(b);
      if (between == HalfSync) {
        Value low = b.lessU(t, b.i32(16));
        NVVM::SyncWarpOp::create(b, b.select(low, mask(b, 0xffff), mask(b, 0xffff0000)));
      }
      if (between == Shuffle)
        value = b.shuffleXor(value, 31);
      {
        Named name(b, "read shared");
        value = b.fadd(value, b.load(b.shared(), b.getF32Type(), b.sub(b.i32(31), t)));
      }
      b.store(value, b.arg("y"), b.getF32Type(), t);
    });
    return runXY(32, 128);
  };
  auto hasRace = [](const Report &report) {
    return llvm::any_of(report.findings,
                        [](const Finding &f) { return f.kind == FindingKind::Race; });
  };
  EXPECT_TRUE(hasRace(exchange(Nothing)));
  EXPECT_TRUE(hasRace(exchange(Shuffle)));
  EXPECT_TRUE(hasRace(exchange(HalfSync))); // lane 31 - t is in the other half
  Report report = exchange(Sync);
  EXPECT_TRUE(report.clean()) << print(report);
}

TEST_F(Checks, OverwritingWhatOthersStillRead) {
  auto loop = [&](bool second, int64_t writer = 0) {
    buildXY(64, [&](KernelBuilder &b) {
      Value t = b.threadX(), sum = b.f32(0);
      for (int round = 0; round < 2; ++round) {
        {
          Named name(b, round ? "write again" : "write");
          b.ifThen(b.lessU(b.sub(t, b.i32(writer)), b.i32(1)),
                   [&] { b.store(b.f32(round + 1), b.shared(), b.getF32Type(), b.i32(0)); });
        }
        b.barrier();
        {
          Named name(b, "read");
          sum = b.fadd(sum, b.load(b.shared(), b.getF32Type(), b.i32(0)));
        }
        if (second)
          b.barrier();
      }
      b.store(sum, b.arg("y"), b.getF32Type(), t);
    });
    return runXY(64, 4);
  };
  Report report = loop(false);
  ASSERT_FALSE(report.clean());
  for (const Finding &finding : report.findings) {
    EXPECT_EQ(finding.kind, FindingKind::Race);
    std::set<std::string> places = {finding.location, finding.otherLocation};
    EXPECT_EQ(places, (std::set<std::string>{"read", "write again"})) << print(report);
  }
  // The last thread opens the barrier and goes on, and the others come after it in turn. Here all
  // of them have read before the write, but it still is a race.
  report = loop(false, /*writer=*/62);
  expectOne(report, FindingKind::Race, "write again");
  EXPECT_EQ(first(report).otherLocation, "read");
  report = loop(true);
  EXPECT_TRUE(report.clean()) << print(report);
  EXPECT_EQ(y, std::vector<float>(64, 3.f));
}

TEST_F(Checks, AtomicsDoNotRaceWithEachOther) {
  auto count = [&](bool atomic) {
    buildXY(64, [&](KernelBuilder &b) {
      Value t = b.threadX();
      b.ifThen(b.lessU(t, b.i32(1)), [&] { b.store(b.f32(0), b.shared(), b.getF32Type(), t); });
      b.barrier();
      {
        Named name(b, "add");
        if (atomic) {
          LLVM::AtomicRMWOp::create(b, LLVM::AtomicBinOp::fadd, b.shared(), b.f32(1),
                                    LLVM::AtomicOrdering::monotonic);
        } else {
          Value sum = b.fadd(b.load(b.shared(), b.getF32Type(), b.i32(0)), b.f32(1));
          b.store(sum, b.shared(), b.getF32Type(), b.i32(0));
        }
      }
      b.barrier();
      b.store(b.load(b.shared(), b.getF32Type(), b.i32(0)), b.arg("y"), b.getF32Type(), t);
    });
    return runXY(64, 4);
  };
  Report report = count(false);
  ASSERT_FALSE(report.clean());
  for (const Finding &finding : report.findings) {
    EXPECT_EQ(finding.kind, FindingKind::Race);
    EXPECT_EQ(finding.location, "add");
  }
  report = count(true);
  EXPECT_TRUE(report.clean()) << print(report);
  EXPECT_EQ(y, std::vector<float>(64, 64.f));
}

TEST_F(Checks, SharedMemoryThatNothingWrote) {
  auto sum = [&](int64_t written) {
    buildXY(32, [&](KernelBuilder &b) {
      Value t = b.threadX();
      b.ifThen(b.lessU(t, b.i32(written)),
               [&] { b.store(b.f32(1), b.shared(), b.getF32Type(), t); });
      b.barrier();
      Value value;
      {
        Named name(b, "read shared");
        value = b.load(b.shared(), b.getF32Type(), t);
      }
      b.store(value, b.arg("y"), b.getF32Type(), t);
    });
    return runXY(32, 128);
  };
  Report report = sum(31);
  expectOne(report, FindingKind::Uninitialized, "read shared");
  EXPECT_EQ(first(report).address, 124u);
  EXPECT_EQ(first(report).thread[0], 31u);
  EXPECT_NE(y[31], y[31]);
  report = sum(32);
  EXPECT_TRUE(report.clean()) << print(report);
}

//===----------------------------------------------------------------------===//
// A finding is counted in each block, but reported once.
//===----------------------------------------------------------------------===//

TEST_F(Checks, FindingsOfOnePlaceAreCounted) {
  buildXY(64, [&](KernelBuilder &b) {
    Value t = b.threadX();
    for (const char *place : {"first", "second", "third"}) {
      Named name(b, place);
      b.store(b.f32(1), b.arg("x"), b.getF32Type(), t);
    }
  });
  Launch launch;
  launch.grid = {2, 1, 1};
  launch.block = {64, 1, 1};
  launch.maxFindings = 2;
  launch.arguments = {x.data(), y.data()};
  launch.buffers = {buffer("x", x, false), buffer("y", y)};
  Report report = run(launch);
  EXPECT_EQ(report.totalFindings, 3 * 2 * 64u);
  ASSERT_EQ(report.findings.size(), 2u) << print(report);
  EXPECT_EQ(first(report).location, "first");
  EXPECT_EQ(report.findings[1].location, "second");
  EXPECT_EQ(report.findings[1].count, 2 * 64u);
  EXPECT_NE(print(report).find("write to an input: llvm.store #1 at second, block (0,0,0), thread "
                               "(0,0,0)"),
            std::string::npos)
      << print(report);
  EXPECT_NE(print(report).find("384 findings in 2 places"), std::string::npos) << print(report);
}

TEST_F(Checks, SharedMemoryIsNewInEachBlock) {
  buildXY(1, [&](KernelBuilder &b) {
    b.ifThen(b.lessU(b.blockX(), b.i32(1)),
             [&] { b.store(b.f32(1), b.shared(), b.getF32Type(), b.i32(0)); });
    Named name(b, "read shared");
    b.store(b.load(b.shared(), b.getF32Type(), b.i32(0)), b.arg("y"), b.getF32Type(), b.blockX());
  });
  Launch launch;
  launch.grid = {2, 1, 1};
  launch.sharedBytes = 4;
  launch.arguments = {x.data(), y.data()};
  launch.buffers = {buffer("x", x, false), buffer("y", y)};
  Report report = run(launch);
  expectOne(report, FindingKind::Uninitialized, "read shared");
  EXPECT_EQ(first(report).block[0], 1u);
  EXPECT_EQ(y[0], 1.f);
}
