//===- QuantizedPairs.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A pair of QuantizeLinear and DequantizeLinear rounds a value to a grid and limits it to a range.
// Models that were quantized have one on almost every edge. Recognition looks at the graph without
// them: the pairs are taken out before it, and put back behind it. A pair on what goes into a
// raised op or comes out of it stands outside of the form, and one between the op's own steps
// stands inside. Such a form rounds: see Form::rounds.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_QUANTIZEDPAIRS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_QUANTIZEDPAIRS_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "llvm/ADT/MapVector.h"

namespace basin::onnx {

class QuantizedPairs {
public:
  /// Takes the pairs out of the graphs in `root`: what reads a pair reads the value before it.
  explicit QuantizedPairs(mlir::Operation *root);
  /// Puts them back. Ops may have been moved, forms filled and operands made, but no op erased.
  void restore();
  bool isEmpty() const { return pairs.empty(); }

private:
  /// A use of a pair, with the number of the DequantizeLinear that it reads.
  using Use = std::pair<unsigned, mlir::OpOperand *>;
  using Uses = llvm::SmallVector<Use>;
  using Groups = llvm::MapVector<mlir::Value, Uses>;

  /// A QuantizeLinear, all of whose readers are such DequantizeLinears, with what reads those.
  struct Pair {
    mlir::Operation *quantize;
    llvm::SmallVector<mlir::Operation *, 1> dequantizes;
    llvm::SmallVector<llvm::SmallVector<mlir::OpOperand *>, 1> uses;
    mlir::Block *block;
  };
  /// A pair's place: before the first of the uses in a block.
  struct Place {
    unsigned pair;
    mlir::Value value;
    mlir::Operation *before;
    Uses uses;
  };

  void take(mlir::Operation *quantize);
  /// Returns a pair's uses by the value that they read. An argument that all uses in a form read
  /// through the pair counts as a use by the raised op's operand.
  static Groups groupUses(const Pair &pair);
  static void addCaptured(mlir::Value value, Uses &uses);
  void addMade(mlir::Value value, Uses &uses) const;
  void findPlaces(unsigned index, llvm::SmallVectorImpl<Place> &places) const;
  void put(const Place &place, bool isFirst);

  llvm::SmallVector<Pair> pairs;
  /// All uses that read a pair.
  llvm::DenseSet<mlir::OpOperand *> taken;
};

/// Returns whether `value`, an additive mask, hides what it would hide without the pairs behind it.
bool keepsHidden(mlir::Value mask);
/// Returns whether no pair is behind `value`.
bool isExact(mlir::Value value);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_QUANTIZEDPAIRS_H
