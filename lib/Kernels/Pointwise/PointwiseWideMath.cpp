//===- PointwiseWideMath.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions that need more than f32 on the way: sine and cosine to reduce their argument,
// powers because the exponent multiplies the logarithm's error, and remainders of large quotients.
// tools/pointwise_polynomials.py derives the coefficients.
//
//===----------------------------------------------------------------------===//

#include "PointwiseMath.h"

using namespace mlir;
using namespace basin::kernels;
using Predicate = arith::CmpFPredicate;

// Adding this to a number below 2^51 rounds it to an integer, which then is in the low bits.
static constexpr double kRounder = 0x1.8p52;
static constexpr double kHalfPi[] = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};
static constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
// Up to here the reduced argument has all bits of an f32.
static constexpr double kMaxAngle = 0x1p45;

static Value f64(KernelBuilder &b, double value) {
  return arith::ConstantOp::create(b, b.getF64FloatAttr(value));
}
static Value widen(KernelBuilder &b, Value x) {
  return arith::ExtFOp::create(b, b.getF64Type(), x);
}
static Value narrow(KernelBuilder &b, Value x) {
  return arith::TruncFOp::create(b, b.getF32Type(), x);
}
static Value bitsOf(KernelBuilder &b, Value x) {
  return arith::BitcastOp::create(b, b.getI64Type(), x);
}
static Value absolute(KernelBuilder &b, Value x) { return emitUnary(b, "llvm.fabs", x); }
static Value both(KernelBuilder &b, Value x, Value y) { return arith::AndIOp::create(b, x, y); }

//===----------------------------------------------------------------------===//
// Sine and cosine
//===----------------------------------------------------------------------===//

/// x = n pi/2 + r. The sine of x is that of r, the cosine of r, or one of them negated, by the last
/// two bits of n. The cosine of x is the sine with n + 1.
static Value emitWave(KernelBuilder &b, Value x, int64_t turn) {
  Value isInside = emitCompare(b, Predicate::OLE, absolute(b, x), b.f32(kMaxAngle));
  Value wide = widen(b, b.select(isInside, x, b.f32(NAN)));
  Value sum = b.fma(wide, f64(b, kTwoOverPi), f64(b, kRounder));
  Value n = b.fsub(sum, f64(b, kRounder));
  Value r = b.fma(n, f64(b, -kHalfPi[0]), wide);
  r = narrow(b, b.fma(n, f64(b, -kHalfPi[1]), r));
  Value quadrant = b.add(arith::TruncIOp::create(b, b.getI32Type(), bitsOf(b, sum)), b.i32(turn));
  Value square = b.fmul(r, r);
  Value p =
      emitPolynomial(b, square, {-0x1.555556p-3, 0x1.111108p-7, -0x1.a00f86p-13, 0x1.6cd3c4p-19});
  Value sine = b.fma(b.fmul(p, square), r, r);
  Value q = emitPolynomial(b, square, {0x1.55554ap-5, -0x1.6c0c34p-10, 0x1.99ec14p-16});
  Value cosine = b.fma(b.fma(q, square, b.f32(-0.5)), square, b.f32(1));
  auto hasBit = [&](int64_t bit) {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne,
                                 arith::AndIOp::create(b, quadrant, b.i32(bit)), b.i32(0));
  };
  Value out = b.select(hasBit(1), cosine, sine);
  return b.select(hasBit(2), arith::NegFOp::create(b, out), out);
}

Value basin::kernels::emitSin(KernelBuilder &b, Value x) {
  // The rounding of n would lose the sign of a zero.
  return b.select(emitCompare(b, Predicate::OEQ, x, b.f32(0)), x, emitWave(b, x, 0));
}
Value basin::kernels::emitCos(KernelBuilder &b, Value x) { return emitWave(b, x, 1); }

//===----------------------------------------------------------------------===//
// Powers
//===----------------------------------------------------------------------===//

/// x = 2^n m with m from sqrt(1/2) to sqrt(2), s = (m - 1) / (m + 1),  log2 x = n + s p(s^2).
/// `x` is a positive f64 that is neither subnormal nor infinite.
static Value emitLog2(KernelBuilder &b, Value x) {
  Value bits = bitsOf(b, x);
  // These are the bits of sqrt(1/2), so the upper bits of the difference are n.
  Value offset = b.sub(bits, b.i64(0x3fe6a09e667f3bcd));
  Value n = arith::ShRSIOp::create(b, offset, b.i64(52));
  Value fraction = b.sub(bits, arith::ShLIOp::create(b, n, b.i64(52)));
  Value m = arith::BitcastOp::create(b, b.getF64Type(), fraction);
  Value s = arith::DivFOp::create(b, b.fsub(m, f64(b, 1)), b.fadd(m, f64(b, 1)));
  Value p = emitPolynomial(b, b.fmul(s, s),
                           {0x1.71547652b82ffp+1, 0x1.ec709dc39c9ecp-1, 0x1.2776c516a8af0p-1,
                            0x1.a6175677ca5bbp-2, 0x1.484fabf4ad8eap-2, 0x1.0bb7c30b3648fp-2,
                            0x1.f184513c38069p-3});
  Value exponent =
      arith::SIToFPOp::create(b, b.getF64Type(), arith::TruncIOp::create(b, b.getI32Type(), n));
  return b.fma(p, s, exponent);
}

