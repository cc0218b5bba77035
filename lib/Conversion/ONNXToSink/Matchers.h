//===- Matchers.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One matcher an idiom: it reads the IR from an anchor and gives either what
// the idiom is made of or the reason why this is none.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_ONNXTOSINK_MATCHERS_H
#define BASIN_LIB_CONVERSION_ONNXTOSINK_MATCHERS_H

#include "Raise.h"

#include "basin/Dialect/Sink/IR/Parts.h"

#include <variant>

namespace basin::onnx {

/// Why an anchor is not what it might have been; a sentence for `--explain`.
struct Miss {
  std::string reason;
  /// Where it is, if not at the anchor.
  mlir::Operation *op = nullptr;
};

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

/// y = w x / sqrt(mean(x^2) + eps), anchored at the mean of a square; nothing
/// if `mean` is no such thing.
std::optional<std::variant<NormMatch, Miss>> matchNorm(mlir::Operation *mean);

struct DyTMatch {
  mlir::Value x, alpha, gamma, beta;
  Idiom idiom;
};

/// gamma tanh(alpha x) + beta, anchored at the Tanh.
std::optional<std::variant<DyTMatch, Miss>> matchDyT(mlir::Operation *tanh);

struct GateMatch {
  mlir::Value x, wDown, wUp;
  sink::Activation activation = sink::Activation::sigmoid;
  Idiom idiom;
};

/// act(swish(x W_down) W_up) x, anchored at the last product.
std::optional<std::variant<GateMatch, Miss>> matchGate(mlir::Operation *product);

struct RotaryMatch {
  mlir::Value x, cos, sin;
  bool interleaved = false, halfTables = false;
  sink::Layout layout = sink::Layout::bhsd;
  int64_t dim = 0;
  Idiom idiom;
};

/// x cos + rotate(x) sin, anchored at the Concat that rotates.
std::optional<std::variant<RotaryMatch, Miss>> matchRotary(mlir::Operation *concat);

struct AttentionMatch {
  sink::AttentionParts parts;
  Idiom idiom;
  /// Why learned rows before the keys were left among them; empty otherwise.
  std::string rowsMiss;
};

/// softmax(scale q k^T + mask) v, anchored at the Softmax; nothing if that is one
/// of a router or a classifier.
std::optional<std::variant<AttentionMatch, Miss>> matchAttention(mlir::Operation *softmax);

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

/// attention(...) sigmoid(.); nothing if no such product follows. A miss stands
/// at the product.
std::optional<std::variant<AttentionGate, Miss>> matchAttentionGate(sink::AttentionOp op);

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

/// What became of an operator that is attention, a norm or rotary embedding.
struct FusedMatch {
  llvm::StringRef kind;
  /// Null where it stays as it is, with the reason.
  mlir::Operation *raised;
  Miss miss;
};

/// Raises a fused operator (LayerNormalization, Attention, ...); nothing if `op`
/// is none.
std::optional<FusedMatch> raiseFusedOp(mlir::Operation *op, mlir::OpBuilder &b);

/// The same of a node without a typed op, which is never raised.
std::optional<FusedMatch> explainUntypedOp(mlir::Operation *op);

} // namespace basin::onnx

#endif // BASIN_LIB_CONVERSION_ONNXTOSINK_MATCHERS_H
