//===- AttentionGate.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gated attention: the output of attention times a sigmoid, one score a head or
// one an element, before the output's projection.
//
//   y = attention(q, k, v); y' = [merge heads] [transpose] y * sigmoid(.)
//
// Anchored at an attention that is raised already, decomposed or one operator:
// the steps to the product move into its form, and its result is the gated one.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::Layout;

/// A sigmoid, in whatever shape and type.
static bool isSigmoid(Value value) {
  for (unsigned depth = 0; depth < 8; ++depth) {
    Operation *op = value.getDefiningOp();
    if (isa_and_nonnull<SigmoidOp>(op))
      return true;
    if (!op || !(isFloatCast(op) ||
                 isa<ReshapeOp, UnsqueezeOp, SqueezeOp, FlattenOp, TransposeOp, ExpandOp>(op)))
      return false;
    value = op->getOperand(0);
  }
  return false;
}

/// [batch, sequence, heads, d] to [batch, sequence, heads * d].
static bool mergesHeads(ReshapeOp reshape) {
  TensorInfo from = getTensorInfo(reshape.getData()), to = getTensorInfo(reshape->getResult(0));
  if (!from.hasRank() || !to.hasRank() || from.rank() != 4 || to.rank() != 3)
    return false;
  std::optional<int64_t> heads = getDim(reshape.getData(), 2), d = getDim(reshape.getData(), 3);
  return heads && d && getDim(reshape->getResult(0), 2) == *heads * *d &&
         (from[0].provablyEquals(to[0]) || from[1].provablyEquals(to[1]));
}

/// The layout after a Transpose or Reshape of a tensor in `layout`.
static std::optional<Layout> stepLayout(Operation *op, Layout layout) {
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    if (!transpose.getPerm() || *transpose.getPerm() != ArrayRef<int64_t>{0, 2, 1, 3})
      return std::nullopt;
    if (layout == Layout::bhsd)
      return Layout::bshd;
    return layout == Layout::bshd ? std::optional(Layout::bhsd) : std::nullopt;
  }
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return layout == Layout::bshd && mergesHeads(reshape) ? std::optional(Layout::bsd)
                                                          : std::nullopt;
  return std::nullopt;
}

/// Whether a product with `gate` has the shape of `result` for certain.
static bool isBroadcastTo(Value gate, Value result) {
  TensorInfo g = getTensorInfo(gate), r = getTensorInfo(result);
  if (!g.hasRank() || !r.hasRank() || g.rank() > r.rank())
    return false;
  for (int64_t i = 1; i <= g.rank(); ++i) {
    const Dim &have = g[g.rank() - i], &want = r[r.rank() - i];
    if (!have.is(1) && !have.provablyEquals(want))
      return false;
  }
  return true;
}

/// The op is moved to the product: nothing may read its other results before.
static bool isUsedBefore(sink::AttentionOp op, Operation *product) {
  Block *block = op->getBlock();
  for (Value result : op->getResults())
    for (Operation *user : result.getUsers()) {
      Operation *ancestor = block->findAncestorOpInBlock(*user);
      if (result != op.getResult() && (!ancestor || ancestor->isBeforeInBlock(product)))
        return true;
    }
  return false;
}

std::optional<std::variant<AttentionGate, Miss>>
basin::onnx::matchAttentionGate(sink::AttentionOp op) {
  using Result = std::variant<AttentionGate, Miss>;
  if (op.getForm().empty() || op.getGate())
    return std::nullopt;
  AttentionGate m;
  m.layout = op.getResultLayout();
  if (m.layout == Layout::hsd || m.layout == Layout::packed)
    return std::nullopt;
  // One user at a time; a product met beside others is a near miss.
  for (Value cur = op.getResult();;) {
    auto isGating = [&](Operation *user) {
      Value other = isa<MulOp>(user) ? otherOperand(user, cur) : Value();
      return other && other != cur && isSigmoid(other) && user->getBlock() == op->getBlock();
    };
    auto user = llvm::find_if(cur.getUsers(), isGating);
    if (user != cur.user_end()) {
      m.product = *user;
      m.gate = otherOperand(*user, cur);
      if (!cur.hasOneUse())
        return Result(Miss{"the result is used beside its gate", m.product});
      if (!isBroadcastTo(m.gate, cur))
        return Result(Miss{"the gate is not proven to be broadcast to the result", m.product});
      if (isUsedBefore(op, m.product))
        return Result(Miss{"another result is used before the gate", m.product});
      return Result(std::move(m));
    }
    Operation *next = getOnlyUser(cur);
    std::optional<Layout> layout =
        next && next->getBlock() == op->getBlock() ? stepLayout(next, m.layout) : std::nullopt;
    if (!layout)
      return std::nullopt;
    m.layout = *layout;
    m.steps.push_back(next);
    cur = next->getResult(0);
  }
}

void basin::onnx::raiseAttentionGate(sink::AttentionOp op, AttentionGate &m) {
  Block &form = op.getForm().front();
  Operation *yield = form.getTerminator();
  m.product->setAttr(sink::kRoleAttr, StringAttr::get(op.getContext(), "gate"));
  op->moveBefore(m.product);
  SmallVector<Operation *> inner(m.steps);
  inner.push_back(m.product);
  for (Operation *step : inner)
    step->moveBefore(yield);
  op.getResult().replaceAllUsesWith(yield->getOperand(0));
  Value gated = m.product->getResult(0);
  op.getResult().setType(gated.getType());
  gated.replaceAllUsesWith(op.getResult());
  yield->setOperand(0, gated);
  op.getGateMutable().assign(m.gate);
  op.setResultLayout(m.layout);
}
