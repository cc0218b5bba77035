//===- ReplaceSwigluWithGlu.cpp ---------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// SwiGLU feed-forwards compute (silu(g) * u) W, where g and u are projections of one value and
// silu(g) = g * sigmoid(g). Their GLU is (sigmoid(g) * u) W. The product of the three factors may
// be written in any order. It is anchored at the last Mul, whose operands are changed; the sigmoid
// is the exporter's own where there is one.
//
//===----------------------------------------------------------------------===//

#include "MatrixProducts.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_REPLACESWIGLUWITHGLUPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

/// The most ops that are followed between a product and a projection.
static constexpr unsigned kMaxSteps = 16;

namespace {

/// The factors g and sigmoid(g) of silu(g). The sigmoid is null if one operator computes it all.
struct Silu {
  Value source, sigmoid;
};

/// The factors of a SwiGLU: silu(source), and the other projection.
struct Swiglu {
  Silu silu;
  Value other;
};

class ReplaceSwigluWithGluPass
    : public basin::sink::impl::ReplaceSwigluWithGluPassBase<ReplaceSwigluWithGluPass> {
  void runOnOperation() override;
};

} // namespace

//===----------------------------------------------------------------------===//
// The product
//===----------------------------------------------------------------------===//

/// Returns whether `op` gives its first operand another float type at most.
static bool isCast(Operation *op) {
  if (isa_and_nonnull<IdentityOp>(op))
    return true;
  auto isReal = [](Value value) {
    Type element = getTensorInfo(value).element;
    return element && isScalable(element);
  };
  return isa_and_nonnull<CastOp>(op) && isReal(op->getOperand(0)) && isReal(op->getResult(0));
}

static Value skipCasts(Value value) {
  while (isCast(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

/// Returns the Sigmoid that gives `value`, if it is that of `source`, or of any value without one.
static SigmoidOp findSigmoid(Value value, Value source = {}) {
  auto sigmoid = skipCasts(value).getDefiningOp<SigmoidOp>();
  return sigmoid && (!source || skipCasts(sigmoid.getX()) == skipCasts(source)) ? sigmoid
                                                                                : SigmoidOp();
}

static std::optional<Silu> matchSilu(Value value) {
  Operation *op = skipCasts(value).getDefiningOp();
  // Swish and QuickGelu are x sigmoid(alpha x). The default of QuickGelu is not 1.
  if (auto swish = dyn_cast_or_null<SwishOp>(op))
    if (!swish.getAlpha() || swish.getAlpha()->isExactlyValue(1.0))
      return Silu{swish.getX(), Value()};
  if (auto gelu = dyn_cast_or_null<MSQuickGeluOp>(op))
    if (gelu.getAlpha() && gelu.getAlpha()->isExactlyValue(1.0))
      return Silu{gelu.getX(), Value()};
  if (isa_and_nonnull<MulOp>(op))
    for (unsigned i : {0u, 1u})
      if (SigmoidOp sigmoid = findSigmoid(op->getOperand(i), op->getOperand(1 - i)))
        return Silu{op->getOperand(1 - i), sigmoid->getResult(0)};
  return std::nullopt;
}

/// Matches silu(g) u, g (sigmoid(g) u) and sigmoid(g) (g u), where `left` is the first factor.
static std::optional<Swiglu> matchFactors(Value left, Value right) {
  if (std::optional<Silu> silu = matchSilu(left))
    return Swiglu{*silu, right};
  auto inner = skipCasts(right).getDefiningOp<MulOp>();
  if (!inner || !inner->hasOneUse())
    return std::nullopt;
  for (unsigned i : {0u, 1u}) {
    Value one = inner->getOperand(i), other = inner->getOperand(1 - i);
    if (SigmoidOp sigmoid = findSigmoid(one, left))
      return Swiglu{{left, sigmoid->getResult(0)}, other};
    if (SigmoidOp sigmoid = findSigmoid(left, one))
      return Swiglu{{one, sigmoid->getResult(0)}, other};
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Projections
//===----------------------------------------------------------------------===//

/// Returns whether the value is the result of a product with a constant matrix, or a part of it,
/// with a bias that is constant.
static bool isProjected(Value value) {
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    Operation *op = value.getDefiningOp();
    if (!op || op->getNumOperands() == 0)
      return false;
    if (sink::matchMatrixProduct(op))
      return true;
    if (isa<AddOp>(op)) {
      bool isFirst = isConstant(skipCasts(op->getOperand(1)));
      if (!isFirst && !isConstant(skipCasts(op->getOperand(0))))
        return false;
      value = op->getOperand(isFirst ? 0 : 1);
    } else if (isCast(op) ||
               isa<ReshapeOp, SqueezeOp, UnsqueezeOp, FlattenOp, SplitOp, SliceOp, GatherOp>(op)) {
      value = op->getOperand(0);
    } else {
      return false;
    }
  }
  return false;
}

/// Returns whether projections alone read the value, besides its shape.
static bool isProjectedOnly(Value value, unsigned depth = 0) {
  bool hasReader = false;
  for (OpOperand &use : value.getUses()) {
    Operation *op = use.getOwner();
    if (isa<ShapeOp, SizeOp>(op))
      continue;
    hasReader = true;
    if (use.getOperandNumber() != 0 || depth == kMaxSteps)
      return false;
    if (sink::matchMatrixProduct(op))
      continue;
    bool isStep = isCast(op) || isa<ReshapeOp, SqueezeOp, UnsqueezeOp, FlattenOp, DropoutOp>(op);
    if (!isStep || !isProjectedOnly(op->getResult(0), depth + 1))
      return false;
  }
  return hasReader;
}

/// Returns the factors of a feed-forward whose last product is `product`.
static std::optional<Swiglu> matchSwiglu(MulOp product) {
  for (unsigned i : {0u, 1u}) {
    std::optional<Swiglu> found = matchFactors(product->getOperand(i), product->getOperand(1 - i));
    // The square of one projection is no gated feed-forward.
    if (found && skipCasts(found->other) != skipCasts(found->silu.source) &&
        isProjected(found->silu.source) && isProjected(found->other) &&
        isProjectedOnly(product->getResult(0)))
      return found;
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// Erases the op of `value`, and those that it alone used, if nothing uses it any more.
static void eraseUnused(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !isa<MulOp, SwishOp, MSQuickGeluOp, CastOp, IdentityOp>(op) || !op->use_empty())
    return;
  SmallVector<Value> operands(op->getOperands());
  op->erase();
  llvm::for_each(operands, eraseUnused);
}

static void replace(MulOp product, const Swiglu &match) {
  OpBuilder b(product);
  NodeBuilder n(b, product.getLoc());
  Type element = getTensorInfo(product->getResult(0)).element;
  Value scores = match.silu.sigmoid;
  if (!scores)
    scores = n.node<SigmoidOp>({match.silu.source});
  SmallVector<Value> before(product->getOperands());
  product->setOperands({n.cast(scores, element), n.cast(match.other, element)});
  llvm::for_each(before, eraseUnused);
}

void ReplaceSwigluWithGluPass::runOnOperation() {
  SmallVector<std::pair<MulOp, Swiglu>> found;
  getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<sink::RaisedInterface>(op))
      return WalkResult::skip();
    if (auto product = dyn_cast<MulOp>(op))
      if (std::optional<Swiglu> match = matchSwiglu(product))
        found.emplace_back(product, *match);
    return WalkResult::advance();
  });
  if (found.empty())
    getOperation().emitWarning("no SwiGLU feed-forward was found: none was replaced");
  for (const auto &[product, match] : found) {
    replace(product, match);
    ++numReplaced;
  }
}
