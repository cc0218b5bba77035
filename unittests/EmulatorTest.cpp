//===- EmulatorTest.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Right kernels: their results against a reference, their schedules and launches.
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"

#include "llvm/ADT/bit.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;

namespace {
struct Kernels : EmulatorTest {
  /// Builds y = x / rms(x) for rows of 256 bf16, with a warp for each row.
  void buildNormalize() {
    Builder t(&context);
    build({{"x", KernelArgument::In, t.getBF16Type()},
           {"y", KernelArgument::Out, t.getBF16Type()},
           {"rows", KernelArgument::Scalar, t.getI32Type()}},
          32, [](KernelBuilder &b) {
            b.ifThen(b.lessU(b.blockX(), b.arg("rows")), [&] {
              Value index = b.add(b.mul(b.blockX(), b.i32(256)), b.mul(b.threadX(), b.i32(8)));
              Value x = b.toF32(b.load(b.arg("x"), b.getBF16Type(), index, 8));
              Value sum = b.warpSum(b.sum(b.fmul(x, x)));
              Value scale = b.rsqrt(b.fma(sum, b.f32(1.0 / 256), b.f32(1e-6)));
              Value y = b.fromF32(b.fmul(x, b.splat(scale, 8)), b.getBF16Type());
              b.store(y, b.arg("y"), b.getBF16Type(), index);
            });
          });
  }

  /// Builds a kernel that sums the 256 f32 of each block by a tree in shared memory.
  void buildTreeSum() {
    build({{"x", KernelArgument::In, f32()}, {"y", KernelArgument::Out, f32()}}, 256,
          [](KernelBuilder &b) {
            Value t = b.threadX(), shared = b.shared();
            Value x = b.load(b.arg("x"), b.getF32Type(), b.add(b.mul(b.blockX(), b.i32(256)), t));
            b.store(x, shared, b.getF32Type(), t);
            for (int64_t half = 128; half > 0; half /= 2) {
              b.barrier();
              b.ifThen(b.lessU(t, b.i32(half)), [&] {
                Value mine = b.load(shared, b.getF32Type(), t);
                Value other = b.load(shared, b.getF32Type(), b.add(t, b.i32(half)));
                b.store(b.fadd(mine, other), shared, b.getF32Type(), t);
              });
            }
            b.ifThen(b.lessU(t, b.i32(1)), [&] {
              b.store(b.load(shared, b.getF32Type(), t), b.arg("y"), b.getF32Type(), b.blockX());
            });
          });
  }
};

uint16_t toBF16(float x) { return uint16_t(llvm::bit_cast<uint32_t>(x) >> 16); }
float fromBF16(uint16_t x) { return llvm::bit_cast<float>(uint32_t(x) << 16); }
} // namespace

TEST_F(Kernels, NormalizesRowsAsTheReference) {
  buildNormalize();
  const unsigned rows = 3;
  std::vector<uint16_t> x(rows * 256), y(rows * 256, 0x7fc0);
  for (unsigned i = 0; i < x.size(); ++i)
    x[i] = toBF16(float(int(i * 37 % 101) - 50) / 8);
  Launch launch;
  launch.grid = {rows + 1, 1, 1};
  launch.block = {32, 1, 1};
  launch.arguments = {x.data(), y.data(), int32_t(rows)};
  launch.buffers = {buffer("x", x, false), buffer("y", y)};
  Report report = run(launch);
  EXPECT_TRUE(report.clean()) << print(report);
  for (unsigned row = 0; row < rows; ++row) {
    double sum = 0;
    for (unsigned i = 0; i < 256; ++i)
      sum += std::pow(fromBF16(x[row * 256 + i]), 2);
    for (unsigned i = 0; i < 256; ++i) {
      double want = fromBF16(x[row * 256 + i]) / std::sqrt(sum / 256 + 1e-6);
      // Half a unit of bf16's 8 bits is allowed.
      ASSERT_NEAR(fromBF16(y[row * 256 + i]), want, std::abs(want) / 255) << row << ", " << i;
    }
  }
  // Each row has 512 bytes, which are read and written once.
  EXPECT_EQ(report.counters.globalLoads.sectors, rows * 16u);
  EXPECT_EQ(report.counters.globalLoads.instructions, rows);
  EXPECT_EQ(report.counters.globalStores.bytes, rows * 512u);
  EXPECT_EQ(report.counters.globalStores.efficiency(), 1.0);
  EXPECT_EQ(report.counters.warpCollectives, rows * 5u);
}

