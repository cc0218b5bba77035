//===- Operators.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Patterns that write sink ops as fused operators. An op is rewritten only if the operator means
// exactly what the op means. Otherwise the pattern reports why not (notifyMatchFailure), and the op
// is left to its form.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_SINKTOONNX_OPERATORS_H
#define BASIN_CONVERSION_SINKTOONNX_OPERATORS_H

#include "mlir/IR/PatternMatch.h"

#include <map>
#include <string>
#include <tuple>

namespace basin {

/// Values that several ops need, such as the bias made of one mask. Each is made once in a block,
/// for the first op. Ops must be converted in the order in which they stand.
class SharedValues {
public:
  /// Returns the value of `what` made of `source` in the block, or makes it.
  mlir::Value get(mlir::Block *block, llvm::StringRef what, mlir::Value source,
                  llvm::function_ref<mlir::Value()> make);
  /// Returns the value of `what` made of nothing in the block, or null.
  mlir::Value find(mlir::Block *block, llvm::StringRef what) const;

private:
  std::map<std::tuple<mlir::Block *, std::string, void *>, mlir::Value> values;
};

/// Patterns for operators that ONNX Runtime registers (com.microsoft and
/// SimplifiedLayerNormalization). Their meaning is that of its CPU kernels.
void populateRuntimeNormPatterns(mlir::RewritePatternSet &patterns, SharedValues &shared);
void populateRuntimeRotaryPatterns(mlir::RewritePatternSet &patterns, SharedValues &shared);
void populateRuntimeAttentionPatterns(mlir::RewritePatternSet &patterns, SharedValues &shared);

/// Patterns for operators of ai.onnx, version 23. Their meaning is that of the standard.
void populateStandardNormPatterns(mlir::RewritePatternSet &patterns, SharedValues &shared);
void populateStandardRotaryPatterns(mlir::RewritePatternSet &patterns, SharedValues &shared);
void populateStandardAttentionPatterns(mlir::RewritePatternSet &patterns, SharedValues &shared);

} // namespace basin

#endif // BASIN_CONVERSION_SINKTOONNX_OPERATORS_H
