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

#include "basin/Dialect/ONNX/IR/QuoteName.h"
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
  LogicalResult checkOptions();
  FailureOr<SmallVector<int>> chooseExponents(size_t numStreams);

  /// The value of `k`, or nothing for 'auto'.
  std::optional<int> exponent;
};
} // namespace

/// Returns the exponent k for a stream whose values are at most `bound`. After the division they
/// are at most a quarter of f16's largest finite number. This leaves room for the sums between two
/// residual Adds and for other inputs.
static int exponentFor(double bound) {
  constexpr double kLargest = 65504.0 / 4;
  return bound <= kLargest ? 0 : static_cast<int>(std::ceil(std::log2(bound / kLargest)));
}

LogicalResult RescaleResidualPass::checkOptions() {
  ModuleOp module = getOperation();
  exponent.reset();
  int number;
  if (k != "auto") {
    if (StringRef(k).getAsInteger(10, number) || number < -60 || number > 60)
      return module.emitError("option 'k': expected 'auto' or an integer from -60 to 60, but got ")
             << onnx::quoteName(k);
    exponent = number;
  }
  if (!(bound >= 0) || std::isinf(bound))
    return module.emitError("option 'bound': expected a positive number, but got ") << bound;
  unsigned sources = !stats.empty() + (bound > 0);
  if (exponent && sources)
    return module.emitError("options 'stats' and 'bound' choose k: expected k=auto beside them, "
                            "but got k=")
           << *exponent;
  if (!exponent && sources != 1)
    return module.emitError("option 'k': 'auto' takes one of the options 'stats' and 'bound', "
                            "but got ")
           << (sources ? "both" : "neither");
  return sink::checkInexact(module, inexact);
}

FailureOr<SmallVector<int>> RescaleResidualPass::chooseExponents(size_t numStreams) {
  ModuleOp module = getOperation();
  if (exponent)
    return SmallVector<int>(numStreams, *exponent);
  if (stats.empty())
    return SmallVector<int>(numStreams, exponentFor(bound));
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
  if (failed(checkOptions()))
    return signalPassFailure();
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
