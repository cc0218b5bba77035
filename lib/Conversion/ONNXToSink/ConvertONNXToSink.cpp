//===- ConvertONNXToSink.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pass: anchors are collected graph by graph, subgraphs and functions like
// the main graph, then matched in order: fused operators, norms and what stands
// in their place, self-gates, rotations, attention, whose operands the others
// bound, and last the gates of attention, which extend what is raised.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

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
};

} // namespace

void ConvertONNXToSinkPass::reportMiss(Operation *anchor, StringRef what, const Miss &miss) {
  anchor->setAttr(sink::kMissAttr, StringAttr::get(&getContext(), miss.reason));
  if (explain)
    anchor->emitRemark() << what << " '" << getNodeName(anchor) << "' not raised: " << miss.reason;
}

void ConvertONNXToSinkPass::raiseNorm(Operation *anchor, OpBuilder &b) {
  auto result = matchNorm(anchor);
  if (!result)
    return;
  if (auto *why = std::get_if<Miss>(&*result))
    return reportMiss(anchor, "norm", *why);
  NormMatch &m = std::get<NormMatch>(*result);
  if (m.epsilonOp)
    sink::Form::mark(m.epsilonOp, sink::Slot::epsilon);
  if (m.preAffineOp)
    sink::Form::mark(m.preAffineOp, sink::Slot::pre_affine);
  ++numNorms;
  raise(m.idiom, b, [&](Location loc, TypeRange types) -> Operation * {
    return sink::createNorm(b, loc, m.parts, types[0]);
  });
}

void ConvertONNXToSinkPass::raiseDyT(Operation *anchor, OpBuilder &b) {
  auto result = matchDyT(anchor);
  if (!result)
    return;
  if (auto *why = std::get_if<Miss>(&*result))
    return reportMiss(anchor, "dynamic tanh", *why);
  DyTMatch &m = std::get<DyTMatch>(*result);
  ++numDyT;
  raise(m.idiom, b, [&](Location loc, TypeRange types) {
    return sink::DyTOp::create(b, loc, types[0], m.x, m.alpha, m.gamma, m.beta);
  });
}

void ConvertONNXToSinkPass::raiseGate(Operation *anchor, OpBuilder &b) {
  auto result = matchGate(anchor);
  if (!result)
    return;
  if (auto *why = std::get_if<Miss>(&*result))
    return reportMiss(anchor, "gate", *why);
  GateMatch &m = std::get<GateMatch>(*result);
  ++numGates;
  raise(m.idiom, b, [&](Location loc, TypeRange types) {
    return sink::GateOp::create(b, loc, types[0], m.x, m.wDown, m.wUp, m.activation);
  });
}

void ConvertONNXToSinkPass::raiseRotary(Operation *anchor, OpBuilder &b) {
  auto result = matchRotary(anchor);
  if (!result)
    return;
  if (auto *why = std::get_if<Miss>(&*result))
    return reportMiss(anchor, "rotary embedding", *why);
  RotaryMatch &m = std::get<RotaryMatch>(*result);
  ++numRotary;
  raise(m.idiom, b, [&](Location loc, TypeRange types) {
    return sink::RotaryOp::create(b, loc, types[0], m.x, m.cos, m.sin, Value(), m.interleaved,
                                  m.halfTables, m.layout, IntegerAttr(),
                                  b.getI64IntegerAttr(m.dim));
  });
}

void ConvertONNXToSinkPass::raiseAttention(Operation *anchor, OpBuilder &b) {
  auto result = matchAttention(anchor);
  if (!result)
    return;
  if (auto *why = std::get_if<Miss>(&*result))
    return reportMiss(anchor, "attention", *why);
  AttentionMatch &m = std::get<AttentionMatch>(*result);
  if (!m.rowsMiss.empty())
    reportMiss(anchor, "learned rows of attention", {m.rowsMiss});
  ++numAttention;
  raise(m.idiom, b, [&](Location loc, TypeRange types) {
    return sink::AttentionOp::create(b, loc, types, m.parts);
  });
}

void ConvertONNXToSinkPass::raiseAttentionGates() {
  SmallVector<sink::AttentionOp> ops;
  getOperation().walk([&](sink::AttentionOp op) { ops.push_back(op); });
  for (sink::AttentionOp op : ops) {
    auto result = matchAttentionGate(op);
    if (!result)
      continue;
    if (auto *why = std::get_if<Miss>(&*result))
      reportMiss(why->op, "gate of attention", *why);
    else
      raiseAttentionGate(op, std::get<AttentionGate>(*result));
  }
}

void ConvertONNXToSinkPass::raiseFused(Operation *op, OpBuilder &b) {
  std::optional<FusedMatch> match = raiseFusedOp(op, b);
  if (!match)
    match = explainUntypedOp(op);
  if (!match)
    return;
  if (!match->raised)
    return reportMiss(op, match->kind, match->miss);
  numNorms += isa<sink::NormInterface>(match->raised);
  numRotary += isa<sink::RotaryOp>(match->raised);
  numAttention += isa<sink::AttentionOp>(match->raised);
}

void ConvertONNXToSinkPass::runOnOperation() {
  SmallVector<Operation *> fused, norms, tanhs, products, rotations, softmaxes;
  getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<sink::RaisedInterface>(op))
      return WalkResult::skip();
    if (isa<ReduceMeanOp>(op))
      norms.push_back(op);
    else if (isa<TanhOp>(op))
      tanhs.push_back(op);
    else if (isa<MulOp>(op))
      products.push_back(op);
    else if (isa<ConcatOp>(op))
      rotations.push_back(op);
    else if (isa<SoftmaxOp>(op))
      softmaxes.push_back(op);
    else if (std::optional<Miss> why = explainOpenSoftmax(op))
      reportMiss(op, "attention", *why);
    else if (isa<NodeInterface>(op))
      fused.push_back(op);
    return WalkResult::advance();
  });
  OpBuilder b(&getContext());
  for (Operation *op : fused)
    raiseFused(op, b);
  for (Operation *op : norms)
    raiseNorm(op, b);
  auto isFree = [](Operation *op) { return !isa<sink::RaisedInterface>(op->getParentOp()); };
  for (Operation *op : llvm::make_filter_range(tanhs, isFree))
    raiseDyT(op, b);
  for (Operation *op : llvm::make_filter_range(products, isFree))
    raiseGate(op, b);
  for (Operation *op : rotations)
    raiseRotary(op, b);
  for (Operation *op : softmaxes)
    raiseAttention(op, b);
  raiseAttentionGates();
}
