//===- NormEmulatorTest.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs norm kernels on the emulator and compares them with a reference in f64. Shapes and options
// are drawn with fixed seeds.
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"

#include "basin/Kernels/DyTKernel.h"
#include "basin/Kernels/NormKernel.h"

#include "llvm/ADT/APFloat.h"

#include <cmath>
#include <map>
#include <random>

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;

namespace {

/// A tensor as a kernel takes it, and its elements as numbers.
struct Tensor {
  Type type;
  std::vector<char> bytes;
  std::vector<double> values;

  Tensor(Type type, size_t count) : type(type), bytes(count * width()), values(count) {}
  size_t width() const { return type.getIntOrFloatBitWidth() / 8; }

  const llvm::fltSemantics &semantics() const { return cast<FloatType>(type).getFloatSemantics(); }
  /// Returns x rounded to the type.
  double round(double x) const {
    llvm::APFloat number(x);
    bool lost;
    number.convert(semantics(), llvm::APFloat::rmNearestTiesToEven, &lost);
    number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
    return number.convertToDouble();
  }
  void set(size_t i, double x) {
    values[i] = round(x);
    llvm::APFloat number(values[i]);
    bool lost;
    number.convert(semantics(), llvm::APFloat::rmNearestTiesToEven, &lost);
    uint64_t bits = number.bitcastToAPInt().getZExtValue();
    memcpy(&bytes[i * width()], &bits, width());
  }
  /// Returns the element that a kernel wrote.
  double get(size_t i) const {
    uint64_t bits = 0;
    memcpy(&bits, &bytes[i * width()], width());
    llvm::APFloat number(semantics(), llvm::APInt(8 * width(), bits));
    bool lost;
    number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
    return number.convertToDouble();
  }
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double activate(GateActivation activation, double x) {
  switch (activation) {
  case GateActivation::Sigmoid:
    return sigmoid(x);
  case GateActivation::Tanh:
    return std::tanh(x);
  case GateActivation::Silu:
    return x * sigmoid(x);
  case GateActivation::Identity:
    return x;
  }
  return x;
}

/// All tensors of a launch, by argument name.
struct Case {
  NormSpec spec;
  int64_t rows;
  std::map<std::string, Tensor> tensors;

  Case(const NormSpec &spec, int64_t rows, uint64_t seed) : spec(spec), rows(rows) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    for (const KernelArgument &argument : getArguments(spec)) {
      if (argument.kind == KernelArgument::Scalar)
        continue;
      Tensor tensor(argument.type, count(argument.name));
      for (size_t i = 0; i < tensor.values.size(); ++i)
        tensor.set(i, scale(argument.name) * normal(random) + (argument.name == "weight" ? 1 : 0));
      tensors.emplace(argument.name, std::move(tensor));
    }
    // A residual sink: one dimension is large in every row.
    for (int64_t row = 0; row < rows; ++row)
      tensors.at("x").set(row * spec.dim + spec.dim / 2, 60);
  }

  size_t count(StringRef name) const {
    if (name == "gate_down" || (name == "gate_up" && !spec.tensorwise))
      return spec.gateRank * spec.dim;
    if (name == "gate_up")
      return spec.gateRank;
    bool isVector =
        name == "weight" || name == "bias" || name == "pre_affine" || name == "residual_bias";
    return isVector ? spec.dim : rows * spec.dim;
  }
  double scale(StringRef name) const {
    if (name == "gate_down")
      return 1 / std::sqrt(double(spec.dim));
    return name == "gate_up" ? 0.5 : name == "weight" ? 0.3 : 1;
  }
  bool has(const char *name) const { return tensors.count(name) != 0; }
  double at(const char *name, int64_t i) const { return tensors.at(name).values[i]; }

  std::vector<double> sums(int64_t row) const {
    std::vector<double> h(spec.dim);
    const Tensor &x = tensors.at("x");
    for (int64_t j = 0; j < spec.dim; ++j) {
      h[j] = x.values[row * spec.dim + j];
      if (spec.residual)
        h[j] = x.round(h[j] + at("residual", row * spec.dim + j));
      if (spec.residualBias)
        h[j] = x.round(h[j] + at("residual_bias", j));
    }
    return h;
  }

