//===- SoftmaxEmulatorTest.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs softmax kernels on the emulator and compares them with a reference in double precision.
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"
#include "SoftmaxReference.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;

namespace {
struct SoftmaxNumbers : EmulatorTest {
  SoftmaxSpec spec(Type type = Type()) {
    SoftmaxSpec out;
    out.type = type ? type : f32();
    out.logSumExp = true;
    return out;
  }
  Type bf16() { return BFloat16Type::get(&context); }
  Type f16() { return Float16Type::get(&context); }

  void compile(const SoftmaxSpec &spec) { compile(spec, chooseSoftmaxSchedule(spec)); }
  void compile(const SoftmaxSpec &spec, const SoftmaxSchedule &schedule) {
    ASSERT_EQ(check(spec), std::nullopt) << getName(spec);
    ASSERT_EQ(schedule.check(spec), std::nullopt) << getName(spec);
    used = schedule;
    module = ModuleOp::create(UnknownLoc::get(&context));
    buildSoftmaxKernel(createKernelModule(*module, "kernels"), spec, schedule);
    ASSERT_TRUE(succeeded(verify(*module)));
    PassManager pm(&context);
    nvptx::buildLowerKernelsPipeline(pm);
    ASSERT_TRUE(succeeded(pm.run(*module)));
    llvm::Expected<Emulator> made = Emulator::create(*module);
    ASSERT_TRUE(bool(made)) << llvm::toString(made.takeError());
    emulator = std::make_unique<Emulator>(std::move(*made));
  }

  static std::string describe(const SoftmaxProblem &problem) {
    return getName(problem.spec) + ", " + std::to_string(problem.heads) + " x " +
           std::to_string(problem.queries) + " x " + std::to_string(problem.keys) + ", prefix " +
           std::to_string(problem.prefix) + ", window " + std::to_string(problem.window);
  }

  Report expectRight(const SoftmaxProblem &problem, SoftmaxCase &instance,
                     Order order = Order::Forward) {
    Report report = instance.run(*emulator, used, order);
    EXPECT_TRUE(report.clean()) << describe(problem) << "\n" << print(report);
    EXPECT_EQ(instance.compare(), std::nullopt) << describe(problem);
    return report;
  }
  Report expectRight(const SoftmaxProblem &problem) {
    SoftmaxCase instance(problem);
    return expectRight(problem, instance);
  }
  /// Compares with the reference, and expects the same bits in another order of threads.
  void expectRightInTwoOrders(const SoftmaxProblem &problem) {
    SoftmaxCase forward(problem), other(problem);
    expectRight(problem, forward);
    expectRight(problem, other, problem.seed % 2 ? Order::Random : Order::Reverse);
    EXPECT_EQ(forward.probabilities.storage->bytes, other.probabilities.storage->bytes)
        << describe(problem);
  }

  /// Draws options that go together, and sizes beside the number of keys.
  SoftmaxProblem draw(std::mt19937 &random, int64_t keys);

  SoftmaxSchedule used;
};

SoftmaxProblem SoftmaxNumbers::draw(std::mt19937 &random, int64_t keys) {
  auto coin = [&](unsigned of = 2) { return random() % of == 0; };
  auto upTo = [&](int64_t most) { return int64_t(random() % uint64_t(most + 1)); };
  Type types[] = {f32(), f16(), bf16()};
  SoftmaxProblem out;
  SoftmaxSpec &spec = out.spec;
  spec.type = types[random() % 3];
  spec.resultType = coin() ? Type() : types[random() % 3];
  spec.separate = spec.getResultType() == spec.type && coin();
  spec.scale = coin() ? 0 : coin() ? 0.125 : 0.3;
  spec.softcap = coin(4) ? 30 : 0;
  spec.causal = coin();
  spec.window = coin(3);
  spec.topLeft = (spec.causal || spec.window) && coin(3);
  spec.mask = static_cast<SoftmaxSpec::Mask>(random() % 3);
  spec.maskType = spec.mask == SoftmaxSpec::Bias ? types[random() % 3] : Type();
  if (spec.mask == SoftmaxSpec::Keep && !spec.causal && !spec.window && coin())
    spec.maskFill = coin() ? -1e9 : -5;
  spec.nanHiddenRows = coin(3);
  spec.keyLengths = coin(3);
  spec.sinkLogit = coin();
  spec.sinkType = spec.sinkLogit && coin() ? types[random() % 3] : Type();
  spec.prefix = coin(3);
  spec.logSumExp = coin();
  spec.aligned = coin();
  spec.maxKeys = coin() ? 0 : keys + upTo(40);
  out.batch = 1 + upTo(1);
  out.heads = 1 + upTo(4);
  out.queries = coin(3) ? keys % 50 + 2 : 1 + upTo(3);
  out.keys = keys;
  out.rowStride = spec.aligned ? 0 : keys + upTo(3);
  out.prefix = spec.prefix ? upTo(std::min<int64_t>(keys + 1, 9)) : 0;
  out.window = spec.window ? 1 + upTo(keys + 2) : 0;
  out.isMaskShared = coin();
  for (int64_t i = 0; i < out.batch; ++i)
    out.keyLengths.push_back(int32_t(upTo(keys + 3)) - 1);
  out.seed = random();
  return out;
}
} // namespace

