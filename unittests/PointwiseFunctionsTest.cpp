//===- PointwiseFunctionsTest.cpp -------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Real functions of pointwise kernels, against f64: their errors in units of the last place, and
// their special values.
//
//===----------------------------------------------------------------------===//

#include "PointwiseReference.h"

#include <cfloat>
#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::pointwise;

namespace {
struct PointwiseFunctions : PointwiseTest {
  /// Applies an expression of x and y to each pair of elements.
  std::vector<float> map(const std::string &expression, const std::vector<float> &x,
                         const std::vector<float> &y) {
    Case one{"?",
             "(in x f32 (1)) (in y f32 (1)) (out z f32 (1) " + expression + ")",
             {static_cast<int64_t>(x.size())}};
    for (const char *name : {"x", "y", "z"})
      one.tensors[name] = Memory("f32", x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      one.tensors["x"].set(i, real(x[i]));
      one.tensors["y"].set(i, real(y[i]));
    }
    compile(one);
    Report report = launch(one, Order::Forward, 8);
    EXPECT_TRUE(report.clean()) << print(report);
    std::vector<float> out;
    for (size_t i = 0; i < x.size(); ++i)
      out.push_back(static_cast<float>(one.tensors["z"].get(i).real));
    return out;
  }
  std::vector<float> map(const std::string &expression, const std::vector<float> &x) {
    return map(expression, x, x);
  }
};

/// Returns the error of `is` in units of the last place that an f32 near `exact` has.
double getError(float is, double exact) {
  if (std::isnan(is) || std::isnan(exact))
    return std::isnan(is) && std::isnan(exact) ? 0 : INFINITY;
  if (std::isinf(is) && std::abs(exact) >= FLT_MAX)
    return (is > 0) == (exact > 0) ? 0 : INFINITY;
  int exponent = exact == 0 ? -126 : std::clamp(std::ilogb(exact), -126, 127);
  return std::abs(is - exact) / std::ldexp(1.0, exponent - 23);
}

std::vector<float> spread(double from, double to, int count, std::mt19937_64 &random) {
  std::uniform_real_distribution<double> uniform(from, to);
  std::vector<float> out;
  for (int i = 0; i < count; ++i)
    out.push_back(static_cast<float>(uniform(random)));
  return out;
}

/// Returns numbers of all magnitudes and both signs.
std::vector<float> spreadBits(int count, std::mt19937_64 &random) {
  std::vector<float> out;
  for (int i = 0; i < count; ++i) {
    float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    out.push_back(std::isnan(value) ? 1.f : value);
  }
  return out;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
} // namespace

TEST_F(PointwiseFunctions, AreAsExactAsTheirPageSays) {
  struct Function {
    const char *name;
    double (*exact)(double);
    double from, to, bound;
  } functions[] = {
      {"exp", [](double x) { return std::exp(x); }, -105, 90, 1.1},
      {"exp", [](double x) { return std::exp(x); }, -1, 1, 1.1},
      {"log", [](double x) { return std::log(x); }, 0, 8, 1},
      {"log", [](double x) { return std::log(x); }, 0.9, 1.1, 1},
      {"tanh", [](double x) { return std::tanh(x); }, -1, 1, 1.5},
      {"tanh", [](double x) { return std::tanh(x); }, -10, 10, 1.5},
      {"erf", [](double x) { return std::erf(x); }, -1, 1, 1.25},
      {"erf", [](double x) { return std::erf(x); }, -5, 5, 1.25},
      {"sigmoid", sigmoid, -104, 30, 2.5},
      {"sigmoid", sigmoid, -4, 4, 2.5},
      {"sin", [](double x) { return std::sin(x); }, -4, 4, 1.6},
      {"cos", [](double x) { return std::cos(x); }, -4, 4, 1.6},
      {"sin", [](double x) { return std::sin(x); }, -2e6, 2e6, 1.6},
      {"cos", [](double x) { return std::cos(x); }, -2e6, 2e6, 1.6},
      {"sin", [](double x) { return std::sin(x); }, -3e13, 3e13, 1.6},
      {"cos", [](double x) { return std::cos(x); }, -3e13, 3e13, 1.6},
      {"rsqrt", [](double x) { return 1 / std::sqrt(x); }, 0, 1e3, 3},
      {"sqrt", [](double x) { return std::sqrt(x); }, 0, 1e3, 0.5},
      {"recip", [](double x) { return 1 / x; }, -3, 3, 0.5},
  };
  std::mt19937_64 random(11);
  std::map<std::string, double> errors; // the largest of each function, for its page
  for (const Function &function : functions) {
    std::vector<float> x = spread(function.from, function.to, 4000, random);
    for (float other : spreadBits(3000, random))
      if (other >= function.from && other <= function.to)
        x.push_back(other);
    std::vector<float> y = map("(" + std::string(function.name) + " x)", x);
    double worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < x.size(); ++i)
      if (double error = getError(y[i], function.exact(x[i])); error > worst) {
        worst = error;
        at = i;
      }
    double &recorded = errors[function.name];
    recorded = std::max(recorded, worst);
    RecordProperty(function.name, std::to_string(recorded));
    EXPECT_LE(worst, function.bound) << function.name << " of " << x[at] << " is " << y[at];
  }
}

