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

/// The logit of each head, and the value of each key head, [kv_heads, d], or none.
struct Conversion {
  SmallVector<float> logits, values;
};
using Fit = llvm::StringMap<Conversion>;

class CompressSinksPass : public basin::sink::impl::CompressSinksPassBase<CompressSinksPass> {
public:
  using CompressSinksPassBase::CompressSinksPassBase;
  void runOnOperation() override;

private:
  LogicalResult compress(sink::SinkRowsPlace &at, const Conversion &given,
                         sink::ParameterNames &names);
};

} // namespace

/// The end of the names of tensors with values.
static constexpr StringLiteral kValueSuffix = ".sink_value";

/// Reads the conversions of attentions, by their names.
static FailureOr<Fit> readFit(ModuleOp module, StringRef path) {
  FailureOr<sink::StoredTensors> tensors = sink::readTensorFile(module, path);
  if (failed(tensors))
    return failure();
  Fit fit;
  for (auto &[name, tensor] : *tensors) {
    int64_t rank = tensor.type.getRank();
    bool isValue = rank == 2 && name.ends_with(kValueSuffix);
    if (!tensor.type.getElementType().isF32() || (rank != 1 && !isValue))
      return module.emitError("option 'fit': expected one f32 logit for each head, but tensor '")
             << name << "' is " << tensor.type;
    Conversion &given = fit[isValue ? name.drop_back(kValueSuffix.size()) : StringRef(name)];
    SmallVector<float> &numbers = isValue ? given.values : given.logits;
    numbers.resize(tensor.type.getNumElements());
    std::memcpy(numbers.data(), tensor.bytes->data(), numbers.size() * sizeof(float));
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

/// Returns why these are no values of the attention.
static WhyNot checkValues(const sink::SinkRowsPlace &at, ArrayRef<float> values) {
  const sink::SinkPlace &place = at.place;
  int64_t count = place.kvHeads * *place.valueDim;
  if (static_cast<int64_t>(values.size()) != count)
    return llvm::formatv("expected {0} elements of values, but got {1}", count, values.size())
        .str();
  double largest = APFloat::getLargest(place.element.getFloatSemantics()).convertToDouble();
  for (auto [element, value] : llvm::enumerate(values))
    if (!(std::abs(value) <= largest))
      return llvm::formatv("element {0} of the values is {1}", element, value).str();
  if (!sink::canTakeValue(at))
    return "a value can only be added to a result without a gate, whose sizes of heads are known";
  return std::nullopt;
}

LogicalResult CompressSinksPass::compress(sink::SinkRowsPlace &at, const Conversion &given,
                                          sink::ParameterNames &names) {
  ArrayRef<float> logits = given.logits;
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
  if (!given.values.empty())
    sink::setSinkValue(at, SmallVector<double>(given.values.begin(), given.values.end()), names);
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
    getOperation().emitError("option 'fit': expected a file with a logit for each head, which "
                             "basin rewrite makes from 'data'");
    return signalPassFailure();
  }
  FailureOr<Fit> given = readFit(getOperation(), fit);
  if (failed(given))
    return signalPassFailure();
  // All attentions are examined before the first one is changed.
  SmallVector<std::pair<sink::SinkRowsPlace *, Conversion>> chosen;
  for (sink::SinkRowsPlace &at : *found) {
    std::string name = getStreamValueName(at.place.op.getResult()).str();
    auto conversion = given->find(name);
    if (conversion == given->end())
      continue;
    const Conversion &asked = conversion->second;
    WhyNot why = checkLogits(at, asked.logits);
    if (!why && !asked.values.empty())
      why = checkValues(at, asked.values);
    if (why) {
      at.place.op.emitError("option 'fit': attention '") << name << "': " << *why;
      return signalPassFailure();
    }
    chosen.emplace_back(&at, asked);
    given->erase(name);
  }
  if (!given->empty()) {
    getOperation().emitError("option 'fit': no attention with constant rows is called '")
        << given->begin()->getKey() << "'";
    return signalPassFailure();
  }
  sink::ParameterNames names(getOperation());
  for (auto &[at, conversion] : chosen)
    if (failed(compress(*at, conversion, names)))
      return signalPassFailure();
}
