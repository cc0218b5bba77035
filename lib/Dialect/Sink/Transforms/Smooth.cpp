//===- Smooth.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// SmoothQuant: (X / s) (s W) = X W. The factors are given by a file. The division goes into the
// weights that X is proportional to, or with `explicit` into a product. All groups are examined
// before the first one changes.
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"
#include "SmoothGroups.h"
#include "TensorFile.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/RealElements.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_SMOOTHPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

using sink::FactorPart;
using sink::SmoothGroup;

namespace {

using Fit = llvm::StringMap<SmallVector<double>>;

class SmoothPass : public basin::sink::impl::SmoothPassBase<SmoothPass> {
public:
  using SmoothPassBase::SmoothPassBase;
  void runOnOperation() override;

private:
  LogicalResult checkOptions();
  LogicalResult smooth(SmoothGroup &group, ArrayRef<double> factors, sink::ParameterNames &names);
};

} // namespace

LogicalResult SmoothPass::checkOptions() {
  if (factors != "power-of-two" && factors != "real")
    return getOperation().emitError(
               "option 'factors': expected 'power-of-two' or 'real', but got '")
           << factors << "'";
  if (fit.empty())
    return getOperation().emitError("option 'fit': expected a file with a factor for each "
                                    "channel, which basin rewrite makes from 'stats' or 'data'");
  return success();
}

