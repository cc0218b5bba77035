//===- Parts.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The parts of norms and of attention as plain structures. Recognition fills them and makes ops
// from them, and decompositions and exports read them. A new operand or attribute of such an op is
// declared in SinkOps.td and here, and nowhere else unless something computes with it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_IR_PARTS_H
#define BASIN_DIALECT_SINK_IR_PARTS_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::sink {

/// The operands and attributes of a `sink.rms_norm`, or, if it `centres`, of a `sink.layer_norm`.
/// Absent operands are null.
struct NormParts {
  mlir::Value x = {}, residual = {}, preAffine = {}, weight = {}, bias = {}, residualBias = {};
  double epsilon = 0;
  bool centres = false;
};

/// Makes the op from a norm's parts. If `sum` is a type, the op also returns the sum.
NormInterface createNorm(mlir::OpBuilder &b, mlir::Location loc, const NormParts &parts,
                         mlir::Type result, mlir::Type sum = {});

/// The operands and attributes of a `sink.attention`, whose documentation explains them. Absent
/// ones are null or have no value.
struct AttentionParts {
  AttentionParts() = default;
  explicit AttentionParts(AttentionOp op);

  mlir::Value query, key, value, mask, pastKey, pastValue, sinkLogit, sinkKey, sinkValue, gate,
      lastKey, bias, scoreFactor;
  std::optional<double> scale, softcap, biasScale, maskScale, maskFill, floor;
  std::optional<int64_t> window, rightWindow, heads, kvHeads, headDim;
  std::optional<MaskKind> maskKind;
  bool causal = false, causalInMask = false, windowInMask = false, biasAfterMask = false,
       zeroHiddenRows = false, hasPresent = false;
  Layout queryLayout = Layout::bhsd, keyLayout = Layout::bhsd, valueLayout = Layout::bhsd,
         resultLayout = Layout::bhsd;

  /// Returns whether later keys are hidden, in addition to those that the mask hides.
  bool appliesCausal() const { return causal && !causalInMask; }
  /// Returns whether keys outside of a window are hidden, in addition to those that the mask hides.
  bool appliesWindow() const { return (window || rightWindow) && !windowInMask; }
  /// Returns whether query, key and value are one tensor that the form splits.
  bool isPacked() const { return queryLayout == Layout::packed || keyLayout == Layout::packed; }
  /// Returns whether only the form's operator says what the operands or the mask mean.
  bool needsForm() const { return isPacked() || maskKind == MaskKind::lengths; }
};

} // namespace basin::sink

#endif // BASIN_DIALECT_SINK_IR_PARTS_H
