//===- AttentionEmulatorTest.cpp --------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks the numbers of the attention kernels. Each kernel runs in the emulator on sizes around the
// edges of tiles, and is compared with a reference in double precision.
//
//===----------------------------------------------------------------------===//

#include "AttentionReference.h"
#include "EmulatorTest.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;

namespace {
// The edges of tiles, of the 16 rows of a matrix instruction, and of the rows of a warp.
constexpr int64_t kEdges[] = {1, 15, 16, 17, 63, 64, 65, 130};
/// Small tiles, so that a few keys fill many of them.
constexpr AttentionSchedule kSmall = {64, 32, 4, 1, false};

struct AttentionNumbers : EmulatorTest {
  AttentionSpec spec(int64_t dim = 64) {
    AttentionSpec out;
    out.type = BFloat16Type::get(&context);
    out.headDim = dim;
    out.logSumExp = true;
    return out;
  }

  void compile(const AttentionSpec &spec, const AttentionSchedule &schedule = kSmall) {
    ASSERT_EQ(check(spec), std::nullopt);
    ASSERT_EQ(schedule.check(spec, "sm_80"), std::nullopt);
    used = schedule;
    module = ModuleOp::create(UnknownLoc::get(&context));
    buildAttentionKernel(createKernelModule(*module, "kernels"), spec, schedule);
    ASSERT_TRUE(succeeded(verify(*module)));
    PassManager pm(&context);
    nvptx::buildLowerKernelsPipeline(pm);
    ASSERT_TRUE(succeeded(pm.run(*module)));
    llvm::Expected<Emulator> made = Emulator::create(*module);
    ASSERT_TRUE(bool(made)) << llvm::toString(made.takeError());
    emulator = std::make_unique<Emulator>(std::move(*made));
  }

  Report expectRight(const Problem &problem, Order order = Order::Forward) {
    AttentionCase instance(problem);
    Report report = instance.run(*emulator, used, order);
    std::string place = getName(problem.spec) + ", " + std::to_string(problem.queries) + " x " +
                        std::to_string(problem.keys);
    EXPECT_TRUE(report.clean()) << place << "\n" << print(report);
    EXPECT_EQ(instance.compare(), std::nullopt) << place;
    return report;
  }

  /// Compares for every `step`th pair of edges, beginning with another one on each call. Heads
  /// share keys in groups of three.
  void expectRightAroundEdges(Problem problem, int64_t step = 1) {
    problem.heads = 3;
    int64_t number = calls++;
    for (int64_t queries : kEdges)
      for (int64_t keys : kEdges) {
        if (number++ % step != 0)
          continue;
        problem.queries = queries;
        problem.keys = keys;
        problem.seed = queries * 1000 + keys;
        expectRight(problem);
        if (HasFailure())
          return;
      }
  }

  AttentionSchedule used;
  int64_t calls = 0;
};
} // namespace

TEST_F(AttentionNumbers, Plain) {
  Problem problem{spec()};
  compile(problem.spec);
  expectRightAroundEdges(problem);
}

// Blocks must find their head and batch even if the product of the numbers of heads takes more than
// 32 bits.
TEST_F(AttentionNumbers, CountsHeadsBeyond32Bits) {
  Problem problem{spec(32)};
  compile(problem.spec);
  problem.heads = problem.keyHeads = 5;
  problem.queries = problem.keys = 3;
  problem.saidHeads = INT32_MAX;
  expectRight(problem);
}

TEST_F(AttentionNumbers, Causal) {
  for (bool topLeft : {false, true}) {
    Problem problem{spec()};
    problem.spec.causal = true;
    problem.spec.topLeft = topLeft;
    compile(problem.spec);
    expectRightAroundEdges(problem, topLeft ? 3 : 1);
  }
}

TEST_F(AttentionNumbers, Window) {
  for (bool causal : {false, true}) {
    Problem problem{spec()};
    problem.spec.window = true;
    problem.spec.causal = causal;
    compile(problem.spec);
    for (int64_t window : {1, 20, 64, 1000000}) {
      problem.window = window;
      expectRightAroundEdges(problem, 7);
    }
  }
}

TEST_F(AttentionNumbers, WindowFromTheTopLeft) {
  Problem problem{spec()};
  problem.spec.window = problem.spec.causal = problem.spec.topLeft = true;
  problem.window = 33;
  compile(problem.spec);
  expectRightAroundEdges(problem, 3);
}

