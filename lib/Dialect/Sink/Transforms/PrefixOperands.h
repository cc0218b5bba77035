//===- PrefixOperands.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gives an attention keys and values of tokens that are no longer in the sequence.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_PREFIXOPERANDS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_PREFIXOPERANDS_H

#include "NormRewrites.h"
#include "TensorFile.h"
#include "WholeSequence.h"

#include "llvm/ADT/StringSet.h"

namespace basin::sink {

class PrefixInserter {
public:
  PrefixInserter(const TokenRows &rows, WholeSequence &whole, const StoredTensors &states,
                 ParameterNames &names, int64_t size)
      : rows(rows), whole(whole), states(states), names(names), size(size) {}

  /// Puts the prefix's keys and values in front of the attention's own. Masks and biases become
  /// those of the whole sequence, without the first queries. The form is kept if it is proven to
  /// compute the same with more keys. Otherwise it is dropped, and `numDropped` counts it. Fails
  /// with a diagnostic if the states do not fit, or if an operand's sizes are not proven.
  llvm::LogicalResult insert(AttentionOp op);
  /// Makes the masks of an attention that does not look at tokens those of the whole sequence.
  llvm::LogicalResult updateSummands(AttentionOp op);
  unsigned getNumDropped() const { return numDropped; }
  /// Returns the names of values in forms, which may have other sizes now.
  const llvm::StringSet<> &getChangedNames() const { return changedNames; }

private:
  llvm::FailureOr<mlir::Value> makeRows(AttentionOp op, mlir::Value present, Layout layout,
                                        const std::string &name);
  llvm::FailureOr<mlir::Value> makeSummand(AttentionOp op, mlir::Value summand);
  bool adaptForm(AttentionOp op);

  const TokenRows &rows;
  WholeSequence &whole;
  const StoredTensors &states;
  ParameterNames &names;
  int64_t size;
  unsigned numDropped = 0;
  llvm::StringSet<> changedNames;
};

/// Returns an axis of `from` for each axis of `value` whose size is proven to be the same. For a
/// static size any number is returned. Returns nothing if an axis has no such size.
std::optional<llvm::SmallVector<unsigned>> findSizesOf(mlir::Value from, mlir::Value value);

/// Makes `use` read `with`. If the owner's form captures the operand, its uses there follow.
void replaceOperand(mlir::OpOperand &use, mlir::Value with);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_PREFIXOPERANDS_H
