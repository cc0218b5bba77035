//===- RotationMatrix.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A Hadamard matrix of order 2^k m is the Kronecker product of Sylvester's of order 2^k and one of
// order m by Paley's constructions: q + 1 for a prime q that leaves 3 modulo 4, and 2 (q + 1) for
// one that leaves 1. Of all such m the smallest is taken, because the factor 2^k needs k additions
// for each element and the other m products.
//
//===----------------------------------------------------------------------===//

#include "RotationMatrix.h"

#include "NormRewrites.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <random>

using namespace mlir;
using namespace basin;
using namespace basin::sink;

/// The largest order of a dense matrix, whose product with each row takes order^2 steps.
static constexpr int64_t kMaxDense = 8192;

//===----------------------------------------------------------------------===//
// Paley's matrices
//===----------------------------------------------------------------------===//

static bool isPrime(int64_t n) {
  for (int64_t i = 2; i * i <= n; ++i)
    if (n % i == 0)
      return false;
  return n > 1;
}

/// Returns chi(a - b) for all a and b below the prime q: 1 for squares, -1 for others, 0 for 0.
static std::vector<double> makeJacobsthal(int64_t q) {
  std::vector<double> chi(q, -1), out(q * q);
  chi[0] = 0;
  for (int64_t i = 1; i < q; ++i)
    chi[i * i % q] = 1;
  for (int64_t a = 0; a < q; ++a)
    for (int64_t b = 0; b < q; ++b)
      out[a * q + b] = chi[(a - b + q) % q];
  return out;
}

/// Returns the Jacobsthal matrix of q with a row of ones above it and a column of `left` beside it.
static std::vector<double> makeBordered(int64_t q, double left) {
  std::vector<double> inner = makeJacobsthal(q), out((q + 1) * (q + 1), 1);
  int64_t n = q + 1;
  out[0] = 0;
  for (int64_t a = 0; a < q; ++a) {
    out[(a + 1) * n] = left;
    for (int64_t b = 0; b < q; ++b)
      out[(a + 1) * n + b + 1] = inner[a * q + b];
  }
  return out;
}

/// Returns Paley's matrix of order m, or nothing if neither construction gives one.
static std::optional<std::vector<double>> makePaley(int64_t m) {
  if (m == 1)
    return std::vector<double>{1};
  if (m % 4 != 0 || m > kMaxDense)
    return std::nullopt;
  if (isPrime(m - 1)) {
    // As m is a multiple of 4, the prime leaves 3 modulo 4.
    std::vector<double> out = makeBordered(m - 1, -1);
    for (int64_t i = 0; i < m; ++i)
      out[i * m + i] += 1;
    return out;
  }
  int64_t half = m / 2, q = half - 1;
  if (q % 4 != 1 || !isPrime(q))
    return std::nullopt;
  std::vector<double> c = makeBordered(q, 1), out(m * m);
  constexpr double kOff[2][2] = {{1, 1}, {1, -1}}, kOn[2][2] = {{1, -1}, {-1, -1}};
  for (int64_t a = 0; a < m; ++a)
    for (int64_t b = 0; b < m; ++b) {
      double element = c[a / 2 * half + b / 2];
      out[a * m + b] = element * kOff[a % 2][b % 2] + (a / 2 == b / 2 ? kOn[a % 2][b % 2] : 0);
    }
  return out;
}

//===----------------------------------------------------------------------===//
// Rotations
//===----------------------------------------------------------------------===//

WhyNot RotationMatrix::makeHadamard(int64_t size, uint64_t seed) {
  std::optional<std::vector<double>> found;
  int64_t m = size;
  while (m % 2 == 0)
    m /= 2;
  for (; m <= size && !(found = makePaley(m)); m *= 2)
    ;
  if (!found)
    return llvm::formatv("no Hadamard matrix of order {0} is known to this pass; kind=orthogonal "
                         "takes every order",
                         size)
        .str();
  order = size;
  dense = m;
  matrix = std::move(*found);
  std::mt19937_64 generator(seed);
  signs.resize(size);
  double scale = 1 / std::sqrt(static_cast<double>(size));
  for (double &sign : signs)
    sign = generator() >> 63 ? -scale : scale;
  return std::nullopt;
}

WhyNot RotationMatrix::makeOrthogonal(int64_t size, uint64_t seed) {
  if (size > kMaxDense)
    return llvm::formatv("a dense matrix of order {0} is above the limit of {1}", size, kMaxDense)
        .str();
  std::mt19937_64 generator(seed);
  SmallVector<double> drawn = drawNormal(generator, size * size, size);
  order = dense = size;
  matrix.assign(drawn.begin(), drawn.end());
  signs.clear();
  auto row = [&](int64_t i) { return MutableArrayRef(matrix).slice(i * size, size); };
  auto dot = [](ArrayRef<double> a, ArrayRef<double> b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i)
      sum += a[i] * b[i];
    return sum;
  };
  for (int64_t i = 0; i < size; ++i) {
    MutableArrayRef<double> own = row(i);
    // The second round takes away what rounding left of the first.
    for (int round = 0; round < 2; ++round)
      for (int64_t j = 0; j < i; ++j) {
        double along = dot(own, row(j));
        for (int64_t k = 0; k < size; ++k)
          own[k] -= along * row(j)[k];
      }
    double length = std::sqrt(dot(own, own));
    for (double &element : own)
      element /= length;
  }
  return std::nullopt;
}

void RotationMatrix::apply(MutableArrayRef<double> v) const {
  if (!signs.empty())
    for (int64_t i = 0; i < order; ++i)
      v[i] *= signs[i];
  if (dense > 1) {
    SmallVector<double, 64> product(dense);
    for (int64_t begin = 0; begin < order; begin += dense) {
      llvm::fill(product, 0.0);
      for (int64_t i = 0; i < dense; ++i)
        for (int64_t j = 0; j < dense; ++j)
          product[j] += v[begin + i] * matrix[i * dense + j];
      llvm::copy(product, v.begin() + begin);
    }
  }
  for (int64_t step = dense; step < order; step *= 2)
    for (int64_t begin = 0; begin < order; begin += 2 * step)
      for (int64_t i = begin; i < begin + step; ++i) {
        double a = v[i], b = v[i + step];
        v[i] = a + b;
        v[i + step] = a - b;
      }
}
