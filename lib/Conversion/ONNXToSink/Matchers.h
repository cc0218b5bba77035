//===- Matchers.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One matcher an idiom: it reads the IR from an anchor and gives either what
// the idiom is made of or the reason why this is none (Miss.h).
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_MATCHERS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_MATCHERS_H

#include "Raise.h"

#include "basin/Dialect/Sink/IR/Parts.h"

namespace basin::onnx {

/// What is before a norm: `product = vector * x`, or just x.
struct PreAffine {
  mlir::Value x, vector;
  /// The Mul; null without one.
  mlir::Operation *product = nullptr;
};

/// The pre-affine product that makes `input`, if only `reader` uses it.
PreAffine matchPreAffine(mlir::Value input, llvm::function_ref<bool(mlir::Operation *)> isReader);
PreAffine matchPreAffine(mlir::Value input, mlir::Operation *reader);

struct NormMatch {
  sink::NormParts parts;
  /// The Add of epsilon; null if there is none.
  mlir::Operation *epsilonOp = nullptr;
  /// The Mul by the pre-affine vector; null without one.
  mlir::Operation *preAffineOp = nullptr;
  Idiom idiom;
};

/// y = w x / sqrt(mean(x^2) + eps), anchored at the mean of a square; unrelated
/// if `mean` is no such thing.
MatchResult<NormMatch> matchNorm(mlir::Operation *mean);

struct DyTMatch {
  mlir::Value x, alpha, gamma, beta;
  Idiom idiom;
};

/// gamma tanh(alpha x) + beta, anchored at the Tanh.
MatchResult<DyTMatch> matchDyT(mlir::Operation *tanh);

struct GateMatch {
  mlir::Value x, wDown, wUp;
  sink::Activation activation = sink::Activation::sigmoid;
  Idiom idiom;
};

/// act(swish(x W_down) W_up) x, anchored at the last product.
MatchResult<GateMatch> matchGate(mlir::Operation *product);

struct RotaryMatch {
  mlir::Value x, cos, sin;
  bool interleaved = false, halfTables = false;
  sink::Layout layout = sink::Layout::bhsd;
  int64_t dim = 0;
  Idiom idiom;
};

/// x cos + rotate(x) sin, anchored at the Concat that rotates.
MatchResult<RotaryMatch> matchRotary(mlir::Operation *concat);

struct AttentionMatch {
  sink::AttentionParts parts;
  Idiom idiom;
  /// Why learned rows before the keys were left among them; nothing otherwise.
  std::optional<Miss> rowsMiss;
};

/// softmax(scale q k^T + mask) v, anchored at the Softmax; unrelated if that
/// is one of a router or a classifier.
MatchResult<AttentionMatch> matchAttention(mlir::Operation *softmax);

/// Whether a Softmax is a router's or a classifier's: its scores come from a product
/// with weights, and its probabilities go to no other product.
bool isClassifier(mlir::Operation *softmax);

/// The reason for exp(s) / sum(exp(s)), which nothing is made of; nothing for other
/// ops.
std::optional<Miss> explainOpenSoftmax(mlir::Operation *div);

/// What is between a raised attention and the product with its gate.
struct AttentionGate {
  mlir::Value gate;
  mlir::Operation *product = nullptr;
  /// The steps to the product, itself, and what computes their shapes.
  Ops inside;
  sink::Layout layout = sink::Layout::bhsd;
};

/// attention(...) sigmoid(.); unrelated if no such product follows. A miss
/// stands at the product.
MatchResult<AttentionGate> matchAttentionGate(sink::AttentionOp op);

/// Moves the product, and the steps to it, into the form.
void raiseAttentionGate(sink::AttentionOp op, AttentionGate &match);

/// Whether `value` is one constant that hides the scores which it takes the place of,
/// or which it is added to.
bool isHiddenScore(mlir::Value value);

/// What is known of how many keys there are.
enum class KeyCount { any, atLeast /* as queries */, asQueries };

/// Whether `mask` provably hides, besides what else it hides, every key after
/// the query (aligned at the end where there are more keys than queries). A mask
/// is taken to be as wide as the keys, not of one column broadcast over them.
bool isCausalMask(mlir::Value mask, sink::MaskKind kind, KeyCount keys = KeyCount::any);

/// "norm", "rotary embedding" or "attention" where `op` is such an operator (typed or
/// not), empty for others.
llvm::StringRef getFusedKind(NodeInterface op);

/// The raised op, or why there is none.
using RaiseResult = MatchResult<mlir::Operation *>;

/// Raises a fused operator (LayerNormalization, Attention, ...) to the op that it
/// gives; unrelated if `op` is none.
RaiseResult raiseFusedOp(mlir::Operation *op, mlir::OpBuilder &b);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_MATCHERS_H
