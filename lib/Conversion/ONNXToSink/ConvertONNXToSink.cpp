//===- ConvertONNXToSink.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pass collects anchors graph by graph, in subgraphs and functions as in the main graph. Then
// it matches them in this order: fused operators, norms, the dynamic tanhs that stand in place of
// norms, self-gates, rotary embeddings, attention, and last the gates of attention. Attention
// comes after the ops that bound its operands. The gates come last because they extend what is
// already raised. Pairs of QuantizeLinear and DequantizeLinear are out of the graph meanwhile.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"
#include "QuantizedPairs.h"

#include "basin/Conversion/ONNXToSink/OtherNorms.h"
#include "basin/Conversion/ONNXToSink/Passes.h"
#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin {
#define GEN_PASS_DEF_CONVERTONNXTOSINKPASS
#include "basin/Conversion/ONNXToSink/Passes.h.inc"
} // namespace basin

namespace {

class ConvertONNXToSinkPass : public basin::impl::ConvertONNXToSinkPassBase<ConvertONNXToSinkPass> {
public:
  using ConvertONNXToSinkPassBase::ConvertONNXToSinkPassBase;
  void runOnOperation() override;

private:
  void raiseFused(Operation *op, OpBuilder &b);
  void raiseNorm(Operation *anchor, OpBuilder &b);
  void raiseDyT(Operation *anchor, OpBuilder &b);
  void raiseGate(Operation *anchor, OpBuilder &b);
  void raiseRotary(Operation *anchor, OpBuilder &b);
  void raiseAttention(Operation *anchor, OpBuilder &b);
  void raiseAttentionGates();
  void reportMiss(Operation *anchor, StringRef what, const Miss &miss);
  void checkMasks();
  void explainOtherNorms();
  template <typename Match>
  Match *accept(MatchResult<Match> &result, Operation *anchor, StringRef what);
};

} // namespace

void ConvertONNXToSinkPass::reportMiss(Operation *anchor, StringRef what, const Miss &miss) {
  Operation *op = miss.op ? miss.op : anchor;
  std::string reason = miss.describe();
  op->setAttr(sink::kMissAttr, StringAttr::get(&getContext(), reason));
  if (explain)
    op->emitRemark() << what << " '" << getNodeName(op) << "' not raised: " << reason;
}

/// Returns the match, or null if there is none. A miss is reported.
template <typename Match>
Match *ConvertONNXToSinkPass::accept(MatchResult<Match> &result, Operation *anchor,
                                     StringRef what) {
  if (const Miss *miss = result.getMiss())
    reportMiss(anchor, what, *miss);
  return result.getMatch();
}

void ConvertONNXToSinkPass::raiseNorm(Operation *anchor, OpBuilder &b) {
  auto result = matchNorm(anchor);
  NormMatch *m = accept(result, anchor, "norm");
  if (!m)
    return;
  if (m->epsilonOp)
    sink::Form::mark(m->epsilonOp, sink::Slot::epsilon);
  if (m->preAffineOp)
    sink::Form::mark(m->preAffineOp, sink::Slot::pre_affine);
  ++numNorms;
  raise(m->idiom, b, [&](Location loc, TypeRange types) -> Operation * {
    return sink::createNorm(b, loc, m->parts, types[0]);
  });
}

void ConvertONNXToSinkPass::raiseDyT(Operation *anchor, OpBuilder &b) {
  auto result = matchDyT(anchor);
  DyTMatch *m = accept(result, anchor, isa<ErfOp>(anchor) ? "dynamic erf" : "dynamic tanh");
  if (!m)
    return;
  ++numDyT;
  raise(m->idiom, b, [&](Location loc, TypeRange types) {
    return sink::DyTOp::create(b, loc, types[0], m->x, m->alpha, m->gamma, m->beta, m->shift,
                               m->squash);
  });
}

void ConvertONNXToSinkPass::raiseGate(Operation *anchor, OpBuilder &b) {
  auto result = matchGate(anchor);
  GateMatch *m = accept(result, anchor, "gate");
  if (!m)
    return;
  ++numGates;
  raise(m->idiom, b, [&](Location loc, TypeRange types) {
    return sink::GateOp::create(b, loc, types[0], m->x, m->wDown, m->wUp, m->biasDown, m->biasUp,
                                m->activation);
  });
}

void ConvertONNXToSinkPass::raiseRotary(Operation *anchor, OpBuilder &b) {
  auto result = matchRotary(anchor);
  RotaryMatch *m = accept(result, anchor, "rotary embedding");
  if (!m)
    return;
  ++numRotary;
  raise(m->idiom, b, [&](Location loc, TypeRange types) {
    return sink::RotaryOp::create(b, loc, types[0], m->x, m->cos, m->sin, Value(), m->interleaved,
                                  m->halfTables, m->layout, IntegerAttr(),
                                  b.getI64IntegerAttr(m->dim), m->inverse, m->deinterleaves,
                                  m->offset ? b.getI64IntegerAttr(m->offset) : IntegerAttr());
  });
}

