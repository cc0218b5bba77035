//===- CompressSinks.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Logits take the place of constant rows of keys and values. If all heads of an attention are
// converted, the rows go. Otherwise the converted heads' rows become zeros: each has the score 0
// and adds 1 to the sum of exponentials, and the logit adds what is left of exp(logit).
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"
#include "SinkCompression.h"
#include "TensorFile.h"

#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace basin;

namespace basin::sink {
#define GEN_PASS_DEF_COMPRESSSINKSPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {

class CompressSinksPass : public basin::sink::impl::CompressSinksPassBase<CompressSinksPass> {
public:
  using CompressSinksPassBase::CompressSinksPassBase;
  void runOnOperation() override;

private:
  LogicalResult compress(sink::SinkRowsPlace &at, ArrayRef<float> logits,
                         sink::ParameterNames &names);
};

/// The logits of each attention, by the names of the file's tensors.
using Fit = llvm::StringMap<SmallVector<float>>;

} // namespace

static FailureOr<Fit> readFit(ModuleOp module, StringRef path) {
  FailureOr<sink::StoredTensors> tensors = sink::readTensorFile(module, path);
  if (failed(tensors))
    return failure();
  Fit fit;
  for (auto &[name, tensor] : *tensors) {
    if (!tensor.type.getElementType().isF32() || tensor.type.getRank() != 1)
      return module.emitError("option 'fit': expected one f32 logit for each head, but tensor '")
             << name << "' is " << tensor.type;
    SmallVector<float> &logits = fit[name];
    logits.resize(tensor.type.getNumElements());
    std::memcpy(logits.data(), tensor.bytes->data(), logits.size() * sizeof(float));
  }
  return fit;
}

/// Returns whether the attention loses its rows.
static bool isWhole(const sink::SinkRowsPlace &at, ArrayRef<float> logits) {
  return llvm::none_of(logits, [](float logit) { return std::isinf(logit); }) &&
         sink::canRemoveRows(at);
}

/// Returns why these are no logits of the attention.
static WhyNot checkLogits(const sink::SinkRowsPlace &at, ArrayRef<float> logits) {
  const sink::SinkPlace &place = at.place;
  if (static_cast<int64_t>(logits.size()) != place.heads)
    return llvm::formatv("expected {0} logits, but got {1}", place.heads, logits.size()).str();
  double largest = APFloat::getLargest(place.element.getFloatSemantics()).convertToDouble();
  int64_t perGroup = place.heads / place.kvHeads;
  for (auto [head, logit] : llvm::enumerate(logits)) {
    bool isKept = std::isinf(logit) && logit < 0;
    if (!isKept && !(std::abs(logit) <= largest))
      return llvm::formatv("the logit of head {0} is {1}", head, logit).str();
    float first = logits[head / perGroup * perGroup];
    if (isKept != (std::isinf(first) && first < 0))
      return llvm::formatv("heads {0} and {1} share keys, so both or none must have a logit",
                           head / perGroup * perGroup, head)
          .str();
  }
  if (isWhole(at, logits))
    return std::nullopt;
  double least = std::log(static_cast<double>(at.count));
  for (auto [head, logit] : llvm::enumerate(logits))
    if (!std::isinf(logit) && logit < least)
      return llvm::formatv("the logit of head {0} is {1}, but zeros in place of its rows add up to "
                           "a logit of {2}, and the rows are not removed",
                           head, logit, least)
          .str();
  return std::nullopt;
}

LogicalResult CompressSinksPass::compress(sink::SinkRowsPlace &at, ArrayRef<float> logits,
                                          sink::ParameterNames &names) {
  int64_t perGroup = at.place.heads / at.place.kvHeads;
  auto isConverted = [&](int64_t group) { return !std::isinf(logits[group * perGroup]); };
  int64_t converted = 0;
  for (int64_t group = 0; group < at.place.kvHeads; ++group)
    converted += isConverted(group);
  if (converted == 0)
    return success();
  numConverted += converted * perGroup;
  SmallVector<double> values(logits);
  if (isWhole(at, logits)) {
    sink::removeRows(at);
    ++numRemoved;
  } else {
    if (failed(sink::ownRows(at, isConverted, names)))
      return failure();
    double lowest = sink::getLowestLogit(at.place);
    // exp(logit) is the rows' count and what the logit adds.
    for (double &value : values)
      value =
          std::isinf(value)
              ? lowest
              : std::max(value + std::log1p(-std::min(1.0, at.count * std::exp(-value))), lowest);
  }
  sink::setSinkLogit(at.place, values, names);
  return success();
}

void CompressSinksPass::runOnOperation() {
  auto found = sink::findSinkRows(getOperation(), attentions);
  if (failed(found))
    return signalPassFailure();
  if (found->empty()) {
    getOperation().emitWarning("no attention has constant keys and values in front of its own that "
                               "a logit could replace: nothing was compressed");
    return;
  }
  if (fit.empty()) {
    getOperation().emitError("option 'fit': expected a file with a logit for each head");
    return signalPassFailure();
  }
  FailureOr<Fit> given = readFit(getOperation(), fit);
  if (failed(given))
    return signalPassFailure();
  // All attentions are examined before the first one is changed.
  SmallVector<std::pair<sink::SinkRowsPlace *, SmallVector<float>>> chosen;
  for (sink::SinkRowsPlace &at : *found) {
    std::string name = getStreamValueName(at.place.op.getResult()).str();
    auto logits = given->find(name);
    if (logits == given->end())
      continue;
    if (WhyNot why = checkLogits(at, logits->second)) {
      at.place.op.emitError("option 'fit': attention '") << name << "': " << *why;
      return signalPassFailure();
    }
    chosen.emplace_back(&at, logits->second);
    given->erase(name);
  }
  if (!given->empty()) {
    getOperation().emitError("option 'fit': no attention with constant rows is called '")
        << given->begin()->getKey() << "'";
    return signalPassFailure();
  }
  sink::ParameterNames names(getOperation());
  for (auto &[at, logits] : chosen)
    if (failed(compress(*at, logits, names)))
      return signalPassFailure();
}
