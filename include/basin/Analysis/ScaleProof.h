//===- ScaleProof.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A proof that a model which was rewritten by powers of two computes what it did,
// without running either: a dimensional analysis of the two side by side.
//
// For each value of the rewritten model that stands for one of the original it
// keeps by which exponents the two differ: value' = value 2^k, k one number or one
// for each position of the last axis. An addition needs equal exponents, a product
// adds them, a product with a weight is compared with how that weight changed, a
// norm takes away what its eps says, an op without a rule needs none, and the
// outputs end with none. Weights that did not change are not read.
//
// It proves equality in reals. That no value leaves the normal range of its type,
// so that the bits are equal, too, depends on the activations.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_ANALYSIS_SCALEPROOF_H
#define BASIN_ANALYSIS_SCALEPROOF_H

#include "basin/Support/WhyNot.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

/// Nothing where `after` is proven to compute the outputs of `before`; else the
/// reason why it is not, which names a value. Both are modules of onnx ops alone,
/// whose types are inferred; values that stand for each other have one name.
WhyNot findScaleMismatch(mlir::ModuleOp before, mlir::ModuleOp after);

} // namespace basin

#endif // BASIN_ANALYSIS_SCALEPROOF_H
