//===- MultiplyWeights.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Multiplies weights by a factor for each position of an axis. All new data is made before the
// first weight changes, so that a group is scaled as a whole or not at all.
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"
#include "SmoothGroups.h"
#include "WeightScaling.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/ONNX/Utils/RealElements.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

/// The length of the longest vector that is copied.
static constexpr int64_t kMaxCopied = 1 << 20;

/// Returns the exponents of factors that are powers of two, or nothing if one is not.
static std::optional<SmallVector<int>> getExponents(ArrayRef<double> factors) {
  SmallVector<int> exponents;
  for (double factor : factors) {
    int exponent;
    if (std::frexp(factor, &exponent) != 0.5)
      return std::nullopt;
    exponents.push_back(exponent - 1);
  }
  return exponents;
}

/// Makes the data of a multiplied weight, or returns why it cannot be made.
static WhyNot makeProduct(Value weight, const FactorPart &part, bool rounds, TypedAttr &made) {
  StringRef name = getWeightName(weight);
  Attribute value = getWeightData(weight);
  RankedTensorType type = value ? getElementsType(value) : RankedTensorType();
  if (!type || isa<SparseAttr>(value) || !type.hasStaticShape() ||
      type.getElementType() != cast<TensorType>(weight.getType()).getElementType() ||
      !isScalable(type.getElementType()))
    return llvm::formatv("the data of weight '{0}' are no dense floats of its type", name).str();
  assert(type.getDimSize(part.axis) == static_cast<int64_t>(part.factors.size()));
  FailureOr<TensorBytes> data = getTensorBytes(value, weight.getDefiningOp());
  if (failed(data))
    return llvm::formatv("the data of weight '{0}' cannot be read", name).str();
  auto bytes = std::make_shared<std::vector<char>>(data->bytes.begin(), data->bytes.end());
  Type element = type.getElementType();
  std::optional<SmallVector<int>> exponents = getExponents(part.factors);
  if (exponents && !rounds) {
    if (auto loss = scaleByPowersOfTwo(*bytes, element, type.getShape(), part.axis, *exponents))
      return llvm::formatv("element {0} of weight '{1}' cannot take its factor exactly: it would "
                           "{2}",
                           loss->index, name,
                           loss->overflows ? "overflow" : "leave the normal range")
          .str();
  } else if (!multiplyElements(*bytes, element, type.getShape(), part.axis, part.factors)) {
    return llvm::formatv("an element of weight '{0}' times its factor is not finite", name).str();
  }
  made = makeElements(type, *bytes, bytes, name);
  return std::nullopt;
}

/// Returns whether the parts cover all uses of a weight, with the same factors.
static bool coverAll(Value weight, ArrayRef<const FactorPart *> parts) {
  DenseSet<OpOperand *> covered;
  for (const FactorPart *part : parts) {
    covered.insert(part->uses.begin(), part->uses.end());
    if (part->axis != parts.front()->axis || part->factors != parts.front()->factors)
      return false;
  }
  return covered.size() == static_cast<size_t>(std::distance(weight.use_begin(), weight.use_end()));
}

WhyNot basin::sink::multiplyWeights(ArrayRef<FactorPart> parts, bool rounds,
                                    ParameterNames &names) {
  llvm::MapVector<Value, SmallVector<const FactorPart *>> byWeight;
  for (const FactorPart &part : parts)
    byWeight[part.uses.front()->get()].push_back(&part);
  struct Change {
    Value weight;
    TypedAttr data;
    /// The part whose uses get a copy, or null if the weight itself changes.
    const FactorPart *copied;
  };
  SmallVector<Change> changes;
  for (auto &[weight, own] : byWeight) {
    bool isOwn = coverAll(weight, own);
    auto type = cast<RankedTensorType>(weight.getType());
    bool isVector = type.hasStaticShape() && type.getNumElements() == type.getShape().back() &&
                    type.getNumElements() <= kMaxCopied;
    if (!isOwn && (!isVector || !isWeight(weight)))
      return llvm::formatv("weight '{0}' has other readers, and a copy would be large",
                           getWeightName(weight))
          .str();
    for (const FactorPart *part : isOwn ? ArrayRef(own).take_front() : ArrayRef(own)) {
      Change change{weight, {}, isOwn ? nullptr : part};
      if (WhyNot why = makeProduct(weight, *part, rounds, change.data))
        return why;
      changes.push_back(change);
    }
  }
  for (const Change &change : changes) {
    if (!change.copied) {
      setWeightData(change.weight, change.data);
      continue;
    }
    std::string name = names.make((getValueName(change.weight) + ".scaled").str());
    Value copy = copyWeight(change.weight, change.data, name);
    for (OpOperand *use : change.copied->uses)
      use->set(copy);
  }
  return std::nullopt;
}
