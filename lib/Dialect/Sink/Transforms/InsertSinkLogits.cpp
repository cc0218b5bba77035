//===- InsertSinkLogits.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gives each attention one learnable logit for each head, as in gpt-oss: a summand exp(logit) of
// the softmax's denominator. All attentions are examined before the first one is changed.
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"
#include "SinkParameters.h"

#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include <cmath>

using namespace mlir;
using namespace basin;

namespace basin::sink {
#define GEN_PASS_DEF_INSERTSINKLOGITSPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {
class InsertSinkLogitsPass
    : public basin::sink::impl::InsertSinkLogitsPassBase<InsertSinkLogitsPass> {
public:
  using InsertSinkLogitsPassBase::InsertSinkLogitsPassBase;
  void runOnOperation() override;
};
} // namespace

/// Returns what is known of the attention. Fails with a diagnostic if it cannot have logits of
/// that value.
static FailureOr<sink::SinkPlace> examine(sink::AttentionOp op, double init) {
  FailureOr<sink::SinkPlace> place = sink::findSinkPlace(op);
  if (failed(place))
    return failure();
  std::string what = ("attention '" + getStreamValueName(op.getResult()) + "'").str();
  double largest = APFloat::getLargest(place->element.getFloatSemantics()).convertToDouble();
  if (std::abs(init) > largest)
    return op.emitError(what) << ": a logit of " << init << " is beyond the numbers of its type "
                              << place->element;
  if (sink::canWriteLogitIntoForm(*place))
    return place;
  if (WhyNot why = sink::checkDropsForm(op))
    return op.emitError(what) << ": " << *why;
  return place;
}

void InsertSinkLogitsPass::runOnOperation() {
  if (!std::isfinite(init)) {
    getOperation().emitError("option 'init': expected a finite number, but got ") << double(init);
    return signalPassFailure();
  }
  FailureOr<SmallVector<sink::AttentionOp>> chosen =
      sink::chooseAttentionsWithoutSink(getOperation(), attentions);
  if (failed(chosen))
    return signalPassFailure();
  SmallVector<sink::SinkPlace> places;
  for (sink::AttentionOp op : *chosen) {
    FailureOr<sink::SinkPlace> place = examine(op, init);
    if (failed(place))
      return signalPassFailure();
    places.push_back(*place);
  }
  sink::ParameterNames names(getOperation());
  for (sink::SinkPlace &place : places) {
    Value logit = sink::makeSinkParameter(place, "sink_logit", {place.heads}, {init}, names);
    if (!sink::writeLogitIntoForm(place, logit)) {
      place.op = sink::dropForm(place.op);
      ++numDropped;
    }
    place.op.getSinkLogitMutable().assign(logit);
    ++numInserted;
  }
}