  /// Returns the norm's result before a gate.
  std::vector<double> normalized(int64_t row) const {
    std::vector<double> y = sums(row);
    double mean = 0, square = 0;
    for (int64_t j = 0; j < spec.dim; ++j) {
      y[j] *= spec.preAffine ? at("pre_affine", j) : 1;
      mean += y[j] / spec.dim;
    }
    for (double &value : y) {
      value -= spec.layer ? mean : 0;
      square += value * value / spec.dim;
    }
    for (int64_t j = 0; j < spec.dim; ++j) {
      y[j] /= std::sqrt(square + spec.epsilon);
      y[j] *= spec.weight ? at("weight", j) : 1;
      y[j] += spec.bias ? at("bias", j) : 0;
    }
    return y;
  }

  std::vector<double> result(int64_t row) const {
    std::vector<double> y = normalized(row);
    return spec.gateRank == 0 ? y : gated(std::move(y));
  }

  /// Returns the hidden values of the gate for a norm's result.
  std::vector<double> hidden(const std::vector<double> &y) const {
    std::vector<double> out(spec.gateRank);
    for (int64_t r = 0; r < spec.gateRank; ++r) {
      for (int64_t j = 0; j < spec.dim; ++j)
        out[r] += y[j] * at("gate_down", r * spec.dim + j);
      out[r] *= sigmoid(out[r]);
    }
    return out;
  }
  double up(int64_t j, int64_t r) const {
    return at("gate_up", (spec.tensorwise ? 0 : j * spec.gateRank) + r);
  }

  std::vector<double> gated(std::vector<double> y) const {
    std::vector<double> h = hidden(y);
    for (int64_t j = 0; j < spec.dim; ++j) {
      double score = 0;
      for (int64_t r = 0; r < spec.gateRank; ++r)
        score += h[r] * up(j, r);
      y[j] *= activate(spec.activation, score);
    }
    return y;
  }

  /// Returns the sums of |h_r w_jr|, to which the rounding errors of scores are relative.
  std::vector<double> scoreSizes(const std::vector<double> &y) const {
    std::vector<double> h = hidden(y), out(spec.dim);
    for (int64_t j = 0; j < spec.dim; ++j)
      for (int64_t r = 0; r < spec.gateRank; ++r)
        out[j] += std::abs(h[r] * up(j, r));
    return out;
  }
};

struct NormsEmulated : EmulatorTest {
  /// Lowers the kernels of `holder` and runs one of them.
  Report runModule(ModuleOp holder, StringRef kernel, const Launch &launch) {
    EXPECT_TRUE(succeeded(verify(holder)));
    PassManager pm(&context);
    nvptx::buildLowerKernelsPipeline(pm);
    EXPECT_TRUE(succeeded(pm.run(holder)));
    llvm::Expected<Emulator> made = Emulator::create(holder);
    if (!made) {
      ADD_FAILURE() << llvm::toString(made.takeError());
      return {};
    }
    llvm::Expected<Report> report = made->launch(kernel, launch);
    if (report)
      return std::move(*report);
    ADD_FAILURE() << llvm::toString(report.takeError());
    return {};
  }

