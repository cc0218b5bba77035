//===- ReplaceNormWithDyT.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Replaces norms by gamma f(alpha x + shift) + beta, where f is tanh (DyT) or erf (Derf). What a
// norm does besides normalizing stays: sums with a residual, the pre-affine vector, weight and
// bias. Both functions are pointwise, so that no outlier rescales other elements any more.
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Form.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_REPLACENORMWITHDYTPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

using sink::NormInterface;

namespace {
class ReplaceNormWithDyTPass
    : public basin::sink::impl::ReplaceNormWithDyTPassBase<ReplaceNormWithDyTPass> {
public:
  using ReplaceNormWithDyTPassBase::ReplaceNormWithDyTPassBase;
  void runOnOperation() override;

private:
  LogicalResult checkOptions();
  LogicalResult checkNorm(NormInterface norm);
  void replace(NormInterface norm, sink::ParameterNames &names);
};
} // namespace

LogicalResult ReplaceNormWithDyTPass::checkOptions() {
  if (!(alpha > 0) || std::isinf(alpha))
    return getOperation().emitError("option 'alpha': expected a positive number, but got ")
           << alpha;
  if (function != "tanh" && function != "erf")
    return getOperation().emitError("option 'function': expected 'tanh' or 'erf', but got '")
           << function << "'";
  return success();
}

/// Checks that the norm can be replaced.
LogicalResult ReplaceNormWithDyTPass::checkNorm(NormInterface norm) {
  constexpr int64_t kFirstDecomposed = 13;
  StringRef name = getStreamValueName(norm.getResult());
  auto refuse = [&] { return norm->emitError("norm '") << name << "': "; };
  TensorInfo x = getTensorInfo(norm.getX());
  if (!sink::getNormDim(norm))
    return refuse() << "expected a static last axis to replace it, but got "
                    << norm.getX().getType();
  if (!isScalable(x.element))
    return refuse() << "expected f16, bf16, f32 or f64, but got " << norm.getX().getType();
  if (sink::Form(cast<sink::RaisedInterface>(norm.getOperation())).rounds())
    return refuse() << "quantization stands between its steps, which a dynamic tanh has not";
  if (failed(sink::checkHasParameters(norm, "norm '" + name + "'")))
    return failure();
  OpBuilder b(norm);
  if (NodeBuilder(b, norm.getLoc()).getOpset() < kFirstDecomposed)
    return refuse() << "expected opset 13 or later to replace it";
  APFloat number(static_cast<double>(alpha));
  bool losesInfo;
  number.convert(cast<FloatType>(x.element).getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  if (!number.isFinite() || number.isZero())
    return refuse() << "alpha " << double(alpha) << " is no positive finite number of "
                    << x.element;
  return success();
}

/// Returns the norm's weight as a vector of `dim` elements. A weight of one element is repeated,
/// and without a weight there is a new parameter of ones.
static Value getGamma(NormInterface norm, RankedTensorType type, NodeBuilder &n,
                      sink::ParameterNames &names) {
  Value weight = norm.getWeight();
  if (!weight)
    return sink::makeNormParameter(norm, "gamma", type, {1.0}, names);
  auto own = dyn_cast<RankedTensorType>(weight.getType());
  int64_t dim = type.getShape().back();
  if (own && own.hasStaticShape() && own.getNumElements() == 1 && own.getRank() <= 1 && dim != 1)
    return n.expand(weight, n.constant({dim}));
  return weight;
}

void ReplaceNormWithDyTPass::replace(NormInterface norm, sink::ParameterNames &names) {
  OpBuilder b(norm);
  NodeBuilder n(b, norm.getLoc());
  Type element = getTensorInfo(norm.getX()).element;
  auto vector = RankedTensorType::get({*sink::getNormDim(norm)}, element);
  auto number = RankedTensorType::get({1}, element);
  SmallVector<Value, 3> summands = norm.getSummands();
  Value x = summands.front();
  for (Value more : llvm::drop_begin(summands))
    x = n.node<AddOp>({x, more});
  if (norm.getSum()) {
    setValueName(cast<OpResult>(x), getStreamValueName(norm.getSum()));
    norm.getSum().replaceAllUsesWith(x);
  }
  if (norm.getPreAffine())
    x = n.node<MulOp>({x, n.cast(norm.getPreAffine(), element)});
  Value gamma = getGamma(norm, vector, n, names), beta = norm.getBias(), shift;
  Value factor = sink::makeNormParameter(norm, "alpha", number, {alpha}, names);
  bool isErf = function == "erf";
  if (isErf)
    shift = sink::makeNormParameter(norm, "shift", number, {0.0}, names);
  if (!beta)
    beta = sink::makeNormParameter(norm, "beta", vector, {0.0}, names);
  auto dyt = sink::DyTOp::create(b, norm.getLoc(), norm.getResult().getType(), x, factor, gamma,
                                 beta, shift, isErf ? sink::Squash::erf : sink::Squash::tanh);
  setValueName(cast<OpResult>(dyt.getResult()), getStreamValueName(norm.getResult()));
  norm.getResult().replaceAllUsesWith(dyt.getResult());
  norm->erase();
}

void ReplaceNormWithDyTPass::runOnOperation() {
  if (failed(checkOptions()))
    return signalPassFailure();
  FailureOr<SmallVector<NormInterface>> chosen =
      sink::chooseNorms(getOperation(), norms, "none was replaced");
  if (failed(chosen) ||
      llvm::any_of(*chosen, [this](NormInterface norm) { return failed(checkNorm(norm)); }))
    return signalPassFailure();
  sink::ParameterNames names(getOperation());
  for (NormInterface norm : *chosen) {
    replace(norm, names);
    ++numReplaced;
  }
}
