//===- EmulatorFunctionsTest.cpp --------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Approximate functions are as good as promised and no better, conversions are exact, and unknown
// ops are refused.
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"

#include "basin/Kernels/TensorCore.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"

#include <cfloat>
#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;

namespace {
struct Functions : EmulatorTest {
  using Value1 = llvm::function_ref<Value(KernelBuilder &, Value)>;

  /// Applies `f`, from f32 to f32, to each element of `in`.
  std::vector<float> map(std::vector<float> in, Value1 f) {
    std::vector<float> out(in.size());
    build({{"x", KernelArgument::In, f32()}, {"y", KernelArgument::Out, f32()}}, 1,
          [&](KernelBuilder &b) {
            Value i = b.blockX();
            b.store(f(b, b.load(b.arg("x"), b.getF32Type(), i)), b.arg("y"), b.getF32Type(), i);
          });
    Launch launch;
    launch.grid = {unsigned(in.size()), 1, 1};
    launch.arguments = {in.data(), out.data()};
    launch.buffers = {buffer("x", in, false), buffer("y", out)};
    Report report = run(launch);
    EXPECT_TRUE(report.clean()) << print(report);
    return out;
  }
};

std::vector<float> spread(float from, float to, int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i)
    values.push_back(from + (to - from) * float(i) / float(count));
  return values;
}

Value apply(KernelBuilder &b, StringRef name, Value x) {
  return b.intrinsic(name, b.getF32Type(), x);
}
} // namespace

TEST_F(Functions, AreAsGoodAsPromisedAndNoBetter) {
  struct Case {
    const char *name;
    double (*exact)(double);
    float from, to;
    int bits; // for a relative error of 2^-bits
  } cases[] = {
      {"llvm.nvvm.ex2.approx.ftz.f", [](double x) { return std::exp2(x); }, -20.f, 20.f, 22},
      {"llvm.nvvm.ex2.approx.f", [](double x) { return std::exp2(x); }, -20.f, 20.f, 22},
      {"llvm.nvvm.rsqrt.approx.ftz.f", [](double x) { return 1 / std::sqrt(x); }, 0.01f, 9.f, 23},
      {"llvm.nvvm.rcp.approx.ftz.f", [](double x) { return 1 / x; }, 0.01f, 9.f, 23},
      {"llvm.nvvm.sqrt.approx.ftz.f", [](double x) { return std::sqrt(x); }, 0.01f, 9.f, 23},
      {"llvm.nvvm.tanh.approx.f", [](double x) { return std::tanh(x); }, -5.f, 5.f, 11},
      {"llvm.nvvm.lg2.approx.ftz.f", [](double x) { return std::log2(x); }, 2.5f, 99.f, 22},
  };
  for (const Case &c : cases) {
    std::vector<float> in = spread(c.from, c.to, 997);
    std::vector<float> out =
        map(in, [&](KernelBuilder &b, Value x) { return apply(b, c.name, x); });
    double worst = 0;
    for (unsigned i = 0; i < in.size(); ++i)
      if (double exact = c.exact(in[i]); exact != 0)
        worst = std::max(worst, std::abs(out[i] - exact) / std::abs(exact));
    // The rounding to f32 is added.
    EXPECT_LE(worst, std::ldexp(1.0, -c.bits) + std::ldexp(1.0, -24)) << c.name;
    EXPECT_GE(worst, std::ldexp(1.0, -c.bits - 2)) << c.name;
  }
}

TEST_F(Functions, AnApproximateHyperbolicTangentHasElevenBits) {
  std::vector<float> in = spread(-3.f, 3.f, 301);
  auto run = [&](LLVM::FastmathFlags flags) {
    std::vector<float> out = map(in, [&](KernelBuilder &b, Value x) {
      return Value(LLVM::TanhOp::create(b, b.getF32Type(), x,
                                        LLVM::FastmathFlagsAttr::get(b.getContext(), flags)));
    });
    double worst = 0;
    for (unsigned i = 0; i < in.size(); ++i)
      worst = std::max(worst, std::abs(out[i] - std::tanh(double(in[i]))));
    return worst;
  };
  EXPECT_GT(run(LLVM::FastmathFlags::afn), 1e-4);
  EXPECT_LT(run(LLVM::FastmathFlags::none), 1e-6);
}

TEST_F(Functions, FlushSubnormalsWhereTheirNameSaysSo) {
  float tiny = std::ldexp(1.f, -130);
  auto one = [&](const char *name, float x) {
    return map({x}, [&](KernelBuilder &b, Value v) { return apply(b, name, v); })[0];
  };
  EXPECT_EQ(one("llvm.nvvm.ex2.approx.ftz.f", -130.f), 0.f);
  EXPECT_EQ(one("llvm.nvvm.ex2.approx.f", -130.f), tiny);
  EXPECT_EQ(one("llvm.nvvm.rcp.approx.ftz.f", tiny), INFINITY);
  EXPECT_EQ(one("llvm.nvvm.rsqrt.approx.ftz.f", tiny), INFINITY);
  EXPECT_EQ(one("llvm.nvvm.rsqrt.approx.f", tiny), std::ldexp(1.f, 65));
  EXPECT_EQ(one("llvm.nvvm.rcp.approx.ftz.f", -INFINITY), -0.f);
  EXPECT_EQ(one("llvm.nvvm.rcp.approx.ftz.f", 4.f), 0.25f);
  EXPECT_TRUE(std::isnan(one("llvm.nvvm.rsqrt.approx.ftz.f", -1.f)));
}

