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
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "llvm/Support/FormatVariadic.h"

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

/// Returns why the attention cannot have logits of that value.
static WhyNot checkLogits(const sink::SinkPlace &place, double init) {
  double largest = APFloat::getLargest(place.element.getFloatSemantics()).convertToDouble();
  if (std::abs(init) > largest)
    return llvm::formatv("a logit of {0:e6} is beyond the numbers of its type '{1}'", init,
                         Type(place.element))
        .str();
  if (sink::canWriteLogitIntoForm(place))
    return std::nullopt;
  return sink::checkDropsForm(place.op);
}

void InsertSinkLogitsPass::runOnOperation() {
  if (!std::isfinite(init)) {
    getOperation().emitError("option 'init': expected a finite number, but got ") << double(init);
    return signalPassFailure();
  }
  auto places = sink::findSinkPlaces(getOperation(), attentions, [&](const sink::SinkPlace &place) {
    return checkLogits(place, init);
  });
  if (failed(places))
    return signalPassFailure();
  sink::ParameterNames names(getOperation());
  for (sink::SinkPlace &place : *places) {
    numDropped += sink::setSinkLogit(place, {init}, names);
    ++numInserted;
  }
}
