//===- MaskElements.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds out which numbers the elements of a mask can be, before and after each number of its
// constants that hides a key is replaced by a higher one.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_MASKELEMENTS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_MASKELEMENTS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/Support/WhyNot.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

#include <set>

namespace basin::sink {

/// The numbers that the elements of a value can be. Each element is of one kind, which depends on
/// the element and the inputs, but not on the change.
struct MaskElements {
  /// The highest number of elements that the change raises, before and after it.
  std::optional<double> changed;
  /// The highest number of elements that hide a key and stay as they are.
  std::optional<double> hidden;
  /// The lowest and the highest number of all other elements.
  std::optional<std::pair<double, double>> seen;
  /// Whether elements that the change raises may be -inf before it.
  bool isInfinite = false;

  static MaskElements between(double low, double high);
  /// Returns the highest number of all elements.
  double getHighest() const;
  bool hides() const { return changed || hidden; }

  /// Elements of either value.
  static MaskElements either(const MaskElements &a, const MaskElements &b);
  /// Sums of an element of one value and one of the other.
  static MaskElements sum(const MaskElements &a, const MaskElements &b);
  /// Products with a positive number.
  MaskElements times(double factor) const;
};

/// Returns the quoted name of the value, or words for one without a name.
std::string describeValue(mlir::Value value);

/// Walks from masks up to their constants.
class MaskReader {
public:
  /// Numbers below `value` are raised to it, rounded to the constant's type, if they hide a key.
  explicit MaskReader(double value) : value(value) {}

  /// What was found on the way from one mask.
  struct Cone {
    /// The uses by which values flow into the mask.
    llvm::SetVector<mlir::OpOperand *> uses;
    /// The values with elements that are raised, and those of them that are constants.
    llvm::SetVector<mlir::Value> changed, constants;
    /// The graph inputs that are taken to be zeros and ones.
    std::set<std::string> flags;
  };

  /// Returns the elements of the mask that `use` reads, and adds to `cone` what leads to it.
  /// Returns nothing, and sets `why`, if they are not known. `isForm` tells the arguments of a
  /// form, which stand for operands of its op.
  std::optional<MaskElements> read(mlir::OpOperand &use, Cone &cone, std::string &why);

  /// Returns the number that hides a key in a constant of that type, or nothing if `value` is no
  /// finite number of the type.
  std::optional<double> getNumber(mlir::Type element) const;

private:
  std::optional<MaskElements> visit(mlir::Value value, unsigned depth);
  std::optional<MaskElements> visitUse(mlir::OpOperand &use, unsigned depth);
  std::optional<MaskElements> visitOp(mlir::Operation *op, unsigned depth);
  std::optional<MaskElements> visitEach(llvm::ArrayRef<mlir::OpOperand *> uses, unsigned depth);
  std::optional<MaskElements> visitProduct(mlir::Operation *op, unsigned depth);
  std::optional<MaskElements> visitCast(mlir::Operation *op, unsigned depth);
  std::optional<MaskElements> visitConstant(mlir::Value constant);
  bool isZeroOne(mlir::Value value, unsigned depth);
  std::optional<MaskElements> fail(const llvm::Twine &reason);

  double value;
  Cone *cone = nullptr;
  std::string *why = nullptr;
  unsigned budget = 0;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_MASKELEMENTS_H
