//===- PointwiseMath.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each function reduces its argument to a small interval and evaluates a polynomial there.
// tools/pointwise_polynomials.py derives the coefficients. Products and sums are fused only where
// `fma` stands, and no operation may be reordered, so the results are the same on all chips.
//
//===----------------------------------------------------------------------===//

#include "PointwiseMath.h"

using namespace mlir;
using namespace basin::kernels;
using Predicate = arith::CmpFPredicate;

// Adding one of these to a number of smaller magnitude rounds it to an integer, which then is in
// the sum's low bits.
static constexpr double kRounder = 0x1.8p23;
static constexpr double kLog2E = 0x1.715476p+0;
static constexpr double kLn2[] = {0x1.62e4p-1, 0x1.7f7d1cp-20};

Value basin::kernels::emitUnary(KernelBuilder &b, StringRef intrinsic, Value x) {
  return b.intrinsic(intrinsic, x.getType(), x);
}

Value basin::kernels::emitCompare(KernelBuilder &b, Predicate predicate, Value x, Value y) {
  return arith::CmpFOp::create(b, predicate, x, y);
}

Value basin::kernels::emitConstant(KernelBuilder &b, Value like, double value) {
  return arith::ConstantOp::create(b, b.getFloatAttr(like.getType(), value));
}

