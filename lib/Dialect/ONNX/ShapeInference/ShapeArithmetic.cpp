//===- ShapeArithmetic.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapeArithmetic.h"

#include "basin/Dialect/ONNX/IR/SizeSum.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::onnx;

/// Combines entries of which one is a symbol. Sizes are never negative, and neither may be the
/// other.
static ShapeEntry combineSizes(const ShapeEntry &a, const ShapeEntry &b,
                               std::optional<SizeSum> (*operation)(const SizeSum &,
                                                                   const SizeSum &)) {
  std::optional<SizeSum> x = SizeSum::get(a.toDim()), y = SizeSum::get(b.toDim());
  std::optional<SizeSum> result = x && y ? operation(*x, *y) : std::nullopt;
  return result ? ShapeEntry(result->toDim()) : ShapeEntry();
}

ShapeEntry basin::onnx::addEntries(const ShapeEntry &a, const ShapeEntry &b) {
  int64_t sum;
  if (a.is(0))
    return b;
  if (b.is(0))
    return a;
  if (a.constant && b.constant && !llvm::AddOverflow(*a.constant, *b.constant, sum))
    return sum;
  return combineSizes(a, b, SizeSum::add);
}

ShapeEntry basin::onnx::subtractEntries(const ShapeEntry &a, const ShapeEntry &b) {
  int64_t difference;
  if (b.is(0))
    return a;
  if (a.isKnown() && a == b)
    return 0;
  if (a.constant && b.constant && !llvm::SubOverflow(*a.constant, *b.constant, difference))
    return difference;
  return combineSizes(a, b, SizeSum::subtract);
}

ShapeEntry basin::onnx::multiplyEntries(const ShapeEntry &a, const ShapeEntry &b) {
  int64_t product;
  if (a.is(0) || b.is(0))
    return 0;
  if (a.is(1))
    return b;
  if (b.is(1))
    return a;
  if (a.constant && b.constant && !llvm::MulOverflow(*a.constant, *b.constant, product))
    return product;
  return combineSizes(a, b, SizeSum::multiply);
}

ShapeEntry basin::onnx::divideEntries(const ShapeEntry &a, const ShapeEntry &b) {
  if (b.is(1))
    return a;
  // Runtimes round negative quotients of integers differently.
  if (a.constant && b.constant && *a.constant >= 0 && *b.constant > 0)
    return *a.constant / *b.constant;
  return combineSizes(a, b, SizeSum::divide);
}

ShapeEntry basin::onnx::maxEntries(const ShapeEntry &a, const ShapeEntry &b) {
  if (a.constant && b.constant)
    return std::max(*a.constant, *b.constant);
  if (a == b || (a.symbol && b.constant && *b.constant <= 0))
    return a;
  return b.symbol && a.constant && *a.constant <= 0 ? b : ShapeEntry();
}

ShapeEntry basin::onnx::minEntries(const ShapeEntry &a, const ShapeEntry &b) {
  if (a.constant && b.constant)
    return std::min(*a.constant, *b.constant);
  return a == b ? a : ShapeEntry();
}

ShapeEntry basin::onnx::compareEqual(const ShapeEntry &a, const ShapeEntry &b) {
  if (a.constant && b.constant)
    return *a.constant == *b.constant;
  if (a.isKnown() && a == b)
    return 1;
  // A size is never -1. Exporters compare the target of an Expand with that placeholder.
  bool differs =
      (a.symbol && b.constant && *b.constant < 0) || (b.symbol && a.constant && *a.constant < 0);
  return differs ? ShapeEntry(0) : ShapeEntry();
}

ShapeEntry basin::onnx::compareGreater(const ShapeEntry &a, const ShapeEntry &b) {
  if (a.constant && b.constant)
    return *a.constant > *b.constant;
  // A size is larger than each negative number, and no negative number is larger than a size.
  if (a.symbol && b.constant && *b.constant < 0)
    return 1;
  if (b.symbol && a.constant && *a.constant <= 0)
    return 0;
  return a.isKnown() && a == b ? ShapeEntry(0) : ShapeEntry();
}

ShapeEntry basin::onnx::select(const ShapeEntry &condition, const ShapeEntry &yes,
                               const ShapeEntry &no) {
  if (condition.constant)
    return *condition.constant ? yes : no;
  return yes == no ? yes : ShapeEntry();
}