TEST_F(Kernels, GiveTheSameUnderEachSchedule) {
  buildTreeSum();
  std::vector<float> x(4 * 256);
  std::iota(x.begin(), x.end(), 0.f);
  for (Order blocks : {Order::Forward, Order::Reverse, Order::Random})
    for (Order threads : {Order::Forward, Order::Reverse, Order::Random})
      for (uint64_t seed : {1, 2}) {
        std::vector<float> y(4, -1.f);
        Launch launch;
        launch.grid = {4, 1, 1};
        launch.block = {256, 1, 1};
        launch.sharedBytes = 1024;
        launch.arguments = {x.data(), y.data()};
        launch.buffers = {buffer("x", x, false), buffer("y", y)};
        launch.blockOrder = blocks;
        launch.threadOrder = threads;
        launch.seed = seed;
        Report report = run(launch);
        EXPECT_TRUE(report.clean()) << print(report);
        for (unsigned block = 0; block < 4; ++block)
          EXPECT_EQ(y[block], 256 * 255 / 2 + 256 * 256 * block);
        EXPECT_EQ(report.counters.barriers, 4 * 8u);
      }
}

TEST_F(Kernels, SeeTheirIndices) {
  build({{"y", KernelArgument::Out, i32()}}, 64, [](KernelBuilder &b) {
    auto read = [&](auto op) -> Value { return op; };
    Type word = b.getI32Type();
    Value tx = read(NVVM::ThreadIdXOp::create(b, word)),
          ty = read(NVVM::ThreadIdYOp::create(b, word));
    Value nx = read(NVVM::BlockDimXOp::create(b, word)),
          ny = read(NVVM::BlockDimYOp::create(b, word));
    Value block = b.add(b.blockX(), b.mul(b.blockY(), NVVM::GridDimXOp::create(b, word)));
    Value thread = b.add(tx, b.mul(ty, nx));
    Value index = b.add(b.mul(block, b.mul(nx, ny)), thread);
    Value lane = NVVM::LaneIdOp::create(b, word), warp = NVVM::WarpIdOp::create(b, word);
    Value both = b.add(b.mul(block, b.i32(10000)), b.add(b.mul(warp, b.i32(100)), lane));
    b.store(both, b.arg("y"), word, index);
  });
  std::vector<int32_t> y(6 * 48, -1);
  Launch launch;
  launch.grid = {3, 2, 1};
  launch.block = {8, 6, 1};
  launch.arguments = {y.data()};
  launch.buffers = {buffer("y", y)};
  Report report = run(launch);
  EXPECT_TRUE(report.clean()) << print(report);
  for (int i = 0; i < 6 * 48; ++i)
    EXPECT_EQ(y[i], i / 48 * 10000 + i % 48 / 32 * 100 + i % 48 % 32);
}

TEST_F(Kernels, LaunchesThatDoNotFitAreErrors) {
  buildNormalize();
  Launch launch;
  auto error = [&](StringRef name) {
    llvm::Expected<Report> report = emulator->launch(name, launch);
    return report ? std::string() : llvm::toString(report.takeError());
  };
  EXPECT_NE(error("other").find("no kernel 'other'"), std::string::npos);
  EXPECT_NE(error("k").find("expected 3 arguments, but got 0"), std::string::npos);
  void *null = nullptr;
  launch.arguments = {null, null, 1.f};
  EXPECT_NE(error("k").find("argument 2: expected an i32, but got an f32"), std::string::npos);
  launch.arguments = {null, null, int32_t(0)};
  launch.block = {2048, 1, 1};
  EXPECT_NE(error("k").find("1 to 1024 threads"), std::string::npos);
}
