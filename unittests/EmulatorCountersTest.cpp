//===- EmulatorCountersTest.cpp ---------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sectors and bank conflicts, counted by hand.
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;

namespace {
struct Counted : EmulatorTest {
  /// Runs `body` in one warp with x and y of 4096 words.
  Report observe(Body body, size_t sharedBytes = 0, unsigned threads = 32,
                 Order order = Order::Forward) {
    build({{"x", KernelArgument::In, i32()}, {"y", KernelArgument::Out, i32()}}, threads, body);
    Launch launch;
    launch.block = {threads, 1, 1};
    launch.sharedBytes = sharedBytes;
    launch.threadOrder = order;
    launch.arguments = {x.data(), y.data()};
    launch.buffers = {buffer("x", x, false), buffer("y", y)};
    Report report = run(launch);
    EXPECT_TRUE(report.clean()) << print(report);
    return report;
  }
  Counters count(Body body, size_t sharedBytes = 0, unsigned threads = 32,
                 Order order = Order::Forward) {
    return observe(body, sharedBytes, threads, order).counters;
  }

  /// Counts one global load of `width` words in each lane, `stride` words apart.
  Counters countLoads(int64_t stride, int64_t width) {
    return count([&](KernelBuilder &b) {
      Value index = b.mul(b.threadX(), b.i32(stride));
      Value value = b.load(b.arg("x"), b.getI32Type(), index, width);
      b.store(value, b.arg("y"), b.getI32Type(), b.mul(b.threadX(), b.i32(width)));
    });
  }

  /// Returns the extra wavefronts of one shared store of `width` words in each lane, `stride` words
  /// apart.
  uint64_t countConflicts(int64_t stride, int64_t width) {
    Counters counters = count(
        [&](KernelBuilder &b) {
          Type type = width == 1 ? Type(b.getI32Type()) : VectorType::get({width}, b.getI32Type());
          Value zero = LLVM::ZeroOp::create(b, type);
          b.store(zero, b.shared(), b.getI32Type(), b.mul(b.threadX(), b.i32(stride)));
        },
        32 * 4 * stride + 64);
    EXPECT_EQ(counters.sharedStores.instructions, 1u);
    EXPECT_EQ(counters.sharedStores.bytes, 32 * 4u * width);
    return counters.sharedStores.extraWavefronts;
  }

  std::vector<int32_t> x = std::vector<int32_t>(4096), y = std::vector<int32_t>(4096);
};
} // namespace

TEST_F(Counted, SectorsOfGlobalMemory) {
  struct Case {
    int64_t stride, width;
    uint64_t sectors;
    double efficiency;
  };
  for (Case c : {Case{1, 1, 4, 1.0},      // side by side
                 Case{2, 1, 8, 0.5},      // every other word
                 Case{8, 1, 32, 0.125},   // each in a sector of its own
                 Case{64, 1, 32, 0.125},  // no worse
                 Case{0, 1, 1, 0.125},    // all read one word
                 Case{4, 4, 16, 1.0},     // 16 bytes in each lane
                 Case{16, 4, 32, 0.5}}) { // every fourth vector
    Counters counters = countLoads(c.stride, c.width);
    EXPECT_EQ(counters.globalLoads.instructions, 1u);
    EXPECT_EQ(counters.globalLoads.bytes, 128u * c.width);
    EXPECT_EQ(counters.globalLoads.sectors, c.sectors) << c.stride << ", " << c.width;
    EXPECT_EQ(counters.globalLoads.efficiency(), c.efficiency) << c.stride << ", " << c.width;
    EXPECT_EQ(counters.globalStores.sectors, 4u * c.width);
  }
}