// Keys are fewer or more than a vector, the threads of a row, and a step of theirs.
TEST_F(SoftmaxNumbers, DrawnOptions) {
  std::mt19937 random(29);
  for (auto [keys, count] :
       {std::pair(1, 16), {7, 16}, {32, 16}, {33, 16}, {300, 16}, {1025, 10}, {5000, 6}})
    for (int i = 0; i < count; ++i) {
      SoftmaxProblem problem = draw(random, keys);
      compile(problem.spec);
      expectRightInTwoOrders(problem);
      if (HasFailure())
        return;
    }
}

// Without options, each type and each way to read a row, aligned and not.
TEST_F(SoftmaxNumbers, TypesAndWaysToRead) {
  for (Type type : {f32(), f16(), bf16()})
    for (Type result : {f32(), f16(), bf16()})
      for (bool aligned : {false, true})
        for (int64_t maxKeys : {0, 320}) {
          SoftmaxProblem problem{spec(type)};
          problem.spec.resultType = result;
          problem.spec.aligned = aligned;
          problem.spec.maxKeys = maxKeys;
          problem.heads = 5;
          problem.queries = 2;
          problem.keys = 303;
          compile(problem.spec);
          expectRightInTwoOrders(problem);
        }
}

// Rows of one or several warps, one or several in a block, in registers and not.
TEST_F(SoftmaxNumbers, Schedules) {
  SoftmaxProblem problem{spec()};
  problem.spec.aligned = problem.spec.causal = problem.spec.sinkLogit = true;
  problem.spec.maxKeys = 1100;
  problem.batch = 2;
  problem.heads = 3;
  problem.queries = 3;
  problem.keys = 1027;
  for (SoftmaxSchedule schedule : {SoftmaxSchedule{32, 4, 4, true},
                                   {32, 1, 2, true},
                                   {64, 2, 4, true},
                                   {64, 3, 4, false},
                                   {128, 2, 1, true},
                                   {256, 1, 4, false},
                                   {512, 2, 2, false},
                                   {1024, 1, 4, true}}) {
    compile(problem.spec, schedule);
    expectRightInTwoOrders(problem);
  }
}

// Queries are more or fewer than keys, so that some rows see no key.
TEST_F(SoftmaxNumbers, RowsWithoutAKey) {
  for (bool nan : {false, true})
    for (bool sink : {false, true})
      for (int64_t maxKeys : {0, 40}) {
        SoftmaxProblem problem{spec()};
        problem.spec.causal = problem.spec.keyLengths = true;
        problem.spec.nanHiddenRows = nan;
        problem.spec.sinkLogit = sink;
        problem.spec.maxKeys = maxKeys;
        problem.batch = 4;
        problem.keyLengths = {0, -1, 3, 100};
        problem.queries = 40;
        problem.keys = 33;
        compile(problem.spec);
        SoftmaxCase instance(problem);
        expectRight(problem, instance);
        // The first row of the last batch stands before the first key.
        const int64_t row = 120;
        double nothing = instance.at(row, 0);
        EXPECT_EQ(std::isnan(nothing), nan && !sink);
        EXPECT_TRUE(std::isnan(nothing) || nothing == 0);
        EXPECT_EQ(instance.logSumExp[row], sink ? 0.7f : -INFINITY);
      }
}

