//===- RescaleResidual.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Replaces x by x / 2^k and eps by eps / 2^2k, so that no norm's result changes.
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"
#include "StreamScaling.h"

#include "basin/Dialect/Sink/Transforms/Passes.h"

#include <cmath>

using namespace mlir;
using namespace basin;

namespace basin::sink {
#define GEN_PASS_DEF_RESCALERESIDUALPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {
class RescaleResidualPass : public basin::sink::impl::RescaleResidualPassBase<RescaleResidualPass> {
public:
  using RescaleResidualPassBase::RescaleResidualPassBase;
  void runOnOperation() override;

private:
  FailureOr<SmallVector<int>> chooseExponents(size_t numStreams);
};
} // namespace

/// Returns the exponent k for a stream whose values are at most `bound`. After the division they
/// are at most a quarter of f16's largest finite number. This leaves room for the sums between two
/// residual Adds and for other inputs.
static int exponentFor(double bound) {
  constexpr double kLargest = 65504.0 / 4;
  return bound <= kLargest ? 0 : static_cast<int>(std::ceil(std::log2(bound / kLargest)));
}

FailureOr<SmallVector<int>> RescaleResidualPass::chooseExponents(size_t numStreams) {
  ModuleOp module = getOperation();
  int exponent;
  if (k != "auto") {
    if (StringRef(k).getAsInteger(10, exponent) || std::abs(exponent) > 60)
      return module.emitError("expected 'auto' or an integer of at most 60 as k, but got '")
             << k << "'";
    return SmallVector<int>(numStreams, exponent);
  }
  if (stats.empty()) {
    if (!(bound > 0))
      return module.emitError("'auto' needs statistics or the stream's largest value "
                              "(stats= or bound=)");
    return SmallVector<int>(numStreams, exponentFor(bound));
  }
  auto statistics = sink::readResidualStatistics(stats);
  if (!statistics)
    return module.emitError(llvm::toString(statistics.takeError()));
  if (statistics->maxAbs.size() != numStreams)
    return module.emitError("the statistics describe ")
           << statistics->maxAbs.size() << " residual streams, but the model has " << numStreams;
  return llvm::map_to_vector(statistics->maxAbs, [](const std::vector<double> &maxima) {
    return exponentFor(*llvm::max_element(maxima));
  });
}

void RescaleResidualPass::runOnOperation() {
  SmallVector<ResidualStream> streams = findResidualStreams(getOperation());
  FailureOr<SmallVector<int>> exponents = chooseExponents(streams.size());
  if (failed(exponents))
    return signalPassFailure();
  if (streams.empty())
    getOperation().emitWarning("no residual stream was found: nothing to rescale");
  sink::ParameterNames names(getOperation());
  sink::StreamScaler scaler(getOperation(), names, inexact);
  for (auto [stream, exponent] : llvm::zip_equal(streams, *exponents))
    if (exponent != 0) {
      if (failed(scaler.plan(stream, {exponent}, /*intoEpsilon=*/true)))
        return signalPassFailure();
      ++numStreams;
    }
  if (failed(scaler.apply()))
    return signalPassFailure();
  numWeights += scaler.getNumWeights();
  numProducts += scaler.getNumProducts();
}
