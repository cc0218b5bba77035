//===- GateMatcher.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matches the low-rank self-gate written in primitive ops, anchored at the product:
//
//   y' = act(swish(y W_down [+ b_down]) W_up [+ b_up]) y
//
// Here swish(t) = t sigmoid(t), written as two ops or one, and act is sigmoid, tanh, swish or the
// identity. A bias is a constant with one element for each column of its matrix, or one for all.
// The product scales the value that the first projection reads.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;
using basin::sink::Activation;

namespace {
/// The projection input W [+ bias], by MatMul or Gemm. The bias is null if there is none.
struct Projection {
  Value input, weight, bias;
  /// The product itself, to which the bias is added.
  Value product;
  /// False for a Gemm with a factor or a transposed operand.
  bool isPlain = true;
};
} // namespace

static std::optional<Projection> matchProjection(Value value, Ops &ops) {
  Operation *op = skipCasts(value, &ops).getDefiningOp();
  Value bias;
  if (isa_and_nonnull<AddOp>(op))
    for (unsigned i : {0u, 1u})
      if (isConstant(skipCasts(op->getOperand(i)))) {
        bias = op->getOperand(i);
        ops.insert(op);
        op = skipCasts(op->getOperand(1 - i), &ops).getDefiningOp();
        break;
      }
  if (auto matmul = dyn_cast_or_null<MatMulOp>(op)) {
    ops.insert(op);
    return Projection{matmul.getA(), matmul.getB(), bias, op->getResult(0)};
  }
  auto gemm = dyn_cast_or_null<GemmOp>(op);
  if (!gemm || (bias && gemm.getC()))
    return std::nullopt;
  auto isOne = [](std::optional<APFloat> value) { return !value || value->isExactlyValue(1.0); };
  bool isPlain = isOne(gemm.getAlpha()) && (isOne(gemm.getBeta()) || !gemm.getC()) &&
                 gemm.getTransA().value_or(0) == 0 && gemm.getTransB().value_or(0) == 0;
  ops.insert(op);
  return Projection{gemm.getA(), gemm.getB(), bias ? bias : gemm.getC(), op->getResult(0), isPlain};
}

/// Returns whether the projection has no bias, or a bias of one element or of one for each column.
static bool hasPlainBias(const Projection &projection) {
  if (!projection.bias)
    return true;
  auto type = dyn_cast<RankedTensorType>(projection.bias.getType());
  std::optional<int64_t> columns = getDim(projection.weight, 1);
  if (!type || !type.hasStaticShape() || !columns ||
      !keepsRank(projection.bias, projection.product))
    return false;
  return type.getNumElements() == 1 || isVector(projection.bias, columns);
}

/// Returns t if `value` is t sigmoid(t), and null otherwise.
static Value matchSwish(Value value, Ops &ops) {
  Ops found;
  Operation *op = skipCasts(value, &found).getDefiningOp();
  Value source;
  if (auto swish = dyn_cast_or_null<SwishOp>(op)) {
    if (!swish.getAlpha() || swish.getAlpha()->isExactlyValue(1.0))
      source = swish.getX();
  } else if (auto gelu = dyn_cast_or_null<MSQuickGeluOp>(op)) {
    // QuickGelu is x sigmoid(alpha x). Its default alpha is not 1.
    if (gelu.getAlpha() && gelu.getAlpha()->isExactlyValue(1.0))
      source = gelu.getX();
  } else if (isa_and_nonnull<MulOp>(op)) {
    for (unsigned i : {0u, 1u}) {
      Ops casts;
      auto sigmoid = skipCasts(op->getOperand(i), &casts).getDefiningOp<SigmoidOp>();
      Value other = op->getOperand(1 - i);
      if (!sigmoid || skipCasts(sigmoid.getX(), &casts) != skipCasts(other, &casts))
        continue;
      found.insert(casts.begin(), casts.end());
      found.insert(sigmoid);
      source = skipCasts(other);
      break;
    }
  }
  if (!source)
    return {};
  found.insert(op);
  ops.insert(found.begin(), found.end());
  return source;
}

/// Returns the value before the activation, and says which activation it is.
static Value matchActivation(Value score, Activation &activation, Ops &ops) {
  Value cur = skipCasts(score, &ops);
  if (auto sigmoid = cur.getDefiningOp<SigmoidOp>()) {
    activation = Activation::sigmoid;
    ops.insert(sigmoid);
    return sigmoid.getX();
  }
  if (auto tanh = cur.getDefiningOp<TanhOp>()) {
    activation = Activation::tanh;
    ops.insert(tanh);
    return tanh.getInput();
  }
  if (Value source = matchSwish(cur, ops)) {
    activation = Activation::silu;
    return source;
  }
  activation = Activation::identity;
  return cur;
}

/// Checks that there is one score, or one for each element.
static std::optional<Miss> checkSizes(const GateMatch &m) {
  std::optional<int64_t> d = getDim(m.wDown, 0), width = getDim(m.wUp, 1);
  if (getRank(m.wDown) != 2 || getRank(m.wUp) != 2 || !d || !width || !getDim(m.wDown, 1))
    return Miss(MissReason::GateWeights);
  if (*width != 1 && *width != *d)
    return Miss(MissReason::GateScores, *width, *d);
  return std::nullopt;
}

/// Matches the scores at operand `index` of the product, which scale the other operand.
static MatchResult<GateMatch> matchScores(Operation *product, unsigned index) {
  GateMatch m;
  Ops &inside = m.idiom.inside;
  Value scaled = product->getOperand(1 - index);
  Value score = matchActivation(product->getOperand(index), m.activation, inside);
  std::optional<Projection> up = matchProjection(score, inside);
  Value low = up ? matchSwish(up->input, inside) : Value();
  std::optional<Projection> down = low ? matchProjection(low, inside) : std::nullopt;
  if (!down)
    return Unrelated();
  m.x = scaled;
  if (down->input != scaled) {
    Ops casts;
    m.x = skipCasts(scaled, &casts);
    if (skipCasts(down->input, &casts) != m.x)
      return Miss(MissReason::GateScalesOther);
    inside.insert(casts.begin(), casts.end());
  }
  if (!up->isPlain || !down->isPlain)
    return Miss(MissReason::GateGemm);
  m.wDown = down->weight;
  m.wUp = up->weight;
  m.biasDown = down->bias;
  m.biasUp = up->bias;
  if (hasNarrowerCast(inside, m.x))
    return Miss(MissReason::NarrowerType, "input");
  if (std::optional<Miss> why = checkSizes(m))
    return *why;
  if (!hasPlainBias(*up) || !hasPlainBias(*down))
    return Miss(MissReason::GateBias);
  inside.insert(product);
  m.idiom.arguments = {m.x};
  m.idiom.captured = {m.wDown, m.wUp, m.biasDown, m.biasUp};
  m.idiom.results = {product->getResult(0)};
  if (std::optional<Miss> why = checkIdiom(m.idiom, /*allowExtraResults=*/false))
    return *why;
  return m;
}

MatchResult<GateMatch> basin::onnx::matchGate(Operation *op) {
  // A product that is itself a swish is a step of a gate, not a gate.
  if (Ops swish; !isa<MulOp>(op) || matchSwish(op->getResult(0), swish))
    return Unrelated();
  for (unsigned index : {0u, 1u})
    if (auto result = matchScores(op, index); !result.isUnrelated())
      return result;
  return Unrelated();
}