// A fill gives each key of a hidden row its share.
TEST_F(SoftmaxNumbers, FilledRowsAreUniform) {
  for (double softcap : {0.0, 20.0})
    for (double fill : {-1e4, -1e9, -3e38}) {
      SoftmaxProblem problem{spec()};
      problem.spec.mask = SoftmaxSpec::Keep;
      problem.spec.maskFill = fill;
      problem.spec.softcap = softcap;
      problem.spec.scale = 0.1;
      problem.spec.logSumExp = false;
      problem.queries = 5; // the mask hides all keys of the last one
      problem.keys = 50;
      compile(problem.spec);
      SoftmaxCase instance(problem);
      expectRight(problem, instance);
      EXPECT_NEAR(instance.at(4, 17), 1.0 / 50, 1e-8);
    }
}

// The lowest finite bias is a score as any other, so a row of them is uniform.
TEST_F(SoftmaxNumbers, LowestBiases) {
  for (Type type : {f32(), bf16()}) {
    SoftmaxProblem problem{spec()};
    problem.spec.mask = SoftmaxSpec::Bias;
    problem.spec.maskType = type;
    problem.spec.logSumExp = false;
    problem.queries = 2;
    problem.keys = 20;
    compile(problem.spec);
    SoftmaxCase instance(problem);
    double lowest = type.isF32() ? -0x1.fffffep127 : -0x1.fep127;
    for (int64_t i = 0; i < 20; ++i)
      set(instance.mask, type, i, lowest);
    EXPECT_TRUE(instance.run(*emulator, used).clean());
    for (int64_t i = 0; i < 20; ++i)
      EXPECT_NEAR(instance.at(0, i), 1.0 / 20, 1e-8) << i;
  }
}

// NaN and +inf make their row NaN, wherever they are in it, and no other. -inf hides a key. What
// a row does not see does not matter.
TEST_F(SoftmaxNumbers, NaNAndInfinity) {
  for (int64_t maxKeys : {0, 100})
    for (bool aligned : {false, true})
      for (double value : {double(NAN), double(INFINITY), -double(INFINITY)}) {
        SoftmaxProblem problem{spec()};
        problem.spec.causal = true;
        problem.spec.maxKeys = maxKeys;
        problem.spec.aligned = aligned;
        problem.heads = 3;
        problem.queries = 5;
        problem.keys = 71;
        compile(problem.spec);
        SoftmaxCase instance(problem);
        // Row 11 is query 1 of head 2 and sees 68 keys: the first, the last, and one behind them.
        for (auto [row, column] : {std::pair(0, 0), {4, 70}, {8, 33}, {11, 68}})
          set(instance.scores, f32(), row * problem.getRowStride() + column, value);
        expectRight(problem, instance);
        EXPECT_EQ(std::isnan(instance.at(4, 3)), !(value < 0));
        EXPECT_FALSE(std::isnan(instance.at(11, 3)));
      }
}

// A row of -inf or of NaN alone.
TEST_F(SoftmaxNumbers, NothingButNaN) {
  for (int64_t maxKeys : {0, 100})
    for (double value : {double(NAN), -double(INFINITY)}) {
      SoftmaxProblem problem{spec()};
      problem.spec.maxKeys = maxKeys;
      problem.queries = 3;
      problem.keys = 71;
      compile(problem.spec);
      SoftmaxCase instance(problem);
      for (int64_t column = 0; column < 71; ++column)
        set(instance.scores, f32(), 71 + column, value);
      expectRight(problem, instance);
    }
}

TEST_F(SoftmaxNumbers, SinkLogits) {
  for (int64_t maxKeys : {0, 100})
    for (float sink : {-1000.0f, 1000.0f, 20.0f, -INFINITY, INFINITY, NAN}) {
      SoftmaxProblem problem{spec()};
      problem.spec.sinkLogit = true;
      problem.spec.scale = 0.07;
      problem.spec.maxKeys = maxKeys;
      problem.queries = 2;
      problem.keys = 40;
      problem.sinkLogits = {sink};
      compile(problem.spec);
      expectRight(problem);
    }
}

// Scores of hundreds, most of them far below the maximum.
TEST_F(SoftmaxNumbers, LargeScores) {
  for (double scale : {0.0, 0.125})
    for (int64_t maxKeys : {0, 1000}) {
      SoftmaxProblem problem{spec()};
      problem.spec.scale = scale;
      problem.spec.maxKeys = maxKeys;
      problem.spread = 300;
      problem.queries = 4;
      problem.keys = 700;
      compile(problem.spec);
      expectRight(problem);
    }
}

