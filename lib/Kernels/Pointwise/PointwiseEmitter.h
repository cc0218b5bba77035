//===- PointwiseEmitter.h ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Emits one operation of a pointwise program for one element: reals are f32, integers i64 and
// booleans i1.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_POINTWISE_POINTWISEEMITTER_H
#define BASIN_LIB_KERNELS_POINTWISE_POINTWISEEMITTER_H

#include "basin/Kernels/KernelBuilder.h"
#include "basin/Kernels/PointwiseProgram.h"

namespace basin::kernels {

mlir::Type getMLIRType(mlir::MLIRContext *context, PointwiseType type);
mlir::Type getMLIRType(mlir::MLIRContext *context, PointwiseElement element);

/// Emits a literal.
mlir::Value emitLiteral(KernelBuilder &b, const PointwiseExpression &expression);
/// Emits the value with which Add, Min or Max of `type` changes nothing.
mlir::Value emitNeutral(KernelBuilder &b, const PointwiseExpression &join);
/// Emits arithmetic or a cast.
mlir::Value emitOperation(KernelBuilder &b, const PointwiseExpression &expression,
                          mlir::ValueRange operands);

/// Converts an element as it is in memory, and back.
mlir::Value emitFromElement(KernelBuilder &b, mlir::Value value, PointwiseElement element);
mlir::Value emitToElement(KernelBuilder &b, mlir::Value value, PointwiseElement element);

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_POINTWISE_POINTWISEEMITTER_H
