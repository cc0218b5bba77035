//===- ClipResidual.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Clips a residual stream where it is read. A member of the stream is read if something other than
// an addition to the stream, or an op that passes it on, uses it. So a sum of two branches that is
// added to the stream later is not clipped, nor is a branch. The read value is traced to the
// addition or the writer that it comes from, so that all of its uses see one Clip. A norm that adds
// a residual itself is taken apart, because the sum inside it is read there.
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Parts.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "llvm/ADT/SetVector.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_CLIPRESIDUALPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

using sink::NormInterface;

namespace {

/// The places of one module at which a Clip stands.
struct ClipPlaces {
  llvm::SetVector<Value> values;
  /// Norms whose sum is clipped before they normalize it.
  llvm::SetVector<Operation *> norms;
};

class ClipResidualPass : public basin::sink::impl::ClipResidualPassBase<ClipResidualPass> {
public:
  using ClipResidualPassBase::ClipResidualPassBase;
  void runOnOperation() override;

private:
  LogicalResult checkBound(Value value);
  LogicalResult checkNorm(NormInterface norm);
  Value clip(Value value, StringRef name, OpBuilder &b, sink::ParameterNames &names);
  void clipInside(NormInterface norm, sink::ParameterNames &names);
};

} // namespace

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

static bool isAddition(Operation *op) { return isa_and_nonnull<AddOp, SubOp, SumOp>(op); }

/// Returns the norm that adds the used value to another one, or null.
static NormInterface getAddingNorm(OpOperand &use) {
  constexpr unsigned kSummands = 2;
  return use.getOperandNumber() < kSummands ? sink::getResidualNorm(use.getOwner()) : nullptr;
}

/// Returns whether the use makes an output of a graph's input. Such an output has the input's name,
/// so it cannot be another value.
static bool isInputAsOutput(OpOperand &use) {
  auto input = dyn_cast<BlockArgument>(use.get());
  return input && isa<ReturnOp>(use.getOwner()) && use.getOwner()->getBlock() == input.getOwner();
}

/// Returns whether the use reads a member: neither its shape alone, nor to add or pass it on.
static bool isRead(OpOperand &use, const DenseSet<Value> &members) {
  Operation *op = use.getOwner();
  if (isa<ShapeOp, SizeOp>(op) || getAddingNorm(use) || isInputAsOutput(use))
    return false;
  bool isInside = op->getNumResults() > 0 && members.contains(op->getResult(0));
  return !isInside || !(isAddition(op) || getPassedThrough(op) == &use);
}

/// Returns the value after the last op that alone passes on the value of a writer.
static Value followWriter(Value value) {
  constexpr unsigned kMaxOps = 16;
  for (unsigned i = 0; i < kMaxOps; ++i) {
    OpOperand *only = nullptr;
    for (OpOperand &use : value.getUses()) {
      if (isa<ShapeOp, SizeOp>(use.getOwner()))
        continue;
      if (only)
        return value;
      only = &use;
    }
    Operation *op = only ? only->getOwner() : nullptr;
    if (!op || op->getBlock() != value.getParentBlock() || getPassedThrough(op) != only)
      return value;
    value = op->getResult(0);
  }
  return value;
}

/// Returns the place at which a member that is read is clipped, or null if it is a norm's result or
/// the sum inside a norm.
static Value findPlace(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    OpOperand *passed = getPassedThrough(op);
    if (!passed)
      break;
    value = passed->get();
  }
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<NormInterface>(op))
    return Value();
  return isAddition(op) ? value : followWriter(value);
}

static void addPlaces(const ResidualStream &stream, ClipPlaces &places) {
  DenseSet<Value> members(stream.values.begin(), stream.values.end());
  for (Value value : stream.values)
    for (OpOperand &use : value.getUses()) {
      if (NormInterface norm = getAddingNorm(use))
        places.norms.insert(norm);
      if (!isRead(use, members))
        continue;
      if (Value place = findPlace(value))
        places.values.insert(place);
    }
}

