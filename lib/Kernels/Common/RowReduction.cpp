//===- RowReduction.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RowReduction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace basin::kernels;

Value basin::kernels::reduceRow(KernelBuilder &b, Reduction reduction, Value x,
                                int64_t threadsPerRow, int64_t sharedOffset) {
  bool isSum = reduction == Reduction::Sum;
  Value ofWarp = isSum ? b.warpSum(x) : b.warpMax(x);
  int64_t warps = threadsPerRow / 32;
  if (warps == 1)
    return ofWarp;
  Value scratch = b.shared(sharedOffset);
  Value warp = b.warp();
  b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.lane(), b.i32(0)),
           [&] { b.store(ofWarp, scratch, b.getF32Type(), warp); });
  b.barrier();
  Value first = b.mul(b.divU(warp, warps), b.i32(warps));
  Value total;
  for (int64_t i = 0; i < warps; ++i) {
    Value part = b.load(scratch, b.getF32Type(), b.add(first, b.i32(i)));
    total = !total ? part : isSum ? b.fadd(total, part) : b.fmax(total, part);
  }
  return total;
}
