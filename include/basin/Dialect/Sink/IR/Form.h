//===- Form.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The form of a raised op: the exporter's own ops in its region, and what rewrites
// may change of them. A rewrite says what changes; how that is written into the
// exporter's ops is known here alone.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_IR_FORM_H
#define BASIN_DIALECT_SINK_IR_FORM_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::sink {

/// A view of a raised op's region. A slot is a place that a rewrite can change: the
/// attribute `sink.slot` marks the op that stands there, from recognition on.
class Form {
public:
  explicit Form(RaisedInterface op) : op(op) {}

  /// Whether there is a form; without one the op means its decomposition.
  explicit operator bool() { return !op.getFormRegion().empty(); }

  /// Marks `inner`, which is or will be an op of a form, as what stands in `slot`.
  static void mark(mlir::Operation *inner, Slot slot);
  /// The slot in which `inner` stands; nothing if it stands in none.
  static std::optional<Slot> getSlot(mlir::Operation *inner);

  /// The op in `slot`; null without one.
  mlir::Operation *find(Slot slot);
  /// Takes the mark off the op in `slot`, which then is an op like any other.
  void unmark(Slot slot);

  /// Each mark is on an op of its slot's kind, at the form's top level, and the only
  /// one of its slot; reports what is wrong.
  llvm::LogicalResult verifySlots();

  /// Multiplies the eps of a norm's form by 2^exponent: the constant in its slot, or
  /// the attribute of its operator. Refuses, with a diagnostic, where it would leave
  /// the normal range of its type, and where the form has none that is understood.
  llvm::LogicalResult scaleEpsilon(int exponent);

  /// Moves the form's ops to the insertion point, with the op's operands in place of
  /// the arguments. A pre-affine vector or a gate that the op has is written into
  /// its slot, or, where the form has no such slot, around the form. Returns the
  /// values of the op's results; nothing, and the form as it was, where a form
  /// cannot take the vector: the op's decomposition can.
  std::optional<llvm::SmallVector<mlir::Value>> inlineAt(mlir::OpBuilder &b);

private:
  bool setFactor(Slot slot, mlir::Value factor);
  llvm::LogicalResult scaleEpsilonOperand(mlir::Operation *add, int exponent);
  llvm::LogicalResult scaleEpsilonAttribute(double epsilon, int exponent);
  llvm::LogicalResult refuseEpsilon(mlir::Type type, int exponent);
  mlir::Operation *findSum();
  std::optional<llvm::SmallVector<mlir::Value>> inlineScaled(NormInterface norm,
                                                             mlir::OpBuilder &b);

  RaisedInterface op;
};

} // namespace basin::sink

#endif // BASIN_DIALECT_SINK_IR_FORM_H