//===----------------------------------------------------------------------===//
// Clips
//===----------------------------------------------------------------------===//

/// Checks that the value has a type that the bound is a positive finite number of.
LogicalResult ClipResidualPass::checkBound(Value value) {
  auto refuse = [&] {
    return emitError(value.getLoc()) << "residual stream '" << getStreamValueName(value) << "': ";
  };
  if (!value.getParentRegion()->getParentOfType<GraphOp>())
    return refuse() << "it stands in a function; inline functions first";
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

/// Checks that the norm, which adds a residual, can be taken apart.
LogicalResult ClipResidualPass::checkNorm(NormInterface norm) {
  constexpr int64_t kFirstDecomposed = 13;
  OpBuilder b(norm);
  if (NodeBuilder(b, norm.getLoc()).getOpset() < kFirstDecomposed)
    return norm->emitError("norm '") << getStreamValueName(norm.getResult())
                                     << "': expected opset 13 or later to clip the sum inside it";
  return checkBound(norm.getX());
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

/// Returns a norm of `x` with the parts of `norm` except for its sum and the form.
static NormInterface makePlainNorm(NormInterface norm, Value x, OpBuilder &b) {
  sink::NormParts parts{.x = x,
                        .preAffine = norm.getPreAffine(),
                        .weight = norm.getWeight(),
                        .bias = norm.getBias(),
                        .epsilon = norm.getEpsilon().convertToDouble(),
                        .centres = norm.isCentring()};
  return sink::createNorm(b, norm.getLoc(), parts, norm.getResult().getType());
}

/// Takes apart a norm that adds a residual, and clips the sum before it is normalized.
void ClipResidualPass::clipInside(NormInterface norm, sink::ParameterNames &names) {
  OpBuilder b(norm);
  NodeBuilder n(b, norm.getLoc());
  std::string name = getStreamValueName(norm.getResult()).str();
  std::string sumName = norm.getSum() ? getStreamValueName(norm.getSum()).str() : name + ".sum";
  SmallVector<Value, 3> summands = norm.getSummands();
  Value sum = summands.front();
  for (Value more : llvm::drop_begin(summands))
    sum = n.node<AddOp>({sum, more});
  Value clipped = clip(sum, sumName, b, names);
  NormInterface plain = makePlainNorm(norm, clipped, b);
  // The old names may be those of the graph's outputs.
  setValueName(cast<OpResult>(plain.getResult()), name);
  norm.getResult().replaceAllUsesWith(plain.getResult());
  if (norm.getSum())
    norm.getSum().replaceAllUsesWith(clipped);
  norm->erase();
}

void ClipResidualPass::runOnOperation() {
  if (!(bound > 0) || std::isinf(bound)) {
    getOperation().emitError("option 'bound': expected a positive number, but got ") << bound;
    return signalPassFailure();
  }
  ClipPlaces places;
  SmallVector<ResidualStream> streams = findResidualStreams(getOperation());
  for (const ResidualStream &stream : streams)
    addPlaces(stream, places);
  if (streams.empty())
    getOperation().emitWarning("no residual stream was found: nothing to clip");
  for (Value value : places.values)
    if (failed(checkBound(value)))
      return signalPassFailure();
  for (Operation *norm : places.norms)
    if (failed(checkNorm(cast<NormInterface>(norm))))
      return signalPassFailure();
  sink::ParameterNames names(getOperation());
  for (Value value : places.values) {
    OpBuilder b(value.getContext());
    b.setInsertionPointAfterValue(value);
    Value clipped = clip(value, getStreamValueName(value), b, names);
    value.replaceUsesWithIf(clipped, [&](OpOperand &use) {
      return use.getOwner() != clipped.getDefiningOp() && !isInputAsOutput(use);
    });
  }
  for (Operation *norm : places.norms)
    clipInside(cast<NormInterface>(norm), names);
}
