//===- StreamPlaces.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StreamPlaces.h"

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Parts.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

using sink::NormInterface;

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

/// Returns the place of a member that is read, or null if it is a norm's result or
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

sink::StreamPlaces::StreamPlaces(ModuleOp module, bool sumsOnly) {
  for (const ResidualStream &stream : findResidualStreams(module)) {
    foundStreams = true;
    DenseSet<Value> members(stream.values.begin(), stream.values.end());
    for (Value value : stream.values)
      for (OpOperand &use : value.getUses()) {
        if (NormInterface norm = getAddingNorm(use))
          norms.insert(norm);
        if (!isRead(use, members))
          continue;
        Value place = findPlace(value);
        if (place && (!sumsOnly || isAddition(place.getDefiningOp())))
          values.insert(place);
      }
  }
}

//===----------------------------------------------------------------------===//
// Changes
//===----------------------------------------------------------------------===//

LogicalResult sink::StreamPlaces::check(StringRef purpose,
                                        llvm::function_ref<LogicalResult(Value)> check) const {
  constexpr int64_t kFirstDecomposed = 13;
  auto checkPlace = [&](Value value) -> LogicalResult {
    if (!value.getParentRegion()->getParentOfType<GraphOp>())
      return emitError(value.getLoc()) << "residual stream '" << getStreamValueName(value)
                                       << "': it stands in a function; inline functions first";
    return check(value);
  };
  for (Value value : values)
    if (failed(checkPlace(value)))
      return failure();
  for (Operation *op : norms) {
    auto norm = cast<NormInterface>(op);
    OpBuilder b(norm);
    if (NodeBuilder(b, norm.getLoc()).getOpset() < kFirstDecomposed)
      return norm->emitError("norm '")
             << getStreamValueName(norm.getResult()) << "': expected opset 13 or later to "
             << purpose << " the sum inside it";
    if (failed(checkPlace(norm.getX())))
      return failure();
  }
  return success();
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

void sink::StreamPlaces::replaceInside(NormInterface norm, Change change) {
  OpBuilder b(norm);
  NodeBuilder n(b, norm.getLoc());
  std::string name = getStreamValueName(norm.getResult()).str();
  std::string sumName = norm.getSum() ? getStreamValueName(norm.getSum()).str() : name + ".sum";
  SmallVector<Value, 3> summands = norm.getSummands();
  Value sum = summands.front();
  for (Value more : llvm::drop_begin(summands))
    sum = n.node<AddOp>({sum, more});
  Value changed = change(sum, sumName, b);
  NormInterface plain = makePlainNorm(norm, changed, b);
  // The old names may be those of the graph's outputs.
  setValueName(cast<OpResult>(plain.getResult()), name);
  norm.getResult().replaceAllUsesWith(plain.getResult());
  if (norm.getSum())
    norm.getSum().replaceAllUsesWith(changed);
  norm->erase();
}

void sink::StreamPlaces::replace(Change change) {
  for (Value value : values) {
    OpBuilder b(value.getContext());
    b.setInsertionPointAfterValue(value);
    // The new nodes read the value as it is.
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : value.getUses())
      if (!isInputAsOutput(use))
        uses.push_back(&use);
    Value changed = change(value, getStreamValueName(value), b);
    for (OpOperand *use : uses)
      use->set(changed);
  }
  for (Operation *norm : norms)
    replaceInside(cast<NormInterface>(norm), change);
}