  /// Runs the kernel of `one`, compares its results, and returns the report of the run.
  Report check(Case &one) {
    const NormSpec &spec = one.spec;
    OwningOpRef<ModuleOp> holder = ModuleOp::create(UnknownLoc::get(&context));
    gpu::GPUModuleOp kernels = createKernelModule(*holder, "kernels");
    Launch launch;
    gpu::GPUFuncOp kernel;
    unsigned rowsPerBlock;
    if (spec.gateRank != 0) {
      GatedNormSchedule schedule = chooseGatedNormSchedule(spec, "sm_90a");
      if (schedule.slots != 0)
        schedule.slots += spec.dim < 1024 ? spec.dim / 32 % (schedule.slots + 1) : 0;
      EXPECT_EQ(schedule.check(spec, "sm_90a"), std::nullopt);
      kernel = buildGatedNormKernel(kernels, spec, schedule);
      launch.block[0] = schedule.blockSize();
      launch.sharedBytes = schedule.sharedBytes(spec);
      rowsPerBlock = 16;
    } else {
      NormSchedule schedule = chooseNormSchedule(spec);
      EXPECT_EQ(schedule.check(spec), std::nullopt);
      kernel = buildNormKernel(kernels, spec, schedule);
      launch.block[0] = schedule.blockSize();
      launch.sharedBytes = schedule.sharedBytes();
      rowsPerBlock = schedule.rowsPerBlock;
    }
    launch.grid[0] = (one.rows + rowsPerBlock - 1) / rowsPerBlock;
    // Each block must compute several tiles.
    if (kernel->hasAttr("basin.resident"))
      launch.grid[0] = (launch.grid[0] + 2) / 3;
    launch.threadOrder = Order::Random;
    launch.seed = spec.dim;
    for (const KernelArgument &argument : getArguments(spec)) {
      if (argument.kind == KernelArgument::Scalar) {
        launch.arguments.push_back(int32_t(one.rows));
        continue;
      }
      Tensor &tensor = one.tensors.at(argument.name);
      launch.arguments.push_back(tensor.bytes.data());
      launch.buffers.push_back({argument.name, tensor.bytes.data(), tensor.bytes.size(),
                                argument.kind != KernelArgument::In});
    }
    Report report = runModule(*holder, kernel.getName(), launch);
    EXPECT_TRUE(report.clean()) << getName(spec) << "\n" << print(report);
    compare(one);
    return report;
  }

  /// Allows for the rounding of the result: half a unit of its type, or in f32 the errors of the
  /// approximate reciprocal root and of f32 sums.
  double resultTolerance(const NormSpec &spec) {
    return spec.resultType.isF32() ? 4e-6 : spec.resultType.isF16() ? 1.0 / 1800 : 1.0 / 220;
  }
  /// Allows for the errors of a gate, relative to the terms of its scores. The products round y and
  /// h to the type of x, or f32 to tf32, which gives some units of that type. The approximate tanh
  /// has an error of 2^-11.
  double gateTolerance(const NormSpec &spec) { return spec.type.isBF16() ? 1.2e-2 : 2e-3; }

  void compare(const Case &one) {
    const NormSpec &spec = one.spec;
    const Tensor &y = one.tensors.at("y");
    for (int64_t row = 0; row < one.rows; ++row) {
      std::vector<double> want = one.result(row), h = one.sums(row), plain = one.normalized(row);
      std::vector<double> sizes = one.scoreSizes(plain);
      double largest = 0;
      for (double value : plain)
        largest = std::max(largest, std::abs(value));
      for (int64_t j = 0; j < spec.dim; ++j) {
        double allowed = resultTolerance(spec) * std::abs(want[j]) + 2e-7 * largest;
        if (spec.gateRank != 0)
          allowed += gateTolerance(spec) * std::max(1.0, sizes[j]) * std::abs(plain[j]);
        ASSERT_NEAR(y.get(row * spec.dim + j), want[j], allowed)
            << getName(spec) << " row " << row << " dim " << j;
        if (spec.sum)
          ASSERT_EQ(one.tensors.at("sum").get(row * spec.dim + j), h[j]) << getName(spec);
      }
    }
  }

  NormSpec draw(std::mt19937_64 &random, int64_t dim, Type type) {
    auto coin = [&] { return random() % 2 == 0; };
    NormSpec spec;
    spec.dim = dim;
    spec.type = type;
    Type types[] = {type, f32(), bf16(), f16()};
    spec.parameterType = types[random() % 4];
    spec.resultType = types[random() % 4];
    spec.layer = coin();
    spec.residual = coin();
    spec.residualBias = spec.residual && coin();
    spec.sum = spec.residual && coin();
    spec.preAffine = coin();
    spec.weight = coin();
    spec.bias = spec.layer && coin();
    spec.epsilon = coin() ? 1e-5 : 1e-6;
    return spec;
  }

  Type bf16() { return BFloat16Type::get(&context); }
  Type f16() { return Float16Type::get(&context); }
};
} // namespace

