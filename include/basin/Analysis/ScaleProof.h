//===- ScaleProof.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Proves that a model which was rewritten by powers of two still computes the original's outputs.
// Neither model runs: the proof is a dimensional analysis of the two side by side.
//
// The proof keeps the exponents k by which a value of the rewritten model differs from the value of
// the original that it stands for: value' = value 2^k, where k is one number or one for each
// position of the last axis. The operands of an addition must have equal exponents. A product adds
// those of its operands, and a product with a weight is compared with how that weight changed. A
// norm takes away the exponent by which its eps changed. The operands of an op without a rule must
// not differ, nor must the model's outputs. Weights that did not change are not read.
//
// The proof holds for real numbers. The bits are equal, too, if no value leaves the normal range of
// its type, and that depends on the activations.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_ANALYSIS_SCALEPROOF_H
#define BASIN_ANALYSIS_SCALEPROOF_H

#include "basin/Support/WhyNot.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

/// Returns nothing if `after` is proven to compute the outputs of `before`, or else a reason, which
/// names a node or a value. Both modules consist of onnx ops with inferred types, and values that
/// stand for each other have the same name.
WhyNot findScaleMismatch(mlir::ModuleOp before, mlir::ModuleOp after);

} // namespace basin

#endif // BASIN_ANALYSIS_SCALEPROOF_H
