//===- GateMatcher.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The low-rank self-gate written in primitive ops, anchored at the product.
//
//   y' = act(swish(y W_down) W_up) y
//
// with swish(t) = t sigmoid(t) as two ops or one, and act sigmoid, tanh, swish
// or nothing. Both projections are without bias, and both read and scale the
// same value.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;
using basin::sink::Activation;

static Miss miss(const Twine &reason) { return Miss{reason.str()}; }

namespace {
/// input W [+ bias], by MatMul or Gemm.
struct Projection {
  Value input, weight;
  bool hasBias = false;
  /// Of a Gemm: a factor, or an operand that is transposed.
  bool isPlain = true;
};
} // namespace

static std::optional<Projection> matchProjection(Value value, Ops &ops) {
  Operation *op = skipCasts(value, &ops).getDefiningOp();
  bool hasBias = false;
  if (isa_and_nonnull<AddOp>(op))
    for (unsigned i : {0u, 1u})
      if (isConstant(skipCasts(op->getOperand(i)))) {
        hasBias = true;
        op = skipCasts(op->getOperand(1 - i)).getDefiningOp();
        break;
      }
  if (auto matmul = dyn_cast_or_null<MatMulOp>(op)) {
    ops.insert(op);
    return Projection{matmul.getA(), matmul.getB(), hasBias};
  }
  auto gemm = dyn_cast_or_null<GemmOp>(op);
  if (!gemm)
    return std::nullopt;
  auto isOne = [](std::optional<APFloat> value) { return !value || value->isExactlyValue(1.0); };
  bool isPlain = isOne(gemm.getAlpha()) && gemm.getTransA().value_or(0) == 0 &&
                 gemm.getTransB().value_or(0) == 0;
  ops.insert(op);
  return Projection{gemm.getA(), gemm.getB(), hasBias || gemm.getC(), isPlain};
}

/// t where `value` is t sigmoid(t).
static Value matchSwish(Value value, Ops &ops) {
  Ops found;
  Operation *op = skipCasts(value, &found).getDefiningOp();
  Value source;
  if (auto swish = dyn_cast_or_null<SwishOp>(op)) {
    if (!swish.getAlpha() || swish.getAlpha()->isExactlyValue(1.0))
      source = swish.getX();
  } else if (auto gelu = dyn_cast_or_null<MSQuickGeluOp>(op)) {
    // x sigmoid(alpha x), with another alpha by default.
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

/// The value before the activation.
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

/// Whether the scores are one, or as many as there are elements.
static std::optional<Miss> checkSizes(const GateMatch &m) {
  std::optional<int64_t> d = getDim(m.wDown, 0), width = getDim(m.wUp, 1);
  if (getRank(m.wDown) != 2 || getRank(m.wUp) != 2 || !d || !width || !getDim(m.wDown, 1))
    return miss("its projections are not by matrices of known sizes");
  if (*width != 1 && *width != *d)
    return miss("its " + Twine(*width) + " scores are neither one nor as many as its " + Twine(*d) +
                " elements");
  return std::nullopt;
}

/// The scores at operand `index` of the product, and their use on the other.
static std::optional<std::variant<GateMatch, Miss>> matchScores(Operation *product,
                                                                unsigned index) {
  using Result = std::variant<GateMatch, Miss>;
  GateMatch m;
  Ops &inside = m.idiom.inside;
  Value scaled = product->getOperand(1 - index);
  Value score = matchActivation(product->getOperand(index), m.activation, inside);
  std::optional<Projection> up = matchProjection(score, inside);
  Value low = up ? matchSwish(up->input, inside) : Value();
  std::optional<Projection> down = low ? matchProjection(low, inside) : std::nullopt;
  if (!down)
    return std::nullopt;
  m.x = scaled;
  if (down->input != scaled) {
    Ops casts;
    m.x = skipCasts(scaled, &casts);
    if (skipCasts(down->input, &casts) != m.x)
      return Result(miss("what it scales is not what its scores are computed from"));
    inside.insert(casts.begin(), casts.end());
  }
  if (up->hasBias || down->hasBias)
    return Result(miss("one of its projections has a bias"));
  if (!up->isPlain || !down->isPlain)
    return Result(miss("one of its projections has a factor or a transposed operand"));
  m.wDown = down->weight;
  m.wUp = up->weight;
  if (hasNarrowerCast(inside, m.x))
    return Result(miss("it is computed in a narrower type than what it scales"));
  if (std::optional<Miss> why = checkSizes(m))
    return Result(*why);
  inside.insert(product);
  m.idiom.arguments = {m.x};
  m.idiom.captured = {m.wDown, m.wUp};
  m.idiom.results = {product->getResult(0)};
  if (StringRef why = checkIdiom(m.idiom, /*allowExtraResults=*/false); !why.empty())
    return Result(miss(why));
  return Result(std::move(m));
}

std::optional<std::variant<GateMatch, Miss>> basin::onnx::matchGate(Operation *op) {
  // A swish of scores is a step of a gate, not one.
  if (Ops swish; !isa<MulOp>(op) || matchSwish(op->getResult(0), swish))
    return std::nullopt;
  for (unsigned index : {0u, 1u})
    if (auto result = matchScores(op, index))
      return result;
  return std::nullopt;
}