// The last head's logit, 2.1 to 20, is far above the scores.
TEST_F(AttentionNumbers, SinkLogit) {
  for (bool causal : {false, true}) {
    Problem problem{spec()};
    problem.spec.sinkLogit = true;
    problem.spec.causal = causal;
    compile(problem.spec);
    expectRightAroundEdges(problem, 5);
    problem.sinkLogits = {-20, 0, 20};
    expectRightAroundEdges(problem, 5);
    problem.sinkLogits = {-INFINITY, 300, -300};
    expectRightAroundEdges(problem, 5);
  }
}

// There are fewer sink rows than a tile has, as many, or more. The window hides none of them.
TEST_F(AttentionNumbers, SinkKeysAndValues) {
  for (bool window : {false, true}) {
    Problem problem{spec()};
    problem.spec.sinkKeyValue = problem.spec.causal = true;
    problem.spec.window = window;
    problem.window = 10;
    compile(problem.spec);
    for (int64_t rows : {1, 4, 32, 37}) {
      problem.sinkRows = rows;
      expectRightAroundEdges(problem, 7);
    }
  }
}

TEST_F(AttentionNumbers, Gate) {
  for (AttentionSpec::Gate gate : {AttentionSpec::Plain, AttentionSpec::Sigmoid}) {
    Problem problem{spec()};
    problem.spec.gate = gate;
    compile(problem.spec);
    for (Layout layout : {Layout::HeadsFirst, Layout::RowsFirst, Layout::Padded}) {
      problem.layout = layout;
      expectRightAroundEdges(problem, 7);
    }
  }
}

TEST_F(AttentionNumbers, GateOfAHead) {
  for (AttentionSpec::Gate gate : {AttentionSpec::Plain, AttentionSpec::Sigmoid}) {
    Problem problem{spec()};
    problem.spec.gate = gate;
    problem.spec.gatePerHead = true;
    problem.layout = Layout::RowsFirst;
    compile(problem.spec);
    expectRightAroundEdges(problem, 7);
  }
}

TEST_F(AttentionNumbers, NarrowSinkLogit) {
  Problem problem{spec()};
  problem.spec.sinkLogit = true;
  problem.spec.sinkType = problem.spec.type;
  compile(problem.spec);
  expectRightAroundEdges(problem, 7);
}

TEST_F(AttentionNumbers, Bias) {
  Builder b(&context);
  for (Type type : {Type(b.getBF16Type()), Type(b.getF16Type()), Type(b.getF32Type())}) {
    Problem problem{spec()};
    problem.spec.mask = AttentionSpec::Bias;
    problem.spec.maskType = type;
    compile(problem.spec);
    for (bool shared : {false, true}) {
      problem.isMaskShared = shared;
      problem.batch = 2;
      expectRightAroundEdges(problem, 9);
    }
  }
}

TEST_F(AttentionNumbers, KeepMask) {
  Problem problem{spec()};
  problem.spec.mask = AttentionSpec::Keep;
  compile(problem.spec);
  for (bool shared : {false, true}) {
    problem.isMaskShared = shared;
    problem.batch = 2;
    expectRightAroundEdges(problem, 5);
  }
}

TEST_F(AttentionNumbers, Softcap) {
  Problem problem{spec()};
  problem.spec.softcap = 50;
  compile(problem.spec);
  expectRightAroundEdges(problem, 5);
  problem.spread = 8; // for scores of hundreds
  expectRightAroundEdges(problem, 5);
}

// Lengths are 0, below and above the number of keys. Keys beyond them are NaN.
TEST_F(AttentionNumbers, KeyLengths) {
  for (bool causal : {false, true}) {
    Problem problem{spec()};
    problem.spec.keyLengths = true;
    problem.spec.causal = causal;
    compile(problem.spec);
    problem.batch = 5;
    problem.keyLengths = {0, 1, 40, 64, 1000};
    expectRightAroundEdges(problem, 7);
  }
}

TEST_F(AttentionNumbers, Layouts) {
  Problem problem{spec(96)};
  problem.spec.causal = true;
  compile(problem.spec);
  problem.batch = 2;
  problem.heads = 6;
  problem.keyHeads = 2;
  for (Layout layout : {Layout::HeadsFirst, Layout::RowsFirst, Layout::Padded, Layout::Packed}) {
    problem.layout = layout;
    problem.queries = problem.keys = 70;
    expectRight(problem);
  }
}

TEST_F(AttentionNumbers, GroupsOfHeads) {
  Problem problem{spec(32)};
  problem.spec.sinkLogit = true;
  compile(problem.spec);
  problem.queries = 20;
  problem.keys = 50;
  for (auto [heads, keyHeads] : {std::pair(1, 1), {4, 4}, {3, 1}, {6, 2}, {8, 1}, {16, 2}}) {
    problem.heads = heads;
    problem.keyHeads = keyHeads;
    expectRight(problem);
  }
}