TEST_F(NormsEmulated, EqualTheReferenceOverShapesAndOptions) {
  std::mt19937_64 random(7);
  for (int64_t dim : {1, 7, 64, 100, 256, 264, 1000, 2048, 2056, 4096, 5120})
    for (Type type : {bf16(), f16(), Type(f32())}) {
      Case one(draw(random, dim, type), 1 + random() % 6, dim);
      check(one);
    }
}

TEST_F(NormsEmulated, GatedOnesEqualTheReference) {
  std::mt19937_64 random(11);
  for (Type type : {bf16(), f16(), Type(f32())})
    for (int64_t dim : {8, 64, 72, 256, 320, 1024, 2048})
      for (int64_t rank : {8, 16, 24, 32}) {
        if (random() % 2 && dim > 72)
          continue;
        NormSpec spec = draw(random, dim, type);
        spec.gateRank = rank;
        spec.tensorwise = random() % 4 == 0;
        spec.activation = static_cast<GateActivation>(random() % 4);
        Case one(spec, 1 + random() % 20, dim + rank);
        check(one);
      }
}

// A lane accesses its eight columns one, two or four at a time.
TEST_F(NormsEmulated, GatedOnesOfAnyDimEqualTheReference) {
  std::mt19937_64 random(17);
  for (Type type : {bf16(), f16(), Type(f32())})
    for (int64_t dim : {1, 4, 7, 31, 33, 130, 257, 260, 1001, 1030}) {
      NormSpec spec = draw(random, dim, type);
      spec.gateRank = 8 + 8 * (random() % 4);
      spec.tensorwise = random() % 4 == 0;
      spec.activation = static_cast<GateActivation>(random() % 4);
      Case one(spec, 1 + random() % 20, dim);
      check(one);
    }
}

// Operands are rounded to tf32 and not cut off.
TEST_F(NormsEmulated, GatesOfF32AreThoseOfTF32) {
  NormSpec spec;
  spec.dim = 64;
  spec.type = spec.parameterType = spec.resultType = f32();
  spec.gateRank = 8;
  spec.activation = GateActivation::Identity;
  Case one(spec, 3, 19);
  // h is swish(2) and zeros. The weight of its first element is half way between two numbers of
  // tf32.
  auto fill = [&](const char *name, auto value) {
    Tensor &tensor = one.tensors.at(name);
    for (size_t i = 0; i < tensor.values.size(); ++i)
      tensor.set(i, value(i));
  };
  const double odd = 1 + std::ldexp(1.0, -11) + std::ldexp(1.0, -20), rounded = 1 + 0x1p-10;
  fill("x", [&](size_t i) { return i % 64 == 0 ? 8.0 : 0.0; });
  fill("gate_down", [](size_t i) { return i == 0 ? 0.25 : 0.0; });
  fill("gate_up", [&](size_t i) { return i % 8 == 0 ? odd : 0.0; });
  check(one);
  double h = std::round(2 * sigmoid(2) * 1024) / 1024, y = one.tensors.at("y").get(0);
  EXPECT_NEAR(y / 8, h * rounded, h * 0x1p-13);
}

TEST_F(NormsEmulated, ReadARowOnce) {
  NormSpec spec;
  spec.dim = 4096;
  spec.type = spec.parameterType = spec.resultType = bf16();
  spec.residual = spec.sum = true;
  Case one(spec, 4, 1);
  Report report = check(one);
  // The kernel reads x and the residual, and writes their sum and the result, 2 bytes for each
  // element.
  EXPECT_EQ(report.counters.globalLoads.bytes, 2u * 4 * 4096 * 2);
  EXPECT_EQ(report.counters.globalStores.bytes, 2u * 4 * 4096 * 2);
  EXPECT_EQ(report.counters.globalLoads.efficiency(), 1.0);
  EXPECT_EQ(report.counters.globalStores.efficiency(), 1.0);
  EXPECT_EQ(report.counters.sharedLoads.extraWavefronts, 0u);
}

TEST_F(NormsEmulated, ALargeResidualSinkDoesNotDrownTheRest) {
  NormSpec spec;
  spec.dim = 2048;
  spec.type = spec.parameterType = spec.resultType = bf16();
  spec.weight = true;
  Case one(spec, 2, 3);
  // The largest activation of DeepSeek-V3 is 264192.
  for (int64_t row = 0; row < 2; ++row)
    one.tensors.at("x").set(row * 2048 + 5, 264192);
  check(one);
}

