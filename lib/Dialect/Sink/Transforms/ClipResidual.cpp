//===- ClipResidual.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Clips a residual stream where it is read (StreamPlaces.h).
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"
#include "StreamPlaces.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_CLIPRESIDUALPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {

class ClipResidualPass : public basin::sink::impl::ClipResidualPassBase<ClipResidualPass> {
public:
  using ClipResidualPassBase::ClipResidualPassBase;
  void runOnOperation() override;

private:
  LogicalResult checkBound(Value value);
  Value clip(Value value, StringRef name, OpBuilder &b, sink::ParameterNames &names);
};

} // namespace

/// Checks that the value has a type that the bound is a positive finite number of.
LogicalResult ClipResidualPass::checkBound(Value value) {
  auto refuse = [&] {
    return emitError(value.getLoc()) << "residual stream '" << getStreamValueName(value) << "': ";
  };
  Type element = getTensorInfo(value).element;
  if (!element || !isScalable(element))
    return refuse() << "expected f16, bf16, f32 or f64 to clip it, but got " << value.getType();
  APFloat number(static_cast<double>(bound));
  bool losesInfo;
  number.convert(cast<FloatType>(element).getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  if (!number.isFinite() || number.isZero())
    return refuse() << "the bound " << double(bound) << " is no positive finite number of "
                    << element;
  return success();
}

/// Returns `value` limited by a Clip of the opset at hand.
Value ClipResidualPass::clip(Value value, StringRef name, OpBuilder &b,
                             sink::ParameterNames &names) {
  constexpr int64_t kFirstWithOperands = 11;
  Type element = getTensorInfo(value).element;
  NodeBuilder n(b, value.getLoc());
  Value clipped;
  if (n.getOpset() >= kFirstWithOperands) {
    clipped = n.node<ClipOp>({value, n.scalar(-bound, element), n.scalar(bound, element)});
  } else {
    auto makeAttr = [&](double number) { return b.getF32FloatAttr(static_cast<float>(number)); };
    clipped = n.node<ClipOp>(
        {value}, {b.getNamedAttr("min", makeAttr(-bound)), b.getNamedAttr("max", makeAttr(bound))});
  }
  clipped.setType(value.getType());
  setValueName(cast<OpResult>(clipped), names.make((name + ".clipped").str()));
  ++numClips;
  return clipped;
}

void ClipResidualPass::runOnOperation() {
  if (!(bound > 0) || std::isinf(bound)) {
    getOperation().emitError("option 'bound': expected a positive number, but got ") << bound;
    return signalPassFailure();
  }
  sink::StreamPlaces places(getOperation());
  if (!places.hasStreams())
    getOperation().emitWarning("no residual stream was found: nothing to clip");
  if (failed(places.check("clip", [&](Value value) { return checkBound(value); })))
    return signalPassFailure();
  sink::ParameterNames names(getOperation());
  places.replace(
      [&](Value value, StringRef name, OpBuilder &b) { return clip(value, name, b, names); });
}
