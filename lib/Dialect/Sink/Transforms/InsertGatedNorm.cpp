//===- InsertGatedNorm.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GatedNorm multiplies a norm's result y by sigmoid(swish(y W_down) W_up). If W_up is zero, each
// gate is one half. So the norm gives 2 y at first, by its weight and bias if these are constants
// that can be doubled, and otherwise by a product. Without an activation the scores get a bias of
// ones instead, so that each gate is one.
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"
#include "WeightRoles.h"
#include "WeightScaling.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/IR/Form.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_INSERTGATEDNORMPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

using sink::NormInterface;
using sink::RoleUses;

namespace {

class InsertGatedNormPass : public basin::sink::impl::InsertGatedNormPassBase<InsertGatedNormPass> {
public:
  using InsertGatedNormPassBase::InsertGatedNormPassBase;
  void runOnOperation() override;

private:
  LogicalResult checkOptions();
};

/// Inserts gates of one kind.
class GateInserter {
public:
  GateInserter(ModuleOp module, int64_t rank, bool isTensorwise, sink::Activation activation,
               uint64_t seed)
      : names(module), weights(names, /*bound=*/0), generator(seed), rank(rank),
        isTensorwise(isTensorwise), activation(activation) {}

  /// Gives the norm's result a gate. Fails with a diagnostic if the data of a weight cannot be
  /// read.
  LogicalResult insert(NormInterface norm);
  unsigned getNumProducts() const { return numProducts; }

private:
  FailureOr<bool> doubleVectors(NormInterface norm);
  Value doubleResult(NormInterface norm, OpBuilder &b);

