//===- Matchers.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Declares one matcher for each idiom. A matcher reads the IR from an anchor, and returns either
// the parts of the idiom or the reason why there is none (Miss.h).
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_MATCHERS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_MATCHERS_H

#include "Raise.h"
#include "SoftmaxForms.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/IR/Parts.h"

namespace basin::onnx {

/// The input of a norm: `product = vector * x`, or just x.
struct PreAffine {
  mlir::Value x, vector;
  /// The Mul, or null if there is none.
  mlir::Operation *product = nullptr;
};

/// Returns the pre-affine product that makes `input`, if only `reader` (or ops that `isReader`
/// accepts) uses it. Otherwise returns `input` as x.
PreAffine matchPreAffine(mlir::Value input, llvm::function_ref<bool(mlir::Operation *)> isReader);
PreAffine matchPreAffine(mlir::Value input, mlir::Operation *reader);

/// x - mean(x) over the last axis, and the ops that compute it.
struct Centred {
  mlir::Value x;
  Ops ops;
};
std::optional<Centred> matchCentred(mlir::Value value);

struct NormMatch {
  sink::NormParts parts;
  /// The Add of epsilon, or null if there is none.
  mlir::Operation *epsilonOp = nullptr;
  /// The Mul by the pre-affine vector, or null if there is none.
  mlir::Operation *preAffineOp = nullptr;
  Idiom idiom;
};

/// Matches y = w x / sqrt(mean(x^2) + eps), anchored at the mean of a square. The result is
/// unrelated if `mean` is not the mean of a square.
MatchResult<NormMatch> matchNorm(mlir::Operation *mean);

struct DyTMatch {
  mlir::Value x, alpha, gamma, beta, shift;
  sink::Squash squash = sink::Squash::tanh;
  Idiom idiom;
};

/// Matches gamma f(alpha x + shift) + beta, anchored at f, a Tanh or an Erf.
MatchResult<DyTMatch> matchDyT(mlir::Operation *squash);

struct GateMatch {
  mlir::Value x, wDown, wUp, biasDown, biasUp;
  sink::Activation activation = sink::Activation::sigmoid;
  Idiom idiom;
};

/// Matches act(swish(x W_down + b_down) W_up + b_up) x, anchored at the last product.
MatchResult<GateMatch> matchGate(mlir::Operation *product);

struct RotaryMatch {
  mlir::Value x, cos, sin;
  bool interleaved = false, halfTables = false, inverse = false, deinterleaves = false;
  sink::Layout layout = sink::Layout::bhsd;
  int64_t dim = 0;
  /// The first element that is rotated.
  int64_t offset = 0;
  Idiom idiom;
};

/// Matches x cos + rotate(x) sin, anchored at the Concat that rotates.
MatchResult<RotaryMatch> matchRotary(mlir::Operation *concat);

struct AttentionMatch {
  sink::AttentionParts parts;
  Idiom idiom;
  /// Why learned rows before the keys stay among the keys. Nothing if there are no such rows, or
  /// if they became operands.
  std::optional<Miss> rowsMiss;
  /// Biases beside that of the parts, each with its factor.
  llvm::SmallVector<std::pair<mlir::Value, double>> moreBiases;
  /// Conditions beside the mask of the parts, which is one, too. They hide with the same score.
  llvm::SmallVector<std::pair<mlir::Value, sink::MaskKind>> moreMasks;
  /// The logit of a sink that is one number for all heads.
  std::optional<double> sinkNumber;
  /// The sizes of a head of keys and values that are [sequence, batch, heads * d] and must be
  /// parted to their layout.
  std::optional<int64_t> partedKeyDim, partedValueDim;
  /// The number of learned rows whose elements are [rows, heads, d] and must be turned.
  std::optional<int64_t> turnedRows;