TEST_F(NormsEmulated, NotANumberStaysInItsRow) {
  NormSpec spec;
  spec.dim = 256;
  spec.type = spec.parameterType = spec.resultType = f16();
  Case one(spec, 4, 5);
  one.tensors.at("x").set(256 + 17, std::nan(""));
  OwningOpRef<ModuleOp> holder = ModuleOp::create(UnknownLoc::get(&context));
  gpu::GPUModuleOp kernels = createKernelModule(*holder, "kernels");
  NormSchedule schedule = chooseNormSchedule(spec);
  gpu::GPUFuncOp kernel = buildNormKernel(kernels, spec, schedule);
  Launch launch;
  launch.block[0] = schedule.blockSize();
  Tensor &x = one.tensors.at("x"), &y = one.tensors.at("y");
  launch.arguments = {x.bytes.data(), y.bytes.data(), int32_t(4)};
  launch.buffers = {{"x", x.bytes.data(), x.bytes.size(), false},
                    {"y", y.bytes.data(), y.bytes.size(), true}};
  EXPECT_TRUE(runModule(*holder, kernel.getName(), launch).clean());
  for (int64_t row = 0; row < 4; ++row)
    for (int64_t j = 0; j < 256; ++j)
      EXPECT_EQ(std::isnan(y.get(row * 256 + j)), row == 1) << row << ", " << j;
}

TEST_F(NormsEmulated, DynamicTanhEqualsTheReference) {
  std::mt19937_64 random(13);
  std::normal_distribution<double> normal;
  for (int64_t dim : {1, 7, 64, 100, 1024, 1032, 4096})
    for (Type type : {bf16(), f16(), Type(f32())}) {
      DyTSpec spec{dim, dim % 8 == 0, type, random() % 2 ? type : Type(f32()), type};
      const int64_t rows = 3;
      Tensor x(type, rows * dim), y(type, rows * dim), alpha(spec.parameterType, 1);
      Tensor gamma(spec.parameterType, dim), beta(spec.parameterType, dim);
      for (size_t i = 0; i < x.values.size(); ++i)
        x.set(i, 3 * normal(random));
      x.set(0, 3e4); // must saturate and not overflow
      alpha.set(0, 0.5);
      for (int64_t j = 0; j < dim; ++j) {
        gamma.set(j, normal(random));
        beta.set(j, normal(random));
      }
      OwningOpRef<ModuleOp> holder = ModuleOp::create(UnknownLoc::get(&context));
      gpu::GPUFuncOp kernel = buildDyTKernel(createKernelModule(*holder, "kernels"), spec);
      Launch launch;
      launch.grid[0] = rows + 1;
      launch.block[0] = 128;
      auto add = [&](const char *name, Tensor &tensor, bool writable = false) {
        launch.arguments.push_back(tensor.bytes.data());
        launch.buffers.push_back({name, tensor.bytes.data(), tensor.bytes.size(), writable});
      };
      add("x", x);
      add("alpha", alpha);
      add("gamma", gamma);
      if (spec.bias)
        add("beta", beta);
      add("y", y, /*writable=*/true);
      launch.arguments.push_back(int32_t(rows));
      Report report = runModule(*holder, kernel.getName(), launch);
      EXPECT_TRUE(report.clean()) << getName(spec) << "\n" << print(report);
      // Allow for the rounding of the result and for that of tanh, which has 11 bits, or in f32
      // those next to 1.
      double unit = type.isF32() ? 4e-7 : type.isF16() ? 1.0 / 1800 : 1.0 / 220;
      double curve = type.isF32() ? 4e-7 : 1.0 / 1800;
      for (int64_t i = 0; i < rows * dim; ++i) {
        double g = gamma.values[i % dim];
        double want = g * std::tanh(0.5 * x.values[i]) + (spec.bias ? beta.values[i % dim] : 0);
        ASSERT_NEAR(y.get(i), want, unit * std::abs(want) + curve * std::abs(g) + 1e-7)
            << getName(spec) << " " << i;
      }
    }
}
