//===- Functions.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Computes each function in double precision and rounds it to as many bits as the PTX ISA
// promises for the instruction. A kernel that relies on more bits therefore gives wrong
// results here as well. The bits themselves may differ from the hardware's.
//
//===----------------------------------------------------------------------===//

#include "Functions.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"

#include <cmath>

using namespace basin::emulator;

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

/// Rounds to `bits` significant bits, with a relative error of at most 2^-bits.
static float toBits(double x, int bits) {
  if (x == 0 || !std::isfinite(x))
    return float(x);
  int exponent;
  double fraction = std::frexp(x, &exponent); // 0.5 <= |fraction| < 1
  return float(std::ldexp(std::nearbyint(std::ldexp(fraction, bits)), exponent - bits));
}

/// Rounds to a multiple of 2^-bits, with an absolute error of at most half of it.
static float toStep(double x, int bits) {
  return std::isfinite(x) ? float(std::ldexp(std::nearbyint(std::ldexp(x, bits)), -bits))
                          : float(x);
}

static float flush(float x) {
  return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.f, x) : x;
}

//===----------------------------------------------------------------------===//
// Functions, in the table by the names of LLVM's intrinsics. Beside each one stands the error
// that PTX ISA 8 allows it.
//===----------------------------------------------------------------------===//

static float ex2(float x) { return toBits(std::exp2(double(x)), 22); }              // 2^-22
static float rsqrt(float x) { return toBits(1 / std::sqrt(double(x)), 23); }        // 2^-22.9
static float rcp(float x) { return toBits(1 / double(x), 23); }                     // 1 ulp
static float squareRoot(float x) { return toBits(std::sqrt(double(x)), 23); }       // 2^-23
static float tanh11(float x) { return toBits(std::tanh(double(x)), 11); }           // 2^-10.987
static float divide(float x, float y) { return toBits(double(x) / double(y), 22); } // 2 ulp

static float lg2(float x) { // absolute 2^-22 in (0.5, 2), relative elsewhere
  double exact = std::log2(double(x));
  return x > 0.5f && x < 2 ? toStep(exact, 21) : toBits(exact, 22);
}

// The error is at most 2^-20.5 in [-2 pi, 2 pi]. Beyond that range nothing is promised.
static float sine(float x) { return toStep(std::sin(double(x)), 20); }
static float cosine(float x) { return toStep(std::cos(double(x)), 20); }

template <float (*f)(float)> static float flushed(float x) { return flush(f(flush(x))); }
static float dividedFlushed(float x, float y) { return flush(divide(flush(x), flush(y))); }
static float squareRootRounded(float x) { return std::sqrt(x); }
static float rcpRounded(float x) { return 1 / x; }
static float dividedRounded(float x, float y) { return x / y; }
static float saturate(float x) { return x > 0 ? std::fmin(x, 1.f) : 0.f; } // NaN gives 0
static float maximum(float x, float y) { return std::fmax(x, y); }
static float minimum(float x, float y) { return std::fmin(x, y); }
static float absolute(float x) { return std::fabs(x); }

namespace {
struct Named {
  const char *name; // without its beginning "llvm.nvvm."
  void *address;
};
} // namespace

template <typename F> static void *addressOf(F *f) { return reinterpret_cast<void *>(f); }

