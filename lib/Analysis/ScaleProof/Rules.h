//===- Rules.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rules that say how each operator changes exponents.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_ANALYSIS_SCALEPROOF_RULES_H
#define BASIN_LIB_ANALYSIS_SCALEPROOF_RULES_H

#include "Scale.h"

namespace basin {

/// One node in both models, and the exponents by which its operands differ.
struct NodePair {
  mlir::Operation *before, *after;
  /// One entry for each operand. It is empty for an absent operand, and for a constant, because the
  /// rule compares its data.
  llvm::SmallVector<std::optional<Scale>> operands;

  /// Returns the exponents of operand `i`. Those of a constant are along its last axis.
  std::optional<Scale> scaleOf(unsigned i) const;
  bool has(unsigned i) const;
};

/// The exponents of the results, or nothing if the rule does not hold.
using ScaleResults = std::optional<llvm::SmallVector<Scale>>;

/// Returns the exponents by which the node's results differ, or nothing if those of its operands
/// break the operator's rule. The operands of an operator without a rule must not differ.
/// Attributes must be equal unless the rule compares them, as that of norms compares eps.
ScaleResults applyRule(const NodePair &node);

// applyRule calls these rules of single operators.
ScaleResults applyMatMulRule(const NodePair &node);
ScaleResults applyGemmRule(const NodePair &node);
/// Returns an outer nothing if the op is no norm.
std::optional<ScaleResults> applyNormRule(const NodePair &node);
/// Returns an outer nothing if the op has no scale of integers.
std::optional<ScaleResults> applyQuantizedRule(const NodePair &node);

} // namespace basin

#endif // BASIN_LIB_ANALYSIS_SCALEPROOF_RULES_H
