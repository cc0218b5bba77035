//===- Parts.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The parts of norms and of attention as plain structures: recognition fills them
// and makes ops of them, decompositions and exports read them. A new operand or
// attribute of such an op is declared in SinkOps.td and here, and nowhere else
// unless something computes with it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_IR_PARTS_H
#define BASIN_DIALECT_SINK_IR_PARTS_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::sink {

/// The operands and attributes of a `sink.rms_norm` or, where it `centres`, of a
/// `sink.layer_norm`; operands that are absent are null.
struct NormParts {
  mlir::Value x = {}, residual = {}, preAffine = {}, weight = {}, bias = {}, residualBias = {};
  double epsilon = 0;
  bool centres = false;
};

/// Makes the op of a norm's parts. It gives the sum, too, where `sum` is a type.
NormInterface createNorm(mlir::OpBuilder &b, mlir::Location loc, const NormParts &parts,
                         mlir::Type result, mlir::Type sum = {});

/// The operands and attributes of a `sink.attention`, which explains them; absent
/// ones are null or have no value.
struct AttentionParts {
  AttentionParts() = default;
  explicit AttentionParts(AttentionOp op);

  mlir::Value query, key, value, mask, pastKey, pastValue, sinkLogit, sinkKey, sinkValue, gate,
      lastKey;
  std::optional<double> scale, softcap, maskFill;
  std::optional<int64_t> window, heads, kvHeads, headDim;
  std::optional<MaskKind> maskKind;
  bool causal = false, causalInMask = false, zeroHiddenRows = false, hasPresent = false;
  Layout queryLayout = Layout::bhsd, keyLayout = Layout::bhsd, valueLayout = Layout::bhsd,
         resultLayout = Layout::bhsd;

  /// Whether later keys are to be hidden, besides what the mask hides.
  bool appliesCausal() const { return causal && !causalInMask; }
  /// Whether query, key and value are one tensor that the form takes apart.
  bool isPacked() const { return queryLayout == Layout::packed || keyLayout == Layout::packed; }
  /// Whether the form's operator says what operands or mask mean.
  bool needsForm() const { return isPacked() || maskKind == MaskKind::lengths; }
};

} // namespace basin::sink

#endif // BASIN_DIALECT_SINK_IR_PARTS_H
