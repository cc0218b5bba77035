//===- AttentionGate.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Recognizes gated attention. The output of attention is multiplied by a sigmoid, before the
// output's projection. The gate has one score for each head, or one for each element.
//
//   y = attention(q, k, v); y' = [merge heads] [transpose] [reshape] y * sigmoid(.)
//
// The match begins at an attention that was raised already, from many ops or from one. The steps
// up to the product move into its form, and the gated value becomes its result.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::Layout;

/// Returns whether a value is a sigmoid, seen through casts, changes of its shape and a factor that
/// is one number: twice a sigmoid is 1 before training.
static bool isSigmoid(Value value) {
  for (unsigned depth = 0; depth < 8; ++depth) {
    Operation *op = value.getDefiningOp();
    if (isa_and_nonnull<SigmoidOp>(op))
      return true;
    if (auto mul = dyn_cast_or_null<MulOp>(op)) {
      bool isFirst = !getConstantScalar(mul.getA());
      if (isFirst && !getConstantScalar(mul.getB()))
        return false;
      value = isFirst ? mul.getA() : mul.getB();
      continue;
    }
    if (!op || !(isFloatCast(op) ||
                 isa<ReshapeOp, UnsqueezeOp, SqueezeOp, FlattenOp, TransposeOp, ExpandOp>(op)))
      return false;
    value = op->getOperand(0);
  }
  return false;
}

/// Returns whether a reshape is from [batch, sequence, heads, d] to [batch, sequence, heads * d].
static bool mergesHeads(ReshapeOp reshape) {
  TensorInfo from = getTensorInfo(reshape.getData()), to = getTensorInfo(reshape->getResult(0));
  if (!from.hasRank() || !to.hasRank() || from.rank() != 4 || to.rank() != 3)
    return false;
  std::optional<int64_t> heads = getDim(reshape.getData(), 2), d = getDim(reshape.getData(), 3);
  return heads && d && getDim(reshape->getResult(0), 2) == *heads * *d &&
         (from[0].provablyEquals(to[0]) || from[1].provablyEquals(to[1]));
}

/// Returns whether a reshape is proven to keep the shape. If all axes but one are the same, so is
/// that one, because the number of elements is.
static bool keepsShape(ReshapeOp reshape) {
  TensorInfo from = getTensorInfo(reshape.getData()), to = getTensorInfo(reshape->getResult(0));
  if (!from.hasRank() || !to.hasRank() || from.rank() != to.rank())
    return false;
  unsigned unproven = 0;
  for (int64_t i = 0; i < from.rank(); ++i)
    unproven += !from[i].provablyEquals(to[i]);
  return unproven <= 1;
}

/// Returns the layout after a Transpose or Reshape of a tensor in `layout`, or nothing if it is
/// no layout that attention has.
static std::optional<Layout> stepLayout(Operation *op, Layout layout) {
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    if (!transpose.getPerm() || *transpose.getPerm() != ArrayRef<int64_t>{0, 2, 1, 3})
      return std::nullopt;
    if (layout == Layout::bhsd)
      return Layout::bshd;
    return layout == Layout::bshd ? std::optional(Layout::bhsd) : std::nullopt;
  }
  auto reshape = dyn_cast<ReshapeOp>(op);
  if (reshape && keepsShape(reshape))
    return layout;
  if (reshape && layout == Layout::bshd && mergesHeads(reshape))
    return Layout::bsd;
  return std::nullopt;
}

/// Returns whether a product with `gate` is proven to have the shape of `result`.
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

/// Returns the only user that does more than read the shape, or null if there are several.
static Operation *getOnlyReader(Value value) {
  Operation *reader = nullptr;
  for (Operation *user : value.getUsers()) {
    if (isa<ShapeOp>(user))
      continue;
    if (reader && reader != user)
      return nullptr;
    reader = user;
  }
  return reader;
}

/// Checks that the op can be moved to the product, together with the steps between them. Returns
/// why not, or nothing.
static std::optional<Miss> checkUses(sink::AttentionOp op, AttentionGate &m) {
  SmallVector<Value> values = llvm::to_vector_of<Value>(op->getResults());
  for (Operation *step : m.inside)
    if (step != m.product)
      values.push_back(step->getResult(0));
  for (Value value : values)
    absorbServants(value, m.inside);
  // A gate of the scores would be an operand of the op that computes them.
  if (m.inside.contains(m.gate.getDefiningOp()))
    return Miss(MissReason::AttentionGateOtherResult).at(m.product);
  Block *block = op->getBlock();
  for (Operation *inner : m.inside)
    if (inner != m.product)
      for (Operation *user : inner->getUsers())
        if (!m.inside.contains(user))
          return Miss(MissReason::AttentionGateResultUsed).at(m.product);
  for (Value result : op->getResults())
    for (Operation *user : result.getUsers()) {
      if (m.inside.contains(user))
        continue;
      if (result == op.getResult())
        return Miss(MissReason::AttentionGateResultUsed).at(m.product);
      Operation *ancestor = block->findAncestorOpInBlock(*user);
      if (!ancestor || ancestor->isBeforeInBlock(m.product))
        return Miss(MissReason::AttentionGateOtherResult).at(m.product);
    }
  return std::nullopt;
}

MatchResult<AttentionGate> basin::onnx::matchAttentionGate(sink::AttentionOp op) {
  if (op.getForm().empty() || op.getGate())
    return Unrelated();
  AttentionGate m;
  m.layout = op.getResultLayout();
  if (m.layout == Layout::hsd || m.layout == Layout::packed)
    return Unrelated();
  for (Value cur = op.getResult();;) {
    auto isGating = [&](Operation *user) {
      Value other = isa<MulOp>(user) ? otherOperand(user, cur) : Value();
      return other && other != cur && isSigmoid(other) && user->getBlock() == op->getBlock();
    };
    // From here on the gate is meant. If it does not fit, that is a miss with a reason.
    if (auto user = llvm::find_if(cur.getUsers(), isGating); user != cur.user_end()) {
      m.product = *user;
      m.gate = otherOperand(*user, cur);
      m.inside.insert(m.product);
      if (!isBroadcastTo(m.gate, cur))
        return Miss(MissReason::AttentionGateShape).at(m.product);
      if (std::optional<Miss> why = checkUses(op, m))
        return *why;
      return m;
    }
    Operation *next = getOnlyReader(cur);
    std::optional<Layout> layout =
        next && next->getBlock() == op->getBlock() ? stepLayout(next, m.layout) : std::nullopt;
    if (!layout)
      return Unrelated();
    m.layout = *layout;
    m.inside.insert(next);
    cur = next->getResult(0);
  }
}

void basin::onnx::raiseAttentionGate(sink::AttentionOp op, AttentionGate &m) {
  sink::Form::mark(m.product, sink::Slot::gate);
  SmallVector<Operation *> sorted = llvm::to_vector(m.inside);
  llvm::sort(sorted, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  sink::Form(op).append(sorted, m.product->getResult(0));
  op.getGateMutable().assign(m.gate);
  op.setResultLayout(m.layout);
}