void ConvertONNXToSinkPass::raiseAttention(Operation *anchor, OpBuilder &b) {
  auto result = matchAttention(anchor);
  AttentionMatch *m = accept(result, anchor, "attention");
  if (!m)
    return;
  if (m->rowsMiss)
    reportMiss(anchor, "learned rows of attention", *m->rowsMiss);
  ++numAttention;
  raise(m->idiom, b, [&](Location loc, TypeRange types) {
    makeOperands(*m, b);
    return sink::AttentionOp::create(b, loc, types, m->parts);
  });
}

void ConvertONNXToSinkPass::raiseAttentionGates() {
  SmallVector<sink::AttentionOp> ops;
  getOperation().walk([&](sink::AttentionOp op) { ops.push_back(op); });
  for (sink::AttentionOp op : ops) {
    auto result = matchAttentionGate(op);
    if (AttentionGate *gate = accept(result, op, "gate of attention"))
      raiseAttentionGate(op, *gate);
  }
}

void ConvertONNXToSinkPass::raiseFused(Operation *op, OpBuilder &b) {
  StringRef kind = getFusedKind(cast<NodeInterface>(op));
  if (kind.empty())
    return;
  auto result = raiseFusedOp(op, b);
  Operation **raised = accept(result, op, kind);
  if (!raised)
    return;
  numNorms += isa<sink::NormInterface>(*raised);
  numRotary += isa<sink::RotaryOp>(*raised);
  numAttention += isa<sink::AttentionOp>(*raised);
}

/// Remarks on the norms that no sink op is.
void ConvertONNXToSinkPass::explainOtherNorms() {
  for (const OtherNorm &norm : findOtherNorms(getOperation())) {
    InFlightDiagnostic remark = norm.anchor->emitRemark() << "norm '" << getNodeName(norm.anchor)
                                                          << "' stays as it is: " << norm.kind;
    if (norm.axes)
      remark << " over axes [" << *norm.axes << "]";
    if (norm.groups)
      remark << " in " << *norm.groups << " groups";
  }
}

/// Takes back what a mask was said to hide, if it is not certain to hide it with the rounding of
/// its values.
void ConvertONNXToSinkPass::checkMasks() {
  getOperation().walk([&](sink::AttentionOp op) {
    if (!op.getCausalInMask() && !op.getWindowInMask())
      return;
    bool isAdditive = op.getMaskKind() == sink::MaskKind::additive;
    if ((!op.getMask() || (isAdditive ? keepsHidden(op.getMask()) : isExact(op.getMask()))) &&
        (!op.getBias() || keepsHidden(op.getBias())))
      return;
    if (op.getCausalInMask())
      op.setCausal(false);
    if (op.getWindowInMask()) {
      op.removeWindowAttr();
      op.removeRightWindowAttr();
    }
    op.setCausalInMask(false);
    op.setWindowInMask(false);
    reportMiss(op, "causality or window of attention", Miss(MissReason::AttentionMaskRounded));
  });
}

void ConvertONNXToSinkPass::runOnOperation() {
  QuantizedPairs pairs(getOperation());
  SmallVector<Operation *> fused, norms, squashes, products, rotations, softmaxes;
  getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<sink::RaisedInterface>(op))
      return WalkResult::skip();
    if (isa<ReduceMeanOp>(op))
      norms.push_back(op);
    else if (isa<TanhOp, ErfOp>(op))
      squashes.push_back(op);
    else if (isa<MulOp>(op))
      products.push_back(op);
    else if (isa<ConcatOp>(op))
      rotations.push_back(op);
    else if (isa<NodeInterface>(op) && !isa<SoftmaxOp, DivOp>(op))
      fused.push_back(op);
    if (isa<SoftmaxOp, DivOp, MulOp>(op))
      softmaxes.push_back(op);
    return WalkResult::advance();
  });
  OpBuilder b(&getContext());
  for (Operation *op : fused)
    raiseFused(op, b);
  for (Operation *op : norms)
    raiseNorm(op, b);
  auto isFree = [](Operation *op) { return !isa<sink::RaisedInterface>(op->getParentOp()); };
  for (Operation *op : llvm::make_filter_range(squashes, isFree))
    raiseDyT(op, b);
  for (Operation *op : llvm::make_filter_range(products, isFree))
    raiseGate(op, b);
  for (Operation *op : rotations)
    raiseRotary(op, b);
  for (Operation *op : llvm::make_filter_range(softmaxes, isFree))
    raiseAttention(op, b);
  raiseAttentionGates();
  bool rounds = !pairs.isEmpty();
  pairs.restore();
  if (rounds)
    checkMasks();
  if (explain)
    explainOtherNorms();
}
