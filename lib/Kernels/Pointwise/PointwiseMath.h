//===- PointwiseMath.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Functions of f32 scalars without a library. docs/kernels-pointwise.md states the error of each.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_POINTWISE_POINTWISEMATH_H
#define BASIN_LIB_KERNELS_POINTWISE_POINTWISEMATH_H

#include "basin/Kernels/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace basin::kernels {

mlir::Value emitExp(KernelBuilder &b, mlir::Value x);
mlir::Value emitLog(KernelBuilder &b, mlir::Value x);
mlir::Value emitTanh(KernelBuilder &b, mlir::Value x);
mlir::Value emitErf(KernelBuilder &b, mlir::Value x);
mlir::Value emitSigmoid(KernelBuilder &b, mlir::Value x);

// These compute in f64.
mlir::Value emitSin(KernelBuilder &b, mlir::Value x);
mlir::Value emitCos(KernelBuilder &b, mlir::Value x);
mlir::Value emitPow(KernelBuilder &b, mlir::Value x, mlir::Value y);
/// The remainder with the sign of x, which is exact.
mlir::Value emitFmod(KernelBuilder &b, mlir::Value x, mlir::Value y);

// Pieces.
/// Calls an LLVM intrinsic of one operand, which has the result's type. The ops of these intrinsics
/// cannot be used, because the lowering of kernels makes calls of CUDA's library from them.
mlir::Value emitUnary(KernelBuilder &b, llvm::StringRef intrinsic, mlir::Value x);
mlir::Value emitCompare(KernelBuilder &b, mlir::arith::CmpFPredicate predicate, mlir::Value x,
                        mlir::Value y);
/// Returns a constant of the float type of `like`.
mlir::Value emitConstant(KernelBuilder &b, mlir::Value like, double value);
/// Returns the value of the polynomial with these coefficients, the lowest degree first.
mlir::Value emitPolynomial(KernelBuilder &b, mlir::Value x, llvm::ArrayRef<double> coefficients);
/// Returns |x| with the sign of `sign`.
mlir::Value emitCopySign(KernelBuilder &b, mlir::Value x, mlir::Value sign);

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_POINTWISE_POINTWISEMATH_H