  sink::ParameterNames names;
  sink::WeightScaler weights;
  sink::WeightRoles roles;
  std::mt19937_64 generator;
  int64_t rank;
  bool isTensorwise;
  sink::Activation activation;
  unsigned numProducts = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

LogicalResult InsertGatedNormPass::checkOptions() {
  constexpr int64_t kMaxRank = 1 << 16;
  if (rank < 1 || rank > kMaxRank)
    return getOperation().emitError("option 'rank': expected an integer from 1 to ")
           << kMaxRank << ", but got " << int64_t(rank);
  if (granularity != "element" && granularity != "tensor")
    return getOperation().emitError("option 'granularity': expected 'element' or 'tensor', but "
                                    "got '")
           << granularity << "'";
  if (activation != "sigmoid" && activation != "identity")
    return getOperation().emitError("option 'activation': expected 'sigmoid' or 'identity', whose "
                                    "gates start exactly, but got '")
           << activation << "'";
  return success();
}

//===----------------------------------------------------------------------===//
// Twice the result
//===----------------------------------------------------------------------===//

/// Checks that the norm can have a gate.
static LogicalResult checkNorm(NormInterface norm, int64_t rank) {
  StringRef name = getStreamValueName(norm.getResult());
  auto type = dyn_cast<RankedTensorType>(norm.getResult().getType());
  std::optional<int64_t> dim = sink::getNormDim(norm);
  if (!dim || !type || type.getShape().back() != *dim)
    return norm->emitError("norm '")
           << name << "': expected a static last axis to insert a gate, but got "
           << norm.getX().getType();
  if (!isScalable(type.getElementType()))
    return norm->emitError("norm '")
           << name << "': expected f16, bf16, f32 or f64, but got " << type;
  constexpr int64_t kMostElements = 1 << 24;
  if (*dim > kMostElements / rank)
    return norm->emitError("norm '") << name << "': a gate_down of " << *dim << " times " << rank
                                     << " elements would have more than " << kMostElements;
  return sink::checkHasParameters(norm, "norm '" + name + "'");
}

/// Checks that twice the result of a norm that can have a gate cannot overflow.
static LogicalResult checkDoubled(NormInterface norm) {
  StringRef name = getStreamValueName(norm.getResult());
  auto type = cast<RankedTensorType>(norm.getResult().getType());
  // A normalized row of d elements has the norm sqrt(d), and so has each element at most.
  auto findLargest = [](Value vector) -> std::optional<double> {
    constexpr size_t kMaxElements = 1 << 24;
    auto elements = getConstantFloats(vector, kMaxElements);
    double largest = 0;
    for (double element : elements.value_or(SmallVector<double>()))
      largest = std::max(largest, std::abs(element));
    return elements ? std::optional(largest) : std::nullopt;
  };
  std::optional<double> weight = norm.getWeight() ? findLargest(norm.getWeight()) : 1.0,
                        bias = norm.getBias() ? findLargest(norm.getBias()) : 0.0;
  bool isKnown = weight && bias, isF16 = type.getElementType().isF16();
  // The other types have room for the results of any weight that a model has.
  if (!isKnown && !isF16)
    return success();
  if (!isKnown)
    return norm->emitError("norm '")
           << name
           << "': twice its result may overflow 'f16', because its weight "
              "or bias is no constant";
  double bound = std::sqrt(static_cast<double>(type.getShape().back())) * *weight + *bias;
  const auto &semantics = cast<FloatType>(type.getElementType()).getFloatSemantics();
  // Rounding adds little.
  if (!(2.01 * bound < APFloat::getLargest(semantics).convertToDouble()))
    return norm->emitError("norm '") << name << "': twice its result may overflow "
                                     << type.getElementType() << ": elements may reach " << bound;
  return success();
}

/// Doubles the norm's weight and bias, in its own uses of them. Returns whether that is possible
/// and gives exactly twice the result.
FailureOr<bool> GateInserter::doubleVectors(NormInterface norm) {
  // In f16 a result below the normal range would get more bits. Quantization inside may be
  // anything.
  auto type = cast<RankedTensorType>(norm.getResult().getType());
  sink::Form form(cast<sink::RaisedInterface>(norm.getOperation()));
  if (!norm.getWeight() || type.getElementType().isF16() || (form && form.rounds()))
    return false;
  struct Change {
    sink::WeightScale scale;
    RoleUses uses;
    bool isOwn;
  };
  SmallVector<Change, 2> changes;
  for (OpOperand &operand : norm->getOpOperands()) {
    Value vector = operand.get();
    bool isPart = vector == norm.getWeight() || (norm.getBias() && vector == norm.getBias());
    sink::NormPart part = sink::Form::getPart(operand);
    if (!isPart || (part != sink::NormPart::Weight && part != sink::NormPart::Bias))
      continue;
    std::optional<RoleUses> uses = isWeight(vector) ? roles.find(operand) : std::nullopt;
    if (!uses)
      return false;
    sink::WeightScale scale{vector, -1, {1}};
    FailureOr<bool> fits = weights.canTake(scale);
    if (failed(fits))
      return failure();
    bool isOwn = llvm::hasNItems(vector.getUses(), uses->size());
    if (!*fits || (!isOwn && !sink::WeightScaler::isCopyable(scale)))
      return false;
    changes.push_back({std::move(scale), std::move(*uses), isOwn});
  }
  for (Change &change : changes) {
    if (change.isOwn) {
      if (failed(weights.change(change.scale)))
        return failure();
      continue;
    }
    FailureOr<Value> copy = weights.copy(change.scale);
    if (failed(copy))
      return failure();
    for (OpOperand *use : change.uses)
      use->set(*copy);
  }
  return true;
}

//===----------------------------------------------------------------------===//
// The gate
//===----------------------------------------------------------------------===//

Value GateInserter::doubleResult(NormInterface norm, OpBuilder &b) {
  Value y = norm.getResult();
  NodeBuilder n(b, norm->getLoc());
  Value doubled =
      n.node<MulOp>({y, n.scalar(2, cast<RankedTensorType>(y.getType()).getElementType())});
  doubled.setType(y.getType());
  setValueName(cast<OpResult>(doubled), names.make((getStreamValueName(y) + ".doubled").str()));
  ++numProducts;
  return doubled;
}

LogicalResult GateInserter::insert(NormInterface norm) {
  bool startsAtOne = activation == sink::Activation::identity;
  FailureOr<bool> isDoubled = startsAtOne ? FailureOr<bool>(true) : doubleVectors(norm);
  if (failed(isDoubled))
    return failure();
  Value y = norm.getResult();
  auto type = cast<RankedTensorType>(y.getType());
  Type element = type.getElementType();
  int64_t dim = type.getShape().back(), width = isTensorwise ? 1 : dim;
  SmallVector<double> normal = sink::drawNormal(generator, dim * rank, dim);
  Value down = sink::makeNormParameter(norm, "gate_down",
                                       RankedTensorType::get({dim, rank}, element), normal, names);
  Value up = sink::makeNormParameter(norm, "gate_up", RankedTensorType::get({rank, width}, element),
                                     {0.0}, names);
  Value bias;
  if (startsAtOne)
    bias = sink::makeNormParameter(norm, "gate_bias", RankedTensorType::get({width}, element),
                                   {1.0}, names);
  OpBuilder b(norm->getContext());
  b.setInsertionPointAfter(norm);
  Value doubled = *isDoubled ? y : doubleResult(norm, b);
  auto gate = sink::GateOp::create(b, norm->getLoc(), y.getType(), doubled, down, up, Value(), bias,
                                   activation);
  setValueName(cast<OpResult>(gate.getResult()),
               names.make((getStreamValueName(y) + ".gated").str()));
  y.replaceUsesWithIf(gate.getResult(), [&](OpOperand &use) {
    return use.getOwner() != gate && use.getOwner() != doubled.getDefiningOp();
  });
  return success();
}

void InsertGatedNormPass::runOnOperation() {
  if (failed(checkOptions()))
    return signalPassFailure();
  FailureOr<SmallVector<NormInterface>> chosen =
      sink::chooseNorms(getOperation(), norms, "no gate was inserted");
  if (failed(chosen))
    return signalPassFailure();
  auto kind = sink::symbolizeActivation(activation).value();
  for (NormInterface norm : *chosen)
    if (failed(checkNorm(norm, rank)) ||
        (kind == sink::Activation::sigmoid && failed(checkDoubled(norm))))
      return signalPassFailure();
  GateInserter inserter(getOperation(), rank, granularity == "tensor", kind,
                        static_cast<uint64_t>(seed));
  for (NormInterface norm : *chosen) {
    if (failed(inserter.insert(norm)))
      return signalPassFailure();
    ++numInserted;
  }
  numProducts += inserter.getNumProducts();
}