  /// Returns whether keys and values must be made.
  bool partsHeads() const { return partedKeyDim || partedValueDim; }
  /// Returns whether an operand must be made from several values, from a number, or as a view.
  bool hasMade() const {
    return !moreBiases.empty() || !moreMasks.empty() || sinkNumber || partsHeads() || turnedRows;
  }
};

/// Matches softmax(scale q k^T + mask) v, anchored at the last op of the softmax. The result is
/// unrelated if `anchor` ends no softmax, or one that belongs to a router or a classifier. The
/// parts may have operands that must be made: see makeOperands.
MatchResult<AttentionMatch> matchAttention(mlir::Operation *anchor);

/// Makes the operands that no value before the idiom holds: a mask that is computed from the shape
/// of its own scores, the sum of several biases, the conjunction of several conditions, the logits
/// of a sink that has one number, and views of keys, values and learned rows.
void makeOperands(AttentionMatch &match, mlir::OpBuilder &b);

/// Returns whether a softmax belongs to a router or a classifier: its scores are given or come
/// from a product with weights, and its probabilities go to no other product.
bool isClassifier(const SoftmaxForm &softmax);

/// The gate of a raised attention, and what is between that attention and its product with the
/// gate.
struct AttentionGate {
  mlir::Value gate;
  mlir::Operation *product = nullptr;
  /// The steps to the product, the product itself, and the ops that compute their shapes.
  Ops inside;
  sink::Layout layout = sink::Layout::bhsd;
};

/// Matches attention(...) sigmoid(.). The result is unrelated if no such product follows. A miss
/// is reported at the product.
MatchResult<AttentionGate> matchAttentionGate(sink::AttentionOp op);

/// Moves the product and the steps to it into the form.
void raiseAttentionGate(sink::AttentionOp op, AttentionGate &match);

/// Returns whether `value` is one constant that hides a score if it replaces the score or is
/// added to it.
bool isHiddenScore(mlir::Value value);
/// Returns the number that `value` is filled with, or nothing if it is not one constant.
std::optional<double> evaluateFill(mlir::Value value);

/// What is known about the number of keys: nothing, that there are at least as many as queries,
/// or that there are exactly as many.
enum class KeyCount { any, atLeast, asQueries };

/// How far from the query a key may be to be seen: `left` before it, `right` after it. A negative
/// number is a distance to the other side. A distance that is not proven is missing. The mask may
/// hide more.
struct MaskBounds {
  std::optional<int64_t> left, right;

  bool isCausal() const { return right && *right <= 0; }
  /// Bounds of the keys that both masks show, or that one of them shows.
  static MaskBounds both(const MaskBounds &a, const MaskBounds &b);
  static MaskBounds either(const MaskBounds &a, const MaskBounds &b);
};

/// Returns the proven bounds of a mask, whose elements are multiplied by `scale` if it is additive.
/// Queries are aligned with the last keys if there are more keys than queries. The mask is taken to
/// be as wide as the keys, not one column that is broadcast over them. `queries` is their number,
/// if it is known.
MaskBounds findMaskBounds(mlir::Value mask, sink::MaskKind kind, KeyCount keys = KeyCount::any,
                          double scale = 1, const Dim &queries = {});

/// Returns whether `mask` provably hides every key after the query. It may hide more. Queries are
/// aligned with the last keys if there are more keys than queries. The mask is taken to be as
/// wide as the keys, not one column that is broadcast over them.
bool isCausalMask(mlir::Value mask, sink::MaskKind kind, KeyCount keys = KeyCount::any,
                  const Dim &queries = {});

/// Returns "norm", "rotary embedding" or "attention" if `op` is such an operator (typed or not),
/// and an empty string for others.
llvm::StringRef getFusedKind(NodeInterface op);

/// The raised op, or the reason why there is none.
using RaiseResult = MatchResult<mlir::Operation *>;

/// Raises a fused operator (LayerNormalization, Attention, ...) to its sink op. The result is
/// unrelated if `op` is not a fused operator.
RaiseResult raiseFusedOp(mlir::Operation *op, mlir::OpBuilder &b);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_MATCHERS_H