Value basin::kernels::emitPolynomial(KernelBuilder &b, Value x, ArrayRef<double> coefficients) {
  Value out = emitConstant(b, x, coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    out = b.fma(out, x, emitConstant(b, x, coefficient));
  return out;
}

Value basin::kernels::emitCopySign(KernelBuilder &b, Value x, Value sign) {
  return b.intrinsic("llvm.copysign", x.getType(), {x, sign});
}

static Value absolute(KernelBuilder &b, Value x) { return emitUnary(b, "llvm.fabs", x); }
static Value divide(KernelBuilder &b, Value x, Value y) { return arith::DivFOp::create(b, x, y); }
static Value negate(KernelBuilder &b, Value x) { return arith::NegFOp::create(b, x); }

static Value bitsOf(KernelBuilder &b, Value x) {
  return arith::BitcastOp::create(b, b.getI32Type(), x);
}

/// Returns 2^n for an i32 from -126 to 127.
static Value powerOfTwo(KernelBuilder &b, Value n) {
  Value bits = arith::ShLIOp::create(b, b.add(n, b.i32(127)), b.i32(23));
  return arith::BitcastOp::create(b, b.getF32Type(), bits);
}

/// x = n ln 2 + r,  e^x = 2^n (1 + r + r^2 p(r)). The power is multiplied in two halves, because
/// 2^n may be too large or too small where e^x is not. The bounds keep NaN. Beyond them e^x is
/// infinite or 0.
Value basin::kernels::emitExp(KernelBuilder &b, Value x) {
  x = LLVM::MinimumOp::create(b, LLVM::MaximumOp::create(b, x, b.f32(-104)), b.f32(89));
  Value sum = b.fma(x, b.f32(kLog2E), b.f32(kRounder)), n = b.fsub(sum, b.f32(kRounder));
  Value r = b.fma(n, b.f32(-kLn2[0]), x);
  r = b.fma(n, b.f32(-kLn2[1]), r);
  Value p = emitPolynomial(
      b, r, {0x1.fffffcp-2, 0x1.555492p-3, 0x1.555924p-5, 0x1.123976p-7, 0x1.69fee2p-10});
  Value power = b.fadd(b.fma(p, b.fmul(r, r), r), b.f32(1));
  Value integer = b.sub(bitsOf(b, sum), bitsOf(b, b.f32(kRounder)));
  Value half = arith::ShRSIOp::create(b, integer, b.i32(1));
  return b.fmul(b.fmul(power, powerOfTwo(b, half)), powerOfTwo(b, b.sub(integer, half)));
}

/// x = 2^n (1 + f) with f from -1/3 to 1/3,  log x = n ln 2 + f - f^2/2 + f^3 p(f).
Value basin::kernels::emitLog(KernelBuilder &b, Value x) {
  Value isSmall = emitCompare(b, Predicate::OLT, x, b.f32(0x1p-126));
  Value bits = bitsOf(b, b.select(isSmall, b.fmul(x, b.f32(0x1p23)), x));
  // 0x3f2aaaab are the bits of 2/3, so the upper bits of the difference are n.
  Value n = arith::ShRSIOp::create(b, b.sub(bits, b.i32(0x3f2aaaab)), b.i32(23));
  Value fraction = b.sub(bits, arith::ShLIOp::create(b, n, b.i32(23)));
  Value f = b.fsub(arith::BitcastOp::create(b, b.getF32Type(), fraction), b.f32(1));
  Value exponent = arith::SIToFPOp::create(b, b.getF32Type(), n);
  exponent = b.fadd(exponent, b.select(isSmall, b.f32(-23), b.f32(0)));
  Value p =
      emitPolynomial(b, f,
                     {0x1.555556p-2, -0x1.ffff1p-3, 0x1.999796p-3, -0x1.5598ep-3, 0x1.24f1a2p-3,
                      -0x1.f38ea8p-4, 0x1.b8bfe6p-4, -0x1.0706c2p-3, 0x1.eada8cp-4});
  Value square = b.fmul(f, f);
  Value rest = b.fma(exponent, b.f32(kLn2[1]), b.fmul(b.fma(p, f, b.f32(-0.5)), square));
  Value out = b.fma(exponent, b.f32(kLn2[0]), b.fadd(f, rest));
  // Infinity and NaN stay, 0 gives -infinity, and negative numbers give NaN.
  Value isFinite = emitCompare(b, Predicate::OLT, x, b.f32(INFINITY));
  out = b.select(isFinite, out, x);
  out = b.select(emitCompare(b, Predicate::OEQ, x, b.f32(0)), b.f32(-INFINITY), out);
  return b.select(emitCompare(b, Predicate::OLT, x, b.f32(0)), b.f32(NAN), out);
}

/// x + x^3 p(x^2) below 0.6, and 1 - 2 / (e^2x + 1) from there on.
Value basin::kernels::emitTanh(KernelBuilder &b, Value x) {
  Value size = absolute(b, x), square = b.fmul(x, x);
  Value p = emitPolynomial(
      b, square, {-0x1.55553ep-2, 0x1.1109b8p-3, -0x1.b89a5p-5, 0x1.54c204p-6, -0x1.828228p-8});
  Value small = b.fma(b.fmul(p, square), x, x);
  Value power = emitExp(b, b.fadd(size, size));
  Value large = b.fsub(b.f32(1), divide(b, b.f32(2), b.fadd(power, b.f32(1))));
  Value isSmall = emitCompare(b, Predicate::OLT, size, b.f32(0.6));
  return emitCopySign(b, b.select(isSmall, small, large), x); // of a zero, too
}

/// x + x p(x^2) below 0.95, and 1 - e^p(x) from there to 4, where it is 1.
Value basin::kernels::emitErf(KernelBuilder &b, Value x) {
  Value size = absolute(b, x), square = b.fmul(x, x);
  Value p = emitPolynomial(b, square,
                           {0x1.06eba8p-3, -0x1.812742p-2, 0x1.ce2dccp-4, -0x1.b8096ap-6,
                            0x1.5496bp-8, -0x1.a89012p-11, 0x1.575694p-14});
  Value small = b.fma(p, x, x);
  Value bounded = LLVM::MinimumOp::create(b, size, b.f32(4));
  Value q =
      emitPolynomial(b, bounded,
                     {0x1.76a93ep-13, -0x1.2128e4p+0, -0x1.444358p-1, -0x1.bb8b1p-4, 0x1.9b6052p-6,
                      -0x1.106feap-8, 0x1.c04340p-12, -0x1.45fa44p-16, -0x1.52ab42p-23});
  Value large = b.fsub(b.f32(1), emitExp(b, q));
  Value isSmall = emitCompare(b, Predicate::OLT, size, b.f32(0.95));
  return b.select(isSmall, small, emitCopySign(b, large, x));
}

/// e = e^-|x|, so nothing overflows:  1 / (1 + e) for positive x, e / (1 + e) for negative x.
Value basin::kernels::emitSigmoid(KernelBuilder &b, Value x) {
  Value e = emitExp(b, negate(b, absolute(b, x)));
  Value isNegative = emitCompare(b, Predicate::OLT, x, b.f32(0));
  return divide(b, b.select(isNegative, e, b.f32(1)), b.fadd(e, b.f32(1)));
}