TEST_F(PointwiseFunctions, PowersAreExact) {
  std::mt19937_64 random(12);
  std::vector<float> x = spread(0, 20, 3000, random), y = spread(-20, 20, 3000, random);
  for (float value : spreadBits(2000, random)) {
    x.push_back(value);
    y.push_back(spread(-3, 3, 1, random)[0]);
    x.push_back(value);
    y.push_back(std::round(y.back()));
  }
  std::vector<float> z = map("(pow x y)", x, y);
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_LE(getError(z[i], std::pow(double(x[i]), double(y[i]))), 0.51) << x[i] << " " << y[i];
}

TEST_F(PointwiseFunctions, SpecialValuesAreThoseOfC) {
  const float kValues[] = {0.f,        -0.f,        1.f,        -1.f,   0.5f,  -0.5f,
                           2.f,        -2.f,        3.f,        -3.f,   2.5f,  1e-42f,
                           -1e-42f,    INFINITY,    -INFINITY,  NAN,    3e38f, -3e38f,
                           16777216.f, -16777217.f, 33554432.f, 1e-38f, 7.f,   -7.f};
  std::vector<float> x, y;
  for (float a : kValues)
    for (float c : kValues) {
      x.push_back(a);
      y.push_back(c);
    }
  struct Function {
    const char *text;
    double (*exact)(double, double);
    double bound;
  } functions[] = {
      {"(pow x y)", [](double a, double c) { return std::pow(a, c); }, 0.51},
      {"(fmod x y)", [](double a, double c) { return std::fmod(a, c); }, 0},
      {"(exp x)", [](double a, double) { return std::exp(a); }, 1.1},
      {"(log x)", [](double a, double) { return std::log(a); }, 1},
      {"(tanh x)", [](double a, double) { return std::tanh(a); }, 1.5},
      {"(erf x)", [](double a, double) { return std::erf(a); }, 1.25},
      {"(sigmoid x)", [](double a, double) { return sigmoid(a); }, 2.5},
      {"(rsqrt x)", [](double a, double) { return 1 / std::sqrt(a); }, 3},
      {"(sqrt x)", [](double a, double) { return std::sqrt(a); }, 0.5},
      {"(recip x)", [](double a, double) { return 1 / a; }, 0.5},
      {"(div x y)", [](double a, double c) { return a / c; }, 0.5},
  };
  for (const Function &function : functions) {
    std::vector<float> z = map(function.text, x, y);
    for (size_t i = 0; i < x.size(); ++i) {
      double exact = function.exact(x[i], y[i]);
      EXPECT_LE(getError(z[i], exact), function.bound)
          << function.text << " " << x[i] << " " << y[i] << ": " << z[i] << ", not " << exact;
      if (!std::isnan(exact))
        EXPECT_EQ(std::signbit(z[i]), std::signbit(exact)) << function.text << " " << x[i];
    }
  }
}

TEST_F(PointwiseFunctions, AnglesBeyondTheReductionAreNotNumbers) {
  std::vector<float> x = {0x1p45f, 0x1p46f, -0x1p46f, INFINITY, NAN, 0.f, -0.f};
  std::vector<float> sine = map("(sin x)", x), cosine = map("(cos x)", x);
  EXPECT_LE(getError(sine[0], std::sin(0x1p45)), 2);
  EXPECT_LE(getError(cosine[0], std::cos(0x1p45)), 2);
  for (int i = 1; i < 5; ++i) {
    EXPECT_TRUE(std::isnan(sine[i])) << x[i];
    EXPECT_TRUE(std::isnan(cosine[i])) << x[i];
  }
  EXPECT_FALSE(std::signbit(sine[5]));
  EXPECT_TRUE(std::signbit(sine[6]));
  EXPECT_EQ(cosine[6], 1.f);
}

TEST_F(PointwiseFunctions, RemaindersOfAllMagnitudesAreExact) {
  std::mt19937_64 random(13);
  std::vector<float> x = spreadBits(3000, random), y = spreadBits(3000, random);
  for (float value : spread(-50, 50, 2000, random)) {
    x.push_back(std::round(value * 4));
    y.push_back(std::round(value * 3) / 2);
  }
  std::vector<float> z = map("(fmod x y)", x, y), m = map("(mod x y)", x, y);
  for (size_t i = 0; i < x.size(); ++i) {
    double exact = std::fmod(double(x[i]), double(y[i]));
    ASSERT_TRUE(std::isnan(exact) ? std::isnan(z[i]) : z[i] == exact) << x[i] << " " << y[i];
    if (exact != 0 && (exact < 0) != (y[i] < 0))
      exact = static_cast<float>(exact + y[i]);
    ASSERT_TRUE(std::isnan(exact) ? std::isnan(m[i]) : m[i] == exact) << x[i] << " " << y[i];
    if (!std::isnan(exact))
      ASSERT_EQ(std::signbit(m[i]), std::signbit(y[i])) << x[i] << " " << y[i];
  }
}