static llvm::ArrayRef<Named> getTable() {
  static const Named table[] = {
      {"ex2.approx.f", addressOf(ex2)},
      {"ex2.approx.ftz.f", addressOf(flushed<ex2>)},
      {"rsqrt.approx.f", addressOf(rsqrt)},
      {"rsqrt.approx.ftz.f", addressOf(flushed<rsqrt>)},
      {"rcp.approx.ftz.f", addressOf(flushed<rcp>)},
      {"rcp.rn.f", addressOf(rcpRounded)},
      {"rcp.rn.ftz.f", addressOf(flushed<rcpRounded>)},
      {"sqrt.approx.f", addressOf(squareRoot)},
      {"sqrt.approx.ftz.f", addressOf(flushed<squareRoot>)},
      {"sqrt.f", addressOf(squareRootRounded)},
      {"sqrt.rn.f", addressOf(squareRootRounded)},
      {"sqrt.rn.ftz.f", addressOf(flushed<squareRootRounded>)},
      {"tanh.approx.f", addressOf(tanh11)},
      {"lg2.approx.f", addressOf(lg2)},
      {"lg2.approx.ftz.f", addressOf(flushed<lg2>)},
      {"sin.approx.f", addressOf(sine)},
      {"sin.approx.ftz.f", addressOf(flushed<sine>)},
      {"cos.approx.f", addressOf(cosine)},
      {"cos.approx.ftz.f", addressOf(flushed<cosine>)},
      {"div.approx.f", addressOf(divide)},
      {"div.approx.ftz.f", addressOf(dividedFlushed)},
      {"div.full", addressOf(divide)},
      {"div.full.ftz", addressOf(dividedFlushed)},
      {"div.rn.f", addressOf(dividedRounded)},
      {"saturate.f", addressOf(saturate)},
      {"saturate.ftz.f", addressOf(flushed<saturate>)},
      {"fmax.f", addressOf(maximum)},
      {"fmin.f", addressOf(minimum)},
      {"fabs.f", addressOf(absolute)},
  };
  return table;
}

static std::string symbolOf(llvm::StringRef name) {
  std::string symbol = "basin_emu_" + name.str();
  llvm::replace(symbol, '.', '_');
  return symbol;
}

std::string basin::emulator::getFunctionSymbol(llvm::StringRef intrinsic) {
  if (!intrinsic.consume_front("llvm.nvvm."))
    return {};
  // The name of an overloaded intrinsic ends in its type, which is f32 for these.
  std::string name = intrinsic.str();
  if (intrinsic.ends_with(".f32"))
    name.resize(name.size() - 2);
  for (const Named &entry : getTable())
    if (name == entry.name)
      return symbolOf(entry.name);
  return {};
}

//===----------------------------------------------------------------------===//
// Conversions. Host code passes f16 and bf16 in the low 16 bits of a vector register. The
// functions that it calls therefore take and return a float with these low bits.
//===----------------------------------------------------------------------===//

float basin::emulator::fromBF16(uint16_t bits) {
  return llvm::bit_cast<float>(uint32_t(bits) << 16);
}

uint16_t basin::emulator::toBF16(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return uint16_t(bits >> 16) | 0x40;
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float basin::emulator::fromF16(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, rest = bits & 0x7fff;
  if (rest >= 0x7c00) // infinity, NaN
    return llvm::bit_cast<float>(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  if (rest < 0x400) // zero, subnormal: a multiple of 2^-24
    return std::copysign(std::ldexp(float(rest), -24), llvm::bit_cast<float>(sign));
  return llvm::bit_cast<float>(sign | ((rest << 13) + ((127 - 15) << 23)));
}

uint16_t basin::emulator::toF16(float value) {
  llvm::APFloat number(value);
  bool inexact;
  number.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven, &inexact);
  return uint16_t(number.bitcastToAPInt().getZExtValue());
}

static float truncateToBF16(float x) { return llvm::bit_cast<float>(uint32_t(toBF16(x))); }
static float truncateToF16(float x) { return llvm::bit_cast<float>(uint32_t(toF16(x))); }
static float extendF16(float x) { return fromF16(uint16_t(llvm::bit_cast<uint32_t>(x))); }

/// Rounds to nearest, ties away from zero, and keeps 10 of the 23 bits of the fraction.
static uint32_t toTF32(float x) {
  uint32_t bits = llvm::bit_cast<uint32_t>(x);
  if (std::isnan(x))
    return 0x7fffffff;
  return std::isinf(x) ? bits : (bits + 0x1000) & ~0x1fffu;
}

void basin::emulator::forEachFunction(
    llvm::function_ref<void(llvm::StringRef symbol, void *address)> use) {
  for (const Named &entry : getTable())
    use(symbolOf(entry.name), entry.address);
  use("basin_emu_f2tf32_rna", addressOf(toTF32));
  use("__truncsfbf2", addressOf(truncateToBF16));
  use("__truncsfhf2", addressOf(truncateToF16));
  use("__extendhfsf2", addressOf(extendF16));
}
