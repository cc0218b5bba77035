//===- Form.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The form of a raised op: the exporter's own ops, in the op's region. Rewrites may change parts of
// it. A rewrite says what changes, and only this code knows how that is written into the
// exporter's ops.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_IR_FORM_H
#define BASIN_DIALECT_SINK_IR_FORM_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::sink {

/// The part that an operand of a norm plays, or a value inside its form.
enum class NormPart { PreAffine, Weight, Bias, ResidualBias, Other };

/// A view of a raised op's region. A slot is a place that a rewrite can change. From recognition
/// on, the attribute `sink.slot` marks the op that stands there.
class Form {
public:
  explicit Form(RaisedInterface op) : op(op) {}

  /// Returns whether there is a form. Without a form the op means its decomposition.
  explicit operator bool() { return !op.getFormRegion().empty(); }

  /// Makes the form of an op that has none: its arguments stand for the values `arguments`, `ops`
  /// (in their order) are moved into it, and it yields `results`, which are as many as the op's
  /// results. Uses of `results` outside of the form become uses of the op's results.
  void fill(llvm::ArrayRef<mlir::Value> arguments, llvm::ArrayRef<mlir::Operation *> ops,
            llvm::ArrayRef<mlir::Value> results);
  /// Moves `ops` (in their order), which take the op's results further, to the form's end, and the
  /// op to the place of the last one. `result`, which one of them computes, becomes the op's first
  /// result.
  void append(llvm::ArrayRef<mlir::Operation *> ops, mlir::Value result);

  /// Marks `inner`, which is or will be an op of a form, as the op in `slot`.
  static void mark(mlir::Operation *inner, Slot slot);
  /// Returns the slot in which `inner` stands, or nothing if it stands in none.
  static std::optional<Slot> getSlot(mlir::Operation *inner);

  /// Returns the op in `slot`, or null if there is none.
  mlir::Operation *find(Slot slot);
  /// Removes the mark from the op in `slot`.
  void unmark(Slot slot);

  /// Checks that each mark is on an op of its slot's kind, at the form's top level, and the only
  /// one for its slot. Fails with a diagnostic.
  llvm::LogicalResult verifySlots();

  /// Returns the part of an operand of a norm.
  static NormPart getPart(mlir::OpOperand &operand);
  /// Returns the part that `use`, inside a norm's form, gives to a vector from outside of it. An
  /// operator tells it by the operand's number, a product by its other factor, which is computed,
  /// and a sum by the norm's operands. Returns Other if the part is not certain.
  NormPart getInnerPart(mlir::OpOperand &use);

  /// Returns whether the form rounds values to a quantized type between its steps. The op then
  /// means what the form computes without that, and nothing but the form computes the same.
  bool rounds();

  /// Multiplies the eps of a norm's form by 2^exponent: the constant in its slot, or the attribute
  /// of its operator. Fails with a diagnostic if the eps would leave the normal range of its type,
  /// or if the form has no eps that is understood.
  llvm::LogicalResult scaleEpsilon(int exponent);

  /// Moves the form's ops to the insertion point, with the op's operands in place of the arguments.
  /// A pre-affine vector or a gate of the op is written into its slot, or around the form if the
  /// form has no such slot. Returns the values of the op's results. Returns nothing, and leaves the
  /// form as it was, if the form cannot take the vector; the op's decomposition can.
  std::optional<llvm::SmallVector<mlir::Value>> inlineAt(mlir::OpBuilder &b);

private:
  bool setFactor(Slot slot, mlir::Value factor);
  /// Moves the form's ops to the insertion point, with `operands` in place of the arguments, and
  /// returns what they yield.
  llvm::SmallVector<mlir::Value> inlineForm(mlir::ValueRange operands, mlir::OpBuilder &b);
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