// Uses the schedules that are chosen, with half as many keys in a tile if there are sink rows.
// Neither fragments nor copies have bank conflicts, and stores write whole sectors.
TEST_F(AttentionNumbers, HeadDims) {
  auto expectRightOn = [&](StringRef chip, int64_t dim, int64_t valueDim, bool sinks) {
    Problem problem{spec(dim)};
    problem.spec.valueDim = valueDim;
    problem.spec.causal = true;
    problem.spec.gate = AttentionSpec::Sigmoid;
    problem.spec.sinkKeyValue = sinks;
    if (sinks)
      problem.spec.type = Float16Type::get(&context);
    problem.sinkRows = sinks ? 3 : 0;
    problem.queries = 72;
    problem.keys = 130;
    AttentionSchedule schedule = chooseAttentionSchedule(problem.spec, chip);
    ASSERT_EQ(schedule.check(problem.spec, chip), std::nullopt);
    compile(problem.spec, schedule);
    Report report = expectRight(problem);
    EXPECT_EQ(report.counters.sharedLoads.extraWavefronts, 0u) << dim;
    EXPECT_EQ(report.counters.sharedStores.extraWavefronts, 0u) << dim;
    if (problem.spec.getValueDim() % 16 == 0)
      EXPECT_EQ(report.counters.globalStores.efficiency(), 1.0) << dim;
  };
  for (int64_t dim : {32, 64, 96, 128, 160, 192, 224, 256})
    expectRightOn("sm_80", dim, 0, /*sinks=*/false);
  for (int64_t dim : {8, 16, 24, 40, 72, 80, 88, 112, 120, 168, 200, 248}) // padded with zeros
    expectRightOn("sm_80", dim, 0, /*sinks=*/false);
  for (auto [dim, valueDim] : {std::pair(192, 128), {64, 256}, {96, 32}, {80, 24}, {8, 136}})
    expectRightOn("sm_80", dim, valueDim, /*sinks=*/false);
  for (int64_t dim : {40, 64, 80, 96, 112, 128, 256})
    expectRightOn("sm_80", dim, 0, /*sinks=*/true);
  for (bool sinks : {false, true}) // with tiles of its own
    expectRightOn("sm_86", 256, 0, sinks);
}

TEST_F(AttentionNumbers, Schedules) {
  Problem problem{spec()};
  problem.spec.causal = problem.spec.sinkKeyValue = problem.spec.window = true;
  problem.spec.gate = AttentionSpec::Plain;
  problem.sinkRows = 5;
  problem.window = 100;
  for (AttentionSchedule schedule : {AttentionSchedule{64, 16, 4, 1, false},
                                     {64, 16, 4, 4, true},
                                     {64, 48, 4, 2, false},
                                     {96, 112, 6, 1, true},
                                     {128, 64, 4, 3, true},
                                     {128, 80, 8, 2, false},
                                     {256, 32, 8, 1, false},
                                     {32, 32, 2, 1, true}}) {
    compile(problem.spec, schedule);
    for (auto [queries, keys] : {std::pair(200, 200), {1, 300}, {300, 31}}) {
      problem.queries = queries;
      problem.keys = keys;
      expectRight(problem);
      if (keys != 200)
        continue;
      expectRight(problem, Order::Random);
      expectRight(problem, Order::Reverse);
    }
  }
}

TEST_F(AttentionNumbers, EverythingAtOnce) {
  Problem problem{spec(128)};
  AttentionSpec &spec = problem.spec;
  spec.causal = spec.window = spec.keyLengths = spec.sinkLogit = spec.sinkKeyValue = true;
  spec.softcap = 30;
  spec.scale = 0.2;
  spec.gate = AttentionSpec::Sigmoid;
  problem.batch = 3;
  problem.heads = 6;
  problem.keyHeads = 2;
  problem.layout = Layout::RowsFirst;
  problem.keyLengths = {0, 77, 150};
  problem.sinkLogits = {20, -3, 0, 1, 2, 5};
  problem.sinkRows = 3;
  problem.window = 40;
  problem.queries = 90;
  problem.keys = 150;
  for (AttentionSpec::Mask mask : {AttentionSpec::Keep, AttentionSpec::Bias}) {
    spec.mask = mask;
    spec.maskType = Float32Type::get(&context);
    compile(spec, chooseAttentionSchedule(spec, "sm_80"));
    expectRight(problem);
  }
}

