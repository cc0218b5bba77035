//===- FormScores.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   raw = scale * q k^T, capped;  masked = raw + mask;  p = softmax(masked)
//
// The form's only Softmax has the masked scores and the probabilities. From its operand the search
// goes up through summands, selections and bounds to the raw scores, and from these through the
// scale and the cap to the product, where nothing else may stand.
//
// Values are refused unless they are f32 of [batch, heads, queries, keys]. Axes are proven by their
// sizes, so no two of the first three may be equal. Learned sinks have columns among the scores,
// and other types round, so these attentions are computed once more.
//
//===----------------------------------------------------------------------===//

#include "FormScores.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

namespace {
/// The values of a form, before they are results.
struct Found {
  Value raw, masked, probabilities;
};
} // namespace

/// Returns the form's only Softmax, or null.
static SoftmaxOp findSoftmax(sink::AttentionOp op) {
  SoftmaxOp found;
  for (Region &region : op->getRegions())
    for (SoftmaxOp softmax : region.getOps<SoftmaxOp>()) {
      if (found)
        return {};
      found = softmax;
    }
  return found;
}

static bool isProduct(Operation *op) { return isa<MatMulOp, EinsumOp, MSFusedMatMulOp>(op); }

/// How many ops there may be between the Softmax and the product.
static constexpr unsigned kMostSteps = 16;

/// Returns whether a product of the form is among the ops that compute `value` element by element.
static bool comesFromProduct(Value value, unsigned steps = kMostSteps) {
  Operation *def = value.getDefiningOp();
  if (!def || steps == 0 || !def->getParentOfType<sink::AttentionOp>())
    return false;
  if (isProduct(def))
    return true;
  return isa<AddOp, MulOp, DivOp, TanhOp, WhereOp, MaxOp, IdentityOp, CastOp>(def) &&
         llvm::any_of(def->getOperands(),
                      [&](Value operand) { return comesFromProduct(operand, steps - 1); });
}

/// Returns the only operand of `op` that comes from a product, or null if there are none or
/// several.
static Value findScoreOperand(Operation *op) {
  Value found;
  for (Value operand : op->getOperands())
    if (comesFromProduct(operand)) {
      if (found)
        return {};
      found = operand;
    }
  return found;
}

/// Returns whether nothing but a scale and a cap is between the product and `value`.
static bool isScaledProduct(Value value) {
  for (unsigned i = 0; i < kMostSteps && value; ++i) {
    Operation *def = value.getDefiningOp();
    if (isProduct(def))
      return true;
    if (!isa<MulOp, DivOp, TanhOp, IdentityOp>(def))
      return false;
    value = findScoreOperand(def);
  }
  return false;
}

/// Returns the scores before masks, biases and bounds, or null if they are not understood.
static Value findRawScores(Value masked) {
  Value value = comesFromProduct(masked) ? masked : Value();
  for (unsigned i = 0; i < kMostSteps && value; ++i) {
    Operation *def = value.getDefiningOp();
    if (!isa<AddOp, WhereOp, MaxOp, IdentityOp>(def))
      return isScaledProduct(value) ? value : Value();
    value = findScoreOperand(def);
  }
  return {};
}

/// Returns the probabilities: the Softmax's result, or that with zeros in place of NaN if the
/// attention has such rows.
static Value findProbabilities(sink::AttentionOp op, SoftmaxOp softmax) {
  if (!op.getZeroHiddenRows())
    return softmax.getResult();
  for (Operation *user : softmax.getResult().getUsers()) {
    auto where = dyn_cast<WhereOp>(user);
    auto isNaN = where ? where->getOperand(0).getDefiningOp<IsNaNOp>() : IsNaNOp();
    if (isNaN && isNaN->getOperand(0) == softmax.getResult() &&
        where->getOperand(2) == softmax.getResult())
      return where.getResult();
  }
  return {};
}

/// Returns the query's sizes of batch and sequence, or nothing if the layout joins batch and heads.
static std::optional<std::array<Dim, 2>> getQueryDims(sink::AttentionOp op) {
  TensorInfo query = getTensorInfo(op.getQuery());
  auto at = [&](int64_t rank, int64_t batch, int64_t sequence) {
    return query.hasRank() && query.rank() == rank
               ? std::optional(std::array<Dim, 2>{query[batch], query[sequence]})
               : std::nullopt;
  };
  switch (op.getQueryLayout()) {
  case Layout::bhsd:
    return at(4, 0, 2);
  case Layout::bshd:
    return at(4, 0, 1);
  case Layout::bhds:
    return at(4, 0, 3);
  case Layout::sbhd:
    return at(4, 1, 0);
  case Layout::bsd:
    return at(3, 0, 1);
  case Layout::hsd:
  case Layout::hds:
  case Layout::packed:
    return std::nullopt;
  }
  llvm_unreachable("a layout of no kind");
}

/// Returns whether the leading axes of `value` are those of batch, heads and queries, and the type
/// is f32. No two of the sizes may be equal, unless they are one, because they tell the axes apart.
static bool isOfScores(Value value, ArrayRef<Dim> leading) {
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank() || info.rank() != 4 || !info.element || !info.element.isF32())
    return false;
  for (unsigned i = 0; i < 3; ++i) {
    if (!info[i].provablyEquals(leading[i]))
      return false;
    for (unsigned k = 0; k < i; ++k)
      if (leading[i].provablyEquals(leading[k]) && !leading[i].is(1))
        return false;
  }
  return true;
}

static std::optional<Found> findScores(sink::AttentionOp op) {
  SoftmaxOp softmax = findSoftmax(op);
  std::optional<std::array<Dim, 2>> query = getQueryDims(op);
  if (!softmax || !query || !op.getNumHeads() || op.getSinkLogit() || op.getSinkKey())
    return std::nullopt;
  // Before opset 13 a Softmax without an axis takes several axes as one.
  std::optional<int64_t> axis = softmax.getAxis();
  if (axis ? *axis != -1 && *axis != 3 : getOpsetVersion(softmax) < 13)
    return std::nullopt;
  Found found;
  found.masked = softmax->getOperand(0);
  found.raw = findRawScores(found.masked);
  found.probabilities = findProbabilities(op, softmax);
  const Dim leading[] = {(*query)[0], Dim(*op.getNumHeads()), (*query)[1]};
  for (Value value : {found.raw, found.masked, found.probabilities})
    if (!value || !isOfScores(value, leading))
      return std::nullopt;
  return found;
}

void basin::sink::exposeScores(sink::AttentionOp &op, GivenScores &given) {
  std::optional<Found> found = findScores(op);
  if (!found)
    return;
  const Value inner[] = {found->raw, found->masked, found->probabilities};
  OpBuilder b(op);
  SmallVector<Type> types(op->getResultTypes());
  for (Value value : inner)
    types.push_back(value.getType());
  auto wider = sink::AttentionOp::create(b, op.getLoc(), types, AttentionParts(op));
  wider->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  wider.getFormRegion().takeBody(op.getFormRegion());
  Operation *yield = wider.getFormRegion().front().getTerminator();
  yield->insertOperands(yield->getNumOperands(), inner);
  unsigned numOld = op->getNumResults();
  op->replaceAllUsesWith(wider->getResults().take_front(numOld));
  op->erase();
  op = wider;
  given.scores = wider->getResult(numOld);
  given.masked = wider->getResult(numOld + 1);
  given.probabilities = wider->getResult(numOld + 2);
}