// The prefix lies many steps before the window, which begins in the middle of a vector.
TEST_F(SoftmaxNumbers, PrefixFarFromTheWindow) {
  for (bool aligned : {false, true})
    for (int64_t maxKeys : {0, 5000}) {
      SoftmaxProblem problem{spec()};
      problem.spec.prefix = problem.spec.window = problem.spec.causal = true;
      problem.spec.aligned = aligned;
      problem.spec.maxKeys = maxKeys;
      problem.queries = 3;
      problem.keys = 4999;
      problem.prefix = 5;
      problem.window = 10;
      compile(problem.spec);
      SoftmaxCase instance(problem);
      expectRight(problem, instance);
      EXPECT_GT(instance.at(0, 4), 0);
      EXPECT_EQ(instance.at(0, 5), 0);
      EXPECT_GT(instance.at(0, 4987), 0);
    }
}

// Numbers of a launch that are out of bounds: no access is.
TEST_F(SoftmaxNumbers, ScalarsOutOfBounds) {
  SoftmaxProblem problem{spec()};
  problem.spec.prefix = problem.spec.window = problem.spec.causal = true;
  problem.spec.mask = SoftmaxSpec::Keep;
  problem.queries = 3;
  problem.keys = 20;
  compile(problem.spec);
  for (int64_t prefix : {int64_t(-5), int64_t(INT32_MIN), int64_t(20), int64_t(INT32_MAX)})
    for (int64_t window : {int64_t(0), int64_t(INT32_MIN), int64_t(INT32_MAX)}) {
      problem.prefix = prefix;
      problem.window = window;
      expectRight(problem);
    }
}

// A launch with more keys than the spec says is wrong, but no access is out of bounds.
TEST_F(SoftmaxNumbers, MoreKeysThanTheBound) {
  for (bool aligned : {false, true}) {
    SoftmaxProblem problem{spec()};
    problem.spec.maxKeys = 64;
    problem.spec.aligned = aligned;
    problem.queries = 2;
    problem.keys = 403;
    compile(problem.spec);
    SoftmaxCase instance(problem);
    EXPECT_TRUE(instance.run(*emulator, used).clean());
    EXPECT_NE(instance.compare(), std::nullopt);
  }
}

// What a row does not see is not read, and each byte of the others is read once or twice, in
// whole sectors.
TEST_F(SoftmaxNumbers, BytesOfARow) {
  for (int64_t times : {1, 2}) {
    SoftmaxProblem problem{spec()};
    problem.spec.aligned = true;
    problem.spec.logSumExp = false;
    problem.spec.maxKeys = times == 1 ? 1024 : 0;
    problem.heads = 4;
    problem.queries = 2;
    problem.keys = 1024;
    compile(problem.spec);
    Report report = expectRight(problem);
    EXPECT_EQ(report.counters.globalLoads.bytes, uint64_t(times) * 8 * 1024 * 4);
    EXPECT_EQ(report.counters.globalStores.bytes, 8u * 1024 * 4);
    EXPECT_EQ(report.counters.globalLoads.efficiency(), 1.0);
    EXPECT_EQ(report.counters.globalStores.efficiency(), 1.0);
    EXPECT_EQ(report.counters.sharedLoads.extraWavefronts, 0u);
    // The two queries see 16 and 17 keys, and vectors have four.
    problem.spec.causal = true;
    problem.spec.topLeft = true;
    problem.spec.prefix = true;
    problem.prefix = 15;
    compile(problem.spec);
    report = expectRight(problem);
    EXPECT_EQ(report.counters.globalLoads.bytes, uint64_t(times) * 4 * (16 + 20) * 4);
    EXPECT_EQ(report.counters.globalStores.bytes, 8u * 1024 * 4);
  }
}

// Of a row whose last vector is not whole, no more is read than it has.
TEST_F(SoftmaxNumbers, BytesOfATail) {
  for (int64_t times : {1, 2}) {
    SoftmaxProblem problem{spec(bf16())};
    problem.spec.aligned = true;
    problem.spec.logSumExp = false;
    problem.spec.maxKeys = times == 1 ? 400 : 0;
    problem.heads = 4;
    problem.keys = 317;
    compile(problem.spec);
    Report report = expectRight(problem);
    EXPECT_EQ(report.counters.globalLoads.bytes, uint64_t(times) * 4 * 317 * 2);
    EXPECT_EQ(report.counters.globalStores.bytes, 4u * 317 * 2);
  }
}
