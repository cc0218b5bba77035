//===- AttentionWalk.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The state of a walk from a Softmax over the ops of an attention. AttentionScores.cpp has the
// steps from the Softmax up to the product of queries and keys, AttentionMatcher.cpp all others.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_ATTENTIONWALK_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_ATTENTIONWALK_H

#include "AttentionSinks.h"
#include "HeadPath.h"
#include "Matchers.h"

namespace basin::onnx {

/// Returns whether a Reshape of scores or probabilities only joins batch and heads, or parts them:
/// the last two axes stay as they are.
bool joinsOrPartsHeads(ReshapeOp reshape);

/// Returns whether a value comes from a product of tensors with heads within a few steps. A mask is
/// computed from positions, or given.
bool isScores(mlir::Value value, unsigned depth = 0);

class AttentionWalk {
public:
  /// With `isShort`, the operands are taken as the products take them, behind casts, scales and
  /// the repetition of heads.
  AttentionWalk(const SoftmaxForm &softmax, bool isShort) : softmax(softmax), isShort(isShort) {
    m.parts.scale = 1;
  }
  MatchResult<AttentionMatch> match();

private:
  /// A summand of the scores, or the condition of a Where, and the rank of the scores there.
  struct Summand {
    mlir::Value value;
    std::optional<int64_t> rank;
  };

  std::optional<Miss> toScores();
  std::optional<Miss> scoresStep(mlir::Operation *op);
  std::optional<Miss> takeReshape(ReshapeOp reshape);
  std::optional<Miss> takeMask(mlir::Operation *op);
  std::optional<Miss> takeSummand(mlir::Operation *op, double factor);
  std::optional<Miss> takeDifference(SubOp sub);
  std::optional<Miss> takeFloor(mlir::Operation *max);
  bool takeFactor(MulOp mul);
  bool takeZeroOneMask(mlir::Operation *op);
  std::optional<Miss> takeFill(WhereOp where);
  std::optional<Miss> checkSummand(mlir::Value summand);
  std::optional<Miss> takeSinkColumn(mlir::Operation *op);
  bool takeRowScores(ConcatOp concat);
  std::optional<Miss> takeKeyScores(SliceOp slice);
  void takeSink(mlir::Value logit, std::optional<double> number, std::optional<int64_t> heads);
  bool takeSoftcap(mlir::Value &cur);
  std::optional<Miss> toOperands();
  std::optional<Miss> toResult();
  std::optional<Miss> takeSinkGate(MulOp mul, mlir::Value gated);
  bool mayHideRows() const;
  std::optional<Miss> takeWeightedValues(mlir::Operation *op, const HeadProduct &product);
  std::optional<Miss> takeProbabilities(WhereOp where, mlir::Value probs);
  std::optional<Miss> takeSinkRows();
  std::optional<Miss> takeRows(bool &allArguments, bool &took);
  bool takeJoinedRows(bool &allArguments);
  std::optional<Miss> checkShapes();
  std::optional<Miss> checkHeads();
  bool isSquare() const;
  bool hasAllKeys() const;
  std::optional<Miss> finish(bool allArguments);
  std::optional<Miss> finishWithCopies();
  std::optional<Miss> checkMade();

  const SoftmaxForm &softmax;
  bool isShort;
  /// Whether the walk has passed a constant factor. It would scale a mask or softcap above it,
  /// too.
  bool sawScale = false;
  /// Whether the largest score of each row was subtracted.
  bool sawMaximum = false;
  std::optional<SinkColumn> column;
  bool hasSink = false;
  /// Scores that are cut apart from those of the keys, if the walk met them, and whether it met the
  /// cut itself.
  std::optional<RowScores> rowScores;
  bool isCut = false;
  /// Whether rows of keys and values became a sink.
  bool hasRows = false;
  /// The number of logits that the sink has, if it is known.
  std::optional<int64_t> sinkHeads;
  llvm::SmallVector<Summand> summands;
  AttentionMatch m;
  mlir::Value cur;
  mlir::Operation *scores = nullptr;
  /// Scores with batch and heads apart, if a Reshape parts those of the product, or null.
  mlir::Value partedScores;
};

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_ATTENTIONWALK_H