// A NaN in a key, a query or a value is the first or the last term that a sum of scores meets.
TEST_F(AttentionNumbers, NaNGoesThrough) {
  for (bool masked : {false, true}) {
    Problem problem{spec()};
    problem.spec.causal = masked;
    problem.spec.sinkLogit = masked;
    compile(problem.spec);
    problem.queries = problem.keys = 70;
    for (int64_t row : {0, 33, 69})
      for (Tensor AttentionCase::*tensor :
           {&AttentionCase::query, &AttentionCase::key, &AttentionCase::value}) {
        AttentionCase instance(problem);
        const Tensor &hurt = instance.*tensor;
        set(hurt, problem.spec.type, hurt.index(0, 0, row, 5), NAN);
        // Rows that do not see the value may be NaN or not, because a tile has 0 * NaN.
        bool isValue = tensor == &AttentionCase::value;
        EXPECT_TRUE(instance.run(*emulator, used).clean());
        EXPECT_EQ(instance.compare(masked && isValue ? row : 0), std::nullopt) << row;
      }
  }
}

// A row of tiny scores is beside one that overflows unless its maximum is subtracted.
TEST_F(AttentionNumbers, LargeScores) {
  Problem problem{spec()};
  problem.spec.sinkLogit = true;
  compile(problem.spec);
  problem.queries = 40;
  problem.keys = 100;
  problem.spread = 30;
  problem.sinkLogits = {1000};
  expectRight(problem);
  problem.sinkLogits = {-1000};
  expectRight(problem);
}

// As with softmax, inf - inf is NaN in the rows that have it, and in no others.
TEST_F(AttentionNumbers, InfiniteScores) {
  Problem problem{spec()};
  problem.queries = problem.keys = 40;
  problem.spec.mask = AttentionSpec::Bias;
  problem.spec.maskType = Float32Type::get(&context);
  compile(problem.spec);
  AttentionCase instance(problem);
  for (int64_t row : {0, 21})
    set(instance.mask, problem.spec.maskType, instance.mask.index(0, 0, row, 35), INFINITY);
  EXPECT_TRUE(instance.run(*emulator, used).clean());
  EXPECT_EQ(instance.compare(), std::nullopt);
  EXPECT_TRUE(std::isnan(instance.logSumExp[0]));
  EXPECT_FALSE(std::isnan(instance.logSumExp[1]));

  problem.spec = spec();
  problem.spec.sinkLogit = true;
  compile(problem.spec);
  for (float sink : {INFINITY, NAN}) {
    problem.sinkLogits = {sink};
    expectRight(problem);
  }
}

// Without keys the result is only that of the sinks.
TEST_F(AttentionNumbers, NoKeys) {
  for (bool sinks : {false, true}) {
    Problem problem{spec()};
    problem.spec.causal = problem.spec.keyLengths = true;
    problem.spec.sinkKeyValue = sinks;
    problem.spec.gate = AttentionSpec::Plain;
    compile(problem.spec);
    problem.sinkRows = sinks ? 3 : 0;
    problem.queries = 70;
    problem.keys = 40;
    problem.batch = 2;
    problem.keyLengths = {0, -1};
    expectRight(problem);
  }
}

// Tiles that no query of a block sees are not computed.
TEST_F(AttentionNumbers, SkipsTiles) {
  auto count = [&](bool causal, int64_t window, int64_t sinkRows) {
    Problem problem{spec()};
    problem.spec.causal = causal;
    problem.spec.window = window != 0;
    problem.spec.sinkKeyValue = sinkRows != 0;
    problem.window = window;
    problem.sinkRows = sinkRows;
    problem.queries = problem.keys = 512;
    compile(problem.spec);
    return expectRight(problem).counters.mma;
  };
  // A tile of 64 queries x 32 keys takes 4 warps x 4 steps x 4 tiles, twice.
  const uint64_t perTile = 4 * 32;
  EXPECT_EQ(count(false, 0, 0), 8 * 16 * perTile);
  // Block i of 8 sees the first 2 * (i + 1) tiles.
  EXPECT_EQ(count(true, 0, 0), 2 * 36 * perTile);
  // A block sees keys from 63 before its first query on, which are two tiles, and two tiles of its
  // own.
  EXPECT_EQ(count(true, 64, 0), (2 + 7 * 4) * perTile);
  // The tile of sink rows comes on top. It shifts the other keys by 4, so there is one more tile at
  // both ends. In the first two blocks the tile of sink rows is one of the window's.
  EXPECT_EQ(count(true, 64, 4), (3 + 5 + 6 * 6) * perTile);
}