TEST_F(Counted, BankConflictsOfSharedMemory) {
  // Lanes that store words 2^k apart meet in 32 / 2^k banks.
  EXPECT_EQ(countConflicts(1, 1), 0u);
  EXPECT_EQ(countConflicts(2, 1), 1u);
  EXPECT_EQ(countConflicts(8, 1), 7u);
  EXPECT_EQ(countConflicts(32, 1), 31u);
  EXPECT_EQ(countConflicts(33, 1), 0u); // as rows with padding
  // Accesses of 8 bytes go by half warps, those of 16 by quarters. Side by side they have no
  // conflict.
  EXPECT_EQ(countConflicts(2, 2), 0u);
  EXPECT_EQ(countConflicts(4, 4), 0u);
  // With rows of 128 bytes, the 8 lanes of each of the four quarters meet in the same four banks.
  EXPECT_EQ(countConflicts(32, 4), 4 * 7u);
  EXPECT_EQ(countConflicts(32, 2), 2 * 15u);
  EXPECT_EQ(countConflicts(36, 4), 0u);
}

TEST_F(Counted, OneWordForAllIsNoConflict) {
  Counters counters = count(
      [&](KernelBuilder &b) {
        b.ifThen(b.lessU(b.threadX(), b.i32(1)),
                 [&] { b.store(b.i32(7), b.shared(), b.getI32Type(), b.i32(0)); });
        b.barrier();
        Value value = b.load(b.shared(), b.getI32Type(), b.i32(0));
        b.store(value, b.arg("y"), b.getI32Type(), b.threadX());
      },
      4);
  EXPECT_EQ(counters.sharedLoads.instructions, 1u);
  EXPECT_EQ(counters.sharedLoads.extraWavefronts, 0u);
  EXPECT_EQ(counters.barriers, 1u);
}

TEST_F(Counted, LoopsAreGroupedByTheirTurns) {
  // Lane i goes round i % 4 + 1 times. Each turn is one instruction of the lanes that are still in
  // it, in any schedule.
  for (Order order : {Order::Forward, Order::Random}) {
    Counters counters = count(
        [&](KernelBuilder &b) {
          Value t = b.threadX(), turns = b.add(b.remU(t, 4), b.i32(1));
          Value sum = b.forLoop(b.i32(0), turns, b.i32(1), b.i32(0), [&](Value i, ValueRange sum) {
            Value index = b.add(t, b.mul(i, b.i32(64)));
            return SmallVector<Value>{b.add(sum[0], b.load(b.arg("x"), b.getI32Type(), index))};
          })[0];
          b.store(sum, b.arg("y"), b.getI32Type(), t);
        },
        0, 64, order);
    EXPECT_EQ(counters.globalLoads.instructions, 2 * 4u);
    EXPECT_EQ(counters.globalLoads.sectors, 2 * 4 * 4u);
    EXPECT_EQ(counters.globalLoads.bytes, 4 * 64u * (1 + 2 + 3 + 4) / 4);
  }
}

TEST_F(Counted, RowsOfMatrices) {
  // Eight rows 128 bytes apart are in the same four banks, but not if they are swizzled.
  auto extra = [&](bool swizzled) {
    return count(
               [&](KernelBuilder &b) {
                 Value t = b.threadX(), row = b.remU(t, 8);
                 for (int64_t i = 0; i < 2; ++i)
                   b.store(LLVM::ZeroOp::create(b, VectorType::get({4}, b.getI32Type())),
                           b.shared(512 * i), b.getI32Type(), b.mul(t, b.i32(4)));
                 NVVM::SyncWarpOp::create(b, b.i32(-1));
                 Value chunk = swizzled ? row : b.i32(0);
                 Value at = b.at(b.shared(), b.getI8Type(),
                                 b.add(b.mul(row, b.i32(128)), b.mul(chunk, b.i32(16))));
                 Value word =
                     NVVM::LdMatrixOp::create(b, b.getI32Type(), at, 1, NVVM::MMALayout::row,
                                              NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
                                              NVVM::LdStMatrixEltType::B16);
                 b.store(word, b.arg("y"), b.getI32Type(), t);
               },
               1024)
        .sharedLoads.extraWavefronts;
  };
  EXPECT_EQ(extra(false), 7u);
  EXPECT_EQ(extra(true), 0u);
}