/// Returns 2^x for an f64, rounded to f32. The bounds keep NaN.
static Value emitExp2(KernelBuilder &b, Value x) {
  x = b.select(emitCompare(b, Predicate::OGT, x, f64(b, 130)), f64(b, 130), x);
  x = b.select(emitCompare(b, Predicate::OLT, x, f64(b, -152)), f64(b, -152), x);
  Value sum = b.fadd(x, f64(b, kRounder));
  Value r = b.fsub(x, b.fsub(sum, f64(b, kRounder)));
  Value p = emitPolynomial(b, r,
                           {0x1.0000000000039p+0, 0x1.62e42fefa3753p-1, 0x1.ebfbdff8158dep-3,
                            0x1.c6b08d70d1a39p-5, 0x1.3b2ab729e5bb9p-7, 0x1.5d87fd90cdf0ep-10,
                            0x1.430890170113dp-13, 0x1.ffce2264fb2b5p-17, 0x1.63ed9ea129ee5p-20,
                            0x1.b3f5d8192e37fp-24});
  Value power = arith::ShLIOp::create(b, b.add(bitsOf(b, sum), b.i64(1023)), b.i64(52));
  return narrow(b, b.fmul(p, arith::BitcastOp::create(b, b.getF64Type(), power)));
}

/// Returns |x|^y, for zeros and infinities as limits, and 1 where both |x| = 1 and y is infinite.
static Value emitPowerOfSize(KernelBuilder &b, Value size, Value y) {
  Value isZero = emitCompare(b, Predicate::OEQ, size, b.f32(0));
  Value isFinite = emitCompare(b, Predicate::OLT, size, b.f32(INFINITY));
  Value isPlain =
      both(b, isFinite,
           arith::XOrIOp::create(b, isZero, arith::ConstantOp::create(b, b.getBoolAttr(true))));
  Value log = emitLog2(b, widen(b, b.select(isPlain, size, b.f32(1))));
  log = b.select(isPlain, log, widen(b, b.select(isZero, b.f32(-INFINITY), size)));
  Value isOne = emitCompare(b, Predicate::OEQ, size, b.f32(1));
  Value isEndless = emitCompare(b, Predicate::OEQ, absolute(b, y), b.f32(INFINITY));
  Value power = emitExp2(b, b.fmul(log, widen(b, y)));
  return b.select(both(b, isOne, isEndless), b.f32(1), power);
}

Value basin::kernels::emitPow(KernelBuilder &b, Value x, Value y) {
  Value power = emitPowerOfSize(b, absolute(b, x), y);
  // A negative x needs an integer y, and changes the sign if y is odd. That of -0 counts, too.
  Value half = b.fmul(y, b.f32(0.5));
  Value isInteger = emitCompare(b, Predicate::OEQ, emitUnary(b, "llvm.floor", y), y);
  Value isOdd =
      both(b, isInteger, emitCompare(b, Predicate::ONE, emitUnary(b, "llvm.floor", half), half));
  power = b.select(isOdd, emitCopySign(b, power, x), power);
  Value isNegative = both(b, emitCompare(b, Predicate::OLT, x, b.f32(0)),
                          emitCompare(b, Predicate::OGT, x, b.f32(-INFINITY)));
  Value isFraction = emitCompare(b, Predicate::ONE, emitUnary(b, "llvm.floor", y), y);
  power = b.select(both(b, isNegative, isFraction), b.f32(NAN), power);
  // These are 1 even if the other number is NaN.
  Value isOne = arith::OrIOp::create(b, emitCompare(b, Predicate::OEQ, x, b.f32(1)),
                                     emitCompare(b, Predicate::OEQ, y, b.f32(0)));
  return b.select(isOne, b.f32(1), power);
}

//===----------------------------------------------------------------------===//
// Remainders
//===----------------------------------------------------------------------===//

/// While r >= y, subtracts q y with an integer q that is at most r / y and at least 1. All numbers
/// are f32 in f64, so each difference is exact: q has 53 bits, of which the difference cancels all
/// but about 25. A pass leaves a quotient that is 2^51 times smaller, so there are at most six.
Value basin::kernels::emitFmod(KernelBuilder &b, Value x, Value y) {
  Value limit = absolute(b, widen(b, y)), start = absolute(b, widen(b, x));
  Value isRight = both(b, emitCompare(b, Predicate::OGT, limit, f64(b, 0)),
                       emitCompare(b, Predicate::OLT, start, f64(b, INFINITY)));
  auto loop = scf::WhileOp::create(b, TypeRange{b.getF64Type()}, ValueRange{start});
  {
    OpBuilder::InsertionGuard guard(b);
    Block *before = b.createBlock(&loop.getBefore(), {}, b.getF64Type(), b.getLoc());
    Value r = before->getArgument(0);
    Value goesOn = both(b, isRight, emitCompare(b, Predicate::OGE, r, limit));
    scf::ConditionOp::create(b, goesOn, r);
    Block *after = b.createBlock(&loop.getAfter(), {}, b.getF64Type(), b.getLoc());
    r = after->getArgument(0);
    Value quotient = arith::DivFOp::create(b, r, limit);
    quotient = emitUnary(b, "llvm.floor", b.fmul(quotient, f64(b, 1 - 0x1p-51)));
    Value isNone = emitCompare(b, Predicate::OLT, quotient, f64(b, 1));
    quotient = b.select(isNone, f64(b, 1), quotient);
    Value next = b.fma(arith::NegFOp::create(b, quotient), limit, r);
    scf::YieldOp::create(b, next);
  }
  Value rest = emitCopySign(b, narrow(b, loop.getResult(0)), x);
  // A zero divisor, an infinite dividend and NaN give NaN.
  Value isOrdered = emitCompare(b, Predicate::ORD, x, y);
  return b.select(both(b, isRight, isOrdered), rest, b.f32(NAN));
}