/// Reads the factors of groups, by the names of their values.
static FailureOr<Fit> readFit(ModuleOp module, StringRef path) {
  FailureOr<sink::StoredTensors> tensors = sink::readTensorFile(module, path);
  if (failed(tensors))
    return failure();
  Fit fit;
  for (auto &[name, tensor] : *tensors) {
    if (!tensor.type.getElementType().isF32() || tensor.type.getRank() != 1)
      return module.emitError(
                 "option 'fit': expected one f32 factor for each channel, but tensor '")
             << name << "' is " << tensor.type;
    std::vector<double> numbers = readReals(*tensor.bytes, tensor.type.getElementType());
    fit[name].assign(numbers.begin(), numbers.end());
  }
  return fit;
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// Returns why these are no factors of the group.
static WhyNot checkFactors(const SmoothGroup &group, ArrayRef<double> factors, bool isReal) {
  if (static_cast<int64_t>(factors.size()) != group.channels)
    return llvm::formatv("expected {0} factors, but got {1}", group.channels, factors.size()).str();
  SmallVector<int64_t> ties = group.getTies();
  for (auto [channel, factor] : llvm::enumerate(factors)) {
    int exponent;
    if (!(factor > 0) || !std::isfinite(factor))
      return llvm::formatv("expected a positive number as the factor of channel {0}, but got {1}",
                           channel, factor)
          .str();
    if (!isReal && std::frexp(factor, &exponent) != 0.5)
      return llvm::formatv("expected a power of two as the factor of channel {0}, but got {1}; "
                           "factors=real takes other numbers",
                           channel, factor)
          .str();
    if (factor != factors[ties[channel]])
      return llvm::formatv("channels {0} and {1} are one column of values, so their factors must "
                           "be equal, but they are {2} and {3}",
                           ties[channel], channel, factors[ties[channel]], factor)
          .str();
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Rewrite
//===----------------------------------------------------------------------===//

/// Returns the matrices of the group's products with the factors of their rows.
static SmallVector<FactorPart> makeProductParts(const SmoothGroup &group,
                                                ArrayRef<double> factors) {
  SmallVector<FactorPart> parts;
  for (const sink::SmoothProduct &product : group.products)
    parts.push_back({product.matrix.uses, product.matrix.axis, SmallVector<double>(factors)});
  return parts;
}

/// Returns the weights that the group's value is proportional to with the inverse factors.
static SmallVector<FactorPart> makeOriginParts(const SmoothGroup &group, ArrayRef<double> factors) {
  SmallVector<FactorPart> parts;
  for (const sink::WeightPart &part : group.origin.parts) {
    TensorInfo info = getTensorInfo(part.getWeight());
    SmallVector<double> inverse(info[part.axis].size, 1.0);
    for (auto [channel, position] : llvm::enumerate(part.positions))
      inverse[position] = 1 / factors[channel];
    parts.push_back({part.uses, part.axis, std::move(inverse)});
  }
  return parts;
}

/// Multiplies what the products read by the inverse factors. Returns how many products by a vector
/// that takes.
static unsigned insertProducts(SmoothGroup &group, ArrayRef<double> factors,
                               sink::ParameterNames &names) {
  DenseMap<Value, Value> smoothed;
  for (sink::SmoothProduct &product : group.products) {
    Value input = product.input->get();
    Value &made = smoothed[input];
    if (!made) {
      OpBuilder b(input.getContext());
      b.setInsertionPointAfterValue(input);
      NodeBuilder n(b, input.getLoc());
      SmallVector<double> inverse = llvm::map_to_vector(factors, [](double s) { return 1 / s; });
      auto type = RankedTensorType::get({group.channels}, getTensorInfo(input).element);
      auto bytes =
          std::make_shared<std::vector<char>>(group.channels * type.getElementTypeBitWidth() / 8);
      writeReals(inverse, type.getElementType(), *bytes);
      NamedAttribute attr = b.getNamedAttr("value", makeElements(type, *bytes, bytes, "factors"));
      Value vector = ConstantOp::create(b, input.getLoc(), type, ValueRange(), attr)->getResult(0);
      made = n.node<MulOp>({input, vector});
      made.setType(input.getType());
      setValueName(cast<OpResult>(made),
                   names.make((getStreamValueName(input) + ".smoothed").str()));
    }
    product.input->set(made);
  }
  return smoothed.size();
}

LogicalResult SmoothPass::smooth(SmoothGroup &group, ArrayRef<double> given,
                                 sink::ParameterNames &names) {
  if (llvm::all_of(given, [](double s) { return s == 1; }))
    return success();
  SmallVector<FactorPart> parts = makeProductParts(group, given);
  bool isFolded = !group.whyNotFolded;
  if (isFolded)
    llvm::append_range(parts, makeOriginParts(group, given));
  if (WhyNot why = sink::multiplyWeights(parts, factors == "real", names)) {
    emitRemark(group.value.getLoc(), "'") << group.names.front() << "' is left as it is: " << *why;
    return success();
  }
  if (isFolded)
    ++numFolded;
  else
    numProducts += insertProducts(group, given, names);
  return success();
}

void SmoothPass::runOnOperation() {
  auto pattern = sink::parsePattern(getOperation(), "groups", groups, "all");
  if (failed(checkOptions()) || failed(pattern))
    return signalPassFailure();
  FailureOr<Fit> given = readFit(getOperation(), fit);
  if (failed(given))
    return signalPassFailure();
  SmallVector<SmoothGroup, 0> found = sink::findSmoothGroups(getOperation(), *pattern);
  SmallVector<std::pair<SmoothGroup *, SmallVector<double>>, 0> chosen;
  for (SmoothGroup &group : found) {
    auto entry = given->find(group.names.front());
    if (entry == given->end())
      continue;
    WhyNot why = group.whyNot;
    if (!why && !isExplicit)
      why = group.whyNotFolded;
    if (!why)
      why = checkFactors(group, entry->second, factors == "real");
    if (why) {
      emitError(group.value.getLoc(), "option 'fit': '") << entry->getKey() << "': " << *why;
      return signalPassFailure();
    }
    chosen.emplace_back(&group, entry->second);
    given->erase(entry);
  }
  for (auto &entry : *given)
    if (pattern->match(entry.getKey())) {
      getOperation().emitError("option 'fit': no product with a stored matrix reads a value that "
                               "is called '")
          << entry.getKey() << "'";
      return signalPassFailure();
    }
  sink::ParameterNames names(getOperation());
  for (auto &[group, numbers] : chosen)
    if (failed(smooth(*group, numbers, names)))
      return signalPassFailure();
}