TEST_F(Functions, ConversionsRoundToNearestEven) {
  std::vector<float> in = spread(-70000.f, 70000.f, 400);
  for (int e = -150; e < 128; ++e)
    for (float m : {1.f, 1.00390625f, 1.01171875f, 1.00048828125f, 1.37f})
      in.push_back(std::ldexp(m, e));
  in.insert(in.end(), {0.f, -0.f, INFINITY, -INFINITY});
  for (bool half : {false, true}) {
    const llvm::fltSemantics &semantics =
        half ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat();
    std::vector<float> out = map(in, [&](KernelBuilder &b, Value x) {
      Type type = half ? Type(b.getF16Type()) : b.getBF16Type();
      return b.toF32(b.fromF32(x, type));
    });
    for (unsigned i = 0; i < in.size(); ++i) {
      llvm::APFloat want(in[i]);
      bool inexact;
      want.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &inexact);
      want.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &inexact);
      EXPECT_EQ(llvm::bit_cast<uint32_t>(out[i]), llvm::bit_cast<uint32_t>(want.convertToFloat()))
          << half << " " << in[i];
    }
  }
}

TEST_F(Functions, TF32KeepsTenBitsAndRoundsTiesAway) {
  float unit = std::ldexp(1.f, -10), half = unit / 2, bit = std::ldexp(1.f, -23);
  std::vector<float> in = {
      1,        1 + half, 1 + half - bit,        -1 - half, 3 + unit, 2 - bit, 0, -0.f,
      INFINITY, NAN,      std::ldexp(1.f, -130), FLT_MAX};
  std::vector<float> want = {1, 1 + unit, 1,        -1 - unit, 3 + 2 * unit,          2,
                             0, -0.f,     INFINITY, NAN,       std::ldexp(1.f, -130), INFINITY};
  std::vector<float> out = map(in, [](KernelBuilder &b, Value x) -> Value {
    return LLVM::BitcastOp::create(b, b.getF32Type(), toTF32(b, x));
  });
  for (unsigned i = 0; i < in.size(); ++i)
    if (std::isnan(want[i]))
      EXPECT_TRUE(std::isnan(out[i]));
    else
      EXPECT_EQ(llvm::bit_cast<uint32_t>(out[i]), llvm::bit_cast<uint32_t>(want[i])) << in[i];
}

//===----------------------------------------------------------------------===//
// Refusals
//===----------------------------------------------------------------------===//

TEST_F(Functions, WhatIsNotKnownIsOneErrorThatNamesIt) {
  struct Case {
    const char *body, *message;
  } cases[] = {
      {"%0 = nvvm.prmt #nvvm.permute_mode<default> %s, %n, %n : i32", "'nvvm.prmt'"},
      {"nvvm.setmaxregister increase 40", "'nvvm.setmaxregister'"},
      {"%0 = llvm.call_intrinsic \"llvm.nvvm.fns\"(%n, %n, %n) : (i32, i32, i32) -> i32",
       "'llvm.nvvm.fns'"},
      {"%0 = llvm.inline_asm \"mov.u32 $0, $1;\", \"=r,r\" %n : (i32) -> i32", "'llvm.inline_asm'"},
      {"llvm.call @outside(%n) : (i32) -> ()", "'outside'"},
      {"\"llvm.intr.memset\"(%p, %c, %n) <{isVolatile = false}> : (!llvm.ptr<1>, i8, i32) -> ()",
       "'llvm.intr.memset'"},
      {"%0 = arith.addi %n, %n : i32", "'arith.addi'"},
  };
  for (const Case &c : cases) {
    std::string text = std::string("module { gpu.module @m { llvm.func @outside(i32)\n"
                                   "llvm.func @k(%p: !llvm.ptr<1>, %n: i32) attributes "
                                   "{nvvm.kernel} {\n%s = llvm.add %n, %n : i32\n"
                                   "%c = llvm.trunc %n : i32 to i8\n") +
                       c.body + "\nllvm.return\n} } }";
    module = parseSourceString<ModuleOp>(text, ParserConfig(&context));
    ASSERT_TRUE(module) << text;
    std::vector<std::string> errors;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      errors.push_back(diagnostic.str());
      return success();
    });
    llvm::Expected<Emulator> made = Emulator::create(*module);
    ASSERT_FALSE(bool(made)) << c.body;
    EXPECT_NE(llvm::toString(made.takeError()).find("does not run"), std::string::npos);
    ASSERT_EQ(errors.size(), 1u) << c.body;
    EXPECT_NE(errors[0].find(c.message), std::string::npos) << errors[0];
  }
}
