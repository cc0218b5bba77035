//===- AttentionMasks.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Masks and biases of attention as the one summand of the scores that operators take, and the rows
// that see no key.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_ATTENTIONMASKS_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_ATTENTIONMASKS_H

#include "OperatorSupport.h"

namespace basin {

/// A finite score that absorbs each score that is added to it, in f32.
inline constexpr double kAbsorbs = -1e34;

/// The operands whose sizes are those of the scores.
struct ScoreSizes {
  mlir::Value query;
  int64_t queryAxis;
  mlir::Value key;
  int64_t keyAxis;
  /// Keys before those of `key`, on axis 2, or null.
  mlir::Value past = {};
  /// The number of keys before those of `key`, a scalar, or null. They are in a buffer.
  mlir::Value pastLength = {};
};

/// Returns why mask and bias have no sum that an operator can add to the scores. If it
/// `leavesPositions`, causality and windows are left to the operator, which gives the keys that
/// they hide -inf. Otherwise they become part of the mask.
WhyNot checkMask(const AttentionPlan &plan, bool leavesPositions);

/// Returns whether hidden keys get a finite score, so that a row of them is uniform.
bool isHiddenFinite(const sink::AttentionParts &parts);

/// Returns whether the mask can be boolean: it replaces scores by -inf, and no bias is added.
bool hasBooleanMask(const AttentionPlan &plan, bool leavesPositions);

/// Returns the number of heads of the mask, one if it is for all heads, or nothing if it is
/// unknown.
std::optional<int64_t> findMaskHeads(const AttentionPlan &plan);

/// Returns whether there may be rows whose scores all are -inf.
bool mayHideRows(const AttentionPlan &plan);

/// Makes the mask of one attention. Attentions with the same mask and bias share it.
class MaskBuilder {
public:
  MaskBuilder(const AttentionPlan &plan, const ScoreSizes &sizes, bool leavesPositions,
              onnx::NodeBuilder &n, SharedValues &shared);

  /// Returns the sum of mask and bias as [1 or batch, 1 or heads, queries, keys], or null if there
  /// is neither.
  mlir::Value makeSum();
  /// Returns the mask if hasBooleanMask, true where a key is visible: [.., queries, keys].
  mlir::Value makeBoolean();
  /// Returns the result of an operator, which is flat or has its heads first, with `number` in the
  /// rows whose scores all are -inf. `mask` is one of the above.
  mlir::Value fillHiddenRows(mlir::Value result, sink::Layout layout, mlir::Value mask,
                             double number);

private:
  mlir::Value share(llvm::StringRef what, mlir::Value source,
                    llvm::function_ref<mlir::Value()> make);
  mlir::Value keyCount();
  mlir::Value positions();
  mlir::Value flags();
  mlir::Value scaled(mlir::Value summand, std::optional<double> scale);
  mlir::Value sum();
  mlir::Value expand(mlir::Value mask);
  mlir::Value hiddenRows(mlir::Value mask);

  const AttentionPlan &plan;
  const sink::AttentionParts &p;
  ScoreSizes sizes;
  bool makesPositions, leavesPositions;
  onnx::NodeBuilder &n;
  SharedValues &shared;
  /// Tells masks of other attentions apart that are made of the same operand.
  std::string positionKey, key;
};

/// What is known of the elements of a summand in f32 or f16: the largest magnitude of those that
/// are not -inf, and whether there may be -inf.
struct SummandBounds {
  float largest = 0;
  bool mayBeInfinite = false;
};
/// Returns the bounds of a value, or nothing if they are unknown.
std::optional<SummandBounds> findSummandBounds(mlir::Value value);
/// Returns the bounds of the sum of mask and bias, with their factors, or nothing.
std::optional<SummandBounds> findSummandBounds(const AttentionPlan &plan);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_ATTENTIONMASKS_H