TEST_F(Counted, EachAccessAlone) {
  Report report = observe(
      [&](KernelBuilder &b) {
        Value t = b.threadX();
        auto load = [&](llvm::StringRef name, int64_t stride) {
          Named named(b, name);
          return b.load(b.arg("x"), b.getI32Type(), b.mul(t, b.i32(stride)));
        };
        Value sum = b.add(load("dense", 1), load("sparse", 8));
        {
          Named named(b, "conflict");
          b.store(sum, b.shared(), b.getI32Type(), b.mul(t, b.i32(4)));
        }
        Named named(b, "out");
        b.store(sum, b.arg("y"), b.getI32Type(), t);
      },
      64 * 16, 64);
  ASSERT_EQ(report.accesses.size(), 4u);
  const auto &[dense, sparse, conflict, out] =
      std::tie(report.accesses[0], report.accesses[1], report.accesses[2], report.accesses[3]);
  EXPECT_EQ(dense.location, "dense");
  EXPECT_EQ(dense.memory.sectors, 2 * 4u);
  EXPECT_EQ(dense.memory.efficiency(), 1.0);
  EXPECT_EQ(sparse.location, "sparse");
  EXPECT_EQ(sparse.op, "llvm.load #1");
  EXPECT_EQ(sparse.memory.instructions, 2u);
  EXPECT_EQ(sparse.memory.sectors, 2 * 32u);
  EXPECT_EQ(sparse.memory.efficiency(), 0.125);
  EXPECT_EQ(conflict.location, "conflict");
  EXPECT_TRUE(conflict.shared && conflict.store);
  EXPECT_EQ(conflict.memory.extraWavefronts, 2 * 3u);
  EXPECT_EQ(out.location, "out");
  EXPECT_TRUE(!out.shared && out.store);
  EXPECT_EQ(report.counters.globalLoads.sectors, dense.memory.sectors + sparse.memory.sectors);
  EXPECT_EQ(report.counters.sharedStores.extraWavefronts, conflict.memory.extraWavefronts);
  // Only accesses that waste something are printed.
  std::string text = print(report);
  EXPECT_NE(text.find("  llvm.load #1 at sparse, global load: 2 warp instructions, 256 bytes, 64 "
                      "sectors, 12.5 % of their bytes asked for\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("conflict, shared store: 2 warp instructions, 256 bytes, 6 extra"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("dense"), std::string::npos) << text;
}

TEST_F(Counted, BothSidesOfCopies) {
  // The sources are 64 bytes apart and have 16, 8 or no bytes. The destinations are 32 bytes apart.
  Report report = observe(
      [&](KernelBuilder &b) {
        Value t = b.threadX();
        NVVM::CpAsyncOp::create(b, b.at(b.shared(), b.getI32Type(), b.mul(t, b.i32(8))),
                                b.at(b.arg("x"), b.getI32Type(), b.mul(t, b.i32(16))), 16,
                                NVVM::LoadCacheModifierKind::CG, b.mul(b.remU(t, 3), b.i32(8)));
        NVVM::CpAsyncCommitGroupOp::create(b);
        NVVM::CpAsyncWaitGroupOp::create(b, 0);
      },
      32 * 32);
  ASSERT_EQ(report.accesses.size(), 2u);
  const auto &[source, destination] = std::tie(report.accesses[0], report.accesses[1]);
  EXPECT_EQ(source.op, destination.op);
  EXPECT_TRUE(!source.shared && !source.store && destination.shared && destination.store);
  EXPECT_EQ(source.memory.instructions, 1u);
  EXPECT_EQ(source.memory.bytes, 11 * 8 + 10 * 16u);
  EXPECT_EQ(source.memory.sectors, 21u);
  EXPECT_EQ(destination.memory.bytes, 32 * 16u);
  EXPECT_EQ(destination.memory.extraWavefronts, 4u);
}
