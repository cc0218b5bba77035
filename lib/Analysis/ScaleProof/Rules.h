//===- Rules.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What an operator does with exponents.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_ANALYSIS_SCALEPROOF_RULES_H
#define BASIN_LIB_ANALYSIS_SCALEPROOF_RULES_H

#include "Scale.h"

namespace basin {

/// The same node in both models, and by which exponents its operands differ.
struct NodePair {
  mlir::Operation *before, *after;
  /// One for each operand; nothing for a constant, whose data a rule compares, and
  /// for an absent one.
  llvm::SmallVector<std::optional<Scale>> operands;

  /// The exponents of operand `i`, a constant's along its last axis.
  std::optional<Scale> scaleOf(unsigned i) const;
  bool has(unsigned i) const;
};

/// The exponents of the results; nothing where the rule does not hold.
using ScaleResults = std::optional<llvm::SmallVector<Scale>>;

/// The exponents of the results; nothing where the operands' go with no rule. An
/// operator without a rule wants none, and so do its attributes, which may differ
/// only where a rule says so.
ScaleResults applyRule(const NodePair &node);

// The rules of single operators, for applyRule.
ScaleResults applyMatMulRule(const NodePair &node);
ScaleResults applyGemmRule(const NodePair &node);
/// Nothing at all where the op is no norm.
std::optional<ScaleResults> applyNormRule(const NodePair &node);

} // namespace basin

#endif // BASIN_LIB_ANALYSIS_SCALEPROOF_RULES_H
