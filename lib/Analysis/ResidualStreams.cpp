//===- ResidualStreams.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Analysis/ResidualStreams.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

StringRef basin::toString(StreamWriter::Kind kind) {
  switch (kind) {
  case StreamWriter::Embedding:
    return "embedding";
  case StreamWriter::Projection:
    return "projection";
  case StreamWriter::Norm:
    return "norm";
  case StreamWriter::Constant:
    return "constant";
  case StreamWriter::Other:
    return "other";
  }
  llvm_unreachable("a writer of no kind");
}

StringRef basin::toString(StreamReader::Kind kind) {
  switch (kind) {
  case StreamReader::Norm:
    return "norm";
  case StreamReader::Shape:
    return "shape";
  case StreamReader::Output:
    return "output";
  case StreamReader::Other:
    return "other";
  }
  llvm_unreachable("a reader of no kind");
}

StringRef basin::getStreamValueName(Value value) {
  auto result = dyn_cast<OpResult>(value);
  if (!result)
    return getValueName(value);
  auto raised = dyn_cast<sink::RaisedInterface>(result.getOwner());
  if (raised && !raised.getFormRegion().empty())
    return getStreamValueName(
        raised.getFormRegion().front().getTerminator()->getOperand(result.getResultNumber()));
  return getValueName(value);
}

namespace {

/// A weight as a Gather, a MatMul or an Add takes it.
bool isWeight(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isa<InitializerOp, ConstantOp>(op);
}

std::optional<int64_t> lastDim(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
    return std::nullopt;
  return type.getShape().back();
}

/// A norm's fused residual; null for other ops and norms without one.
Value getResidual(Operation *op) {
  if (auto norm = dyn_cast_or_null<sink::RMSNormOp>(op))
    return norm.getResidual();
  auto norm = dyn_cast_or_null<sink::LayerNormOp>(op);
  return norm ? norm.getResidual() : Value();
}

/// The use of the bias that a norm adds to its residual; null without one.
OpOperand *getResidualBias(Operation *op) {
  MutableOperandRange range = isa<sink::RMSNormOp>(op)
                                  ? cast<sink::RMSNormOp>(op).getResidualBiasMutable()
                                  : cast<sink::LayerNormOp>(op).getResidualBiasMutable();
  return range.empty() ? nullptr : &range[0];
}

/// An Add whose operands both run along the dimension axis; one that is
/// broadcast along it is no member.
bool isMember(Value operand, Value sum) {
  std::optional<int64_t> a = lastDim(operand), b = lastDim(sum);
  auto type = dyn_cast<RankedTensorType>(operand.getType());
  if (type && type.getRank() == 0)
    return false;
  return !(a && b && *a != *b);
}

/// Whether an op passes the dimension axis through unchanged; `index` is the
/// operand that does.
bool isPassThrough(Operation *op, unsigned &index) {
  index = 0;
  if (isa<IdentityOp, DropoutOp>(op))
    return true;
  if (isa<CastOp>(op)) {
    auto type = dyn_cast<TensorType>(op->getOperand(0).getType());
    auto result = dyn_cast<TensorType>(op->getResult(0).getType());
    return type && result && isa<FloatType>(type.getElementType()) &&
           isa<FloatType>(result.getElementType());
  }
  if (isa<MulOp, DivOp>(op)) {
    // A multiplier of the whole stream commutes with scaling a dimension.
    if (getConstantScalar(op->getOperand(1)))
      return true;
    index = 1;
    return isa<MulOp>(op) && getConstantScalar(op->getOperand(0));
  }
  if (isa<ReshapeOp, SqueezeOp, UnsqueezeOp, FlattenOp>(op)) {
    std::optional<int64_t> from = lastDim(op->getOperand(0)), to = lastDim(op->getResult(0));
    return from && to && *from == *to && *from > 1;
  }
  return false;
}

class StreamFinder {
public:
  SmallVector<ResidualStream> find(ModuleOp module);

private:
  void tie(Value a, Value b) {
    order.insert({a, 0});
    order.insert({b, 0});
    classes.unionSets(a.getAsOpaquePointer(), b.getAsOpaquePointer());
  }
  void tieOp(Operation *op);
  StreamWriter classifyWriter(Value value);
  StreamReader classifyReader(OpOperand &use);
  bool isTiedInside(Value value, Operation *op) const;
  void addConstantWriters(Value value, ResidualStream &stream);
  void describe(ResidualStream &stream);

  llvm::EquivalenceClasses<const void *> classes;
  /// Members in program order.
  llvm::MapVector<Value, int> order;
  DenseSet<Operation *> ties;
};

} // namespace

void StreamFinder::tieOp(Operation *op) {
  unsigned index;
  if (isa<AddOp, SubOp, SumOp>(op)) {
    bool any = false;
    for (Value operand : op->getOperands())
      if (isMember(operand, op->getResult(0))) {
        tie(operand, op->getResult(0));
        any = true;
      }
    if (any)
      ties.insert(op);
  } else if (op->getNumOperands() > 0 && op->getNumResults() > 0 && isPassThrough(op, index)) {
    tie(op->getOperand(index), op->getResult(0));
    ties.insert(op);
  } else if (Value residual = getResidual(op)) {
    tie(op->getOperand(0), residual);
    if (op->getNumResults() > 1)
      tie(op->getOperand(0), op->getResult(1));
  }
}

StreamWriter StreamFinder::classifyWriter(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto gather = dyn_cast_or_null<GatherOp>(op);
      gather && gather.getAxis().value_or(0) == 0 && isWeight(gather.getData()))
    return {StreamWriter::Embedding, value, gather.getData(), -1};
  if (auto matmul = dyn_cast_or_null<MatMulOp>(op); matmul && isWeight(matmul.getB()))
    return {StreamWriter::Projection, value, matmul.getB(), -1};
  // A Gemm's bias would have to be scaled too: only one without is folded.
  if (auto gemm = dyn_cast_or_null<GemmOp>(op); gemm && isWeight(gemm.getB()))
    return {StreamWriter::Projection, value, gemm.getB(),
            gemm.getTransB().value_or(0) != 0 ? 0 : -1};
  if (isa_and_nonnull<sink::RMSNormOp, sink::LayerNormOp>(op) && value == op->getResult(0))
    return {StreamWriter::Norm, value, Value(), -1};
  return {StreamWriter::Other, value, Value(), -1};
}

StreamReader StreamFinder::classifyReader(OpOperand &use) {
  Operation *op = use.getOwner();
  if (isa<sink::RMSNormOp, sink::LayerNormOp>(op) && use.getOperandNumber() == 0)
    return {StreamReader::Norm, &use};
  if (isa<ShapeOp, SizeOp>(op))
    return {StreamReader::Shape, &use};
  if (isa<ReturnOp>(op))
    return {StreamReader::Output, &use};
  return {StreamReader::Other, &use};
}

/// Whether `op` reads `value` as one member another.
bool StreamFinder::isTiedInside(Value value, Operation *op) const {
  if (Value residual = getResidual(op))
    return residual == value && op->getOperand(0) != value;
  if (!ties.contains(op))
    return false;
  return classes.isEquivalent(value.getAsOpaquePointer(), op->getResult(0).getAsOpaquePointer());
}

/// A constant writes once for each summand that it is.
void StreamFinder::addConstantWriters(Value value, ResidualStream &stream) {
  for (OpOperand &use : value.getUses())
    if (isTiedInside(value, use.getOwner()))
      stream.writers.push_back({StreamWriter::Constant, value, value, -1, &use});
}

void StreamFinder::describe(ResidualStream &stream) {
  for (Value value : stream.values) {
    if (std::optional<int64_t> dim = lastDim(value); dim && !isWeight(value))
      stream.dim = dim;
    if (auto type = dyn_cast<TensorType>(value.getType()))
      stream.elementType = type.getElementType();
    Operation *def = value.getDefiningOp();
    bool isSum = def && isa<sink::RMSNormOp, sink::LayerNormOp>(def) && value != def->getResult(0);
    if (isWeight(value))
      addConstantWriters(value, stream);
    else if (!(def && ties.contains(def)) && !isSum)
      stream.writers.push_back(classifyWriter(value));
    if (def && isa<AddOp, SubOp, SumOp>(def) && ties.contains(def))
      for (OpOperand &operand : def->getOpOperands())
        if (!isMember(operand.get(), value))
          stream.writers.push_back({StreamWriter::Other, operand.get(), Value(), -1, &operand});
    if (def && isa<AddOp, SumOp>(def) &&
        llvm::count_if(def->getOperands(), [](Value v) { return !isWeight(v); }) > 1)
      ++stream.numAdds;
    if (isSum)
      ++stream.numAdds;
    for (OpOperand &use : value.getUses())
      if (!isTiedInside(value, use.getOwner()) && !(isWeight(value)))
        stream.readers.push_back(classifyReader(use));
  }
  for (const StreamReader &reader : stream.readers) {
    Operation *norm = reader.use->getOwner();
    if (reader.kind != StreamReader::Norm || !getResidual(norm))
      continue;
    if (norm->getNumResults() == 1)
      ++stream.numAdds;
    if (OpOperand *bias = getResidualBias(norm)) {
      bool constant = isWeight(bias->get());
      stream.writers.push_back({constant ? StreamWriter::Constant : StreamWriter::Other,
                                bias->get(), constant ? bias->get() : Value(), -1, bias});
    }
  }
}

SmallVector<ResidualStream> StreamFinder::find(ModuleOp module) {
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    tieOp(op);
    return isa<sink::RaisedInterface>(op) ? WalkResult::skip() : WalkResult::advance();
  });
  // Groups in the order of their first member.
  llvm::MapVector<const void *, SmallVector<Value>> groups;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    auto add = [&](Value value) {
      if (order.contains(value))
        groups[classes.getLeaderValue(value.getAsOpaquePointer())].push_back(value);
    };
    for (Region &region : op->getRegions())
      if (!isa<sink::RaisedInterface>(op))
        for (Block &block : region)
          llvm::for_each(block.getArguments(), add);
    llvm::for_each(op->getResults(), add);
    return isa<sink::RaisedInterface>(op) ? WalkResult::skip() : WalkResult::advance();
  });
  SmallVector<ResidualStream> out;
  for (auto &[leader, values] : groups) {
    ResidualStream stream;
    stream.values = std::move(values);
    describe(stream);
    bool isNormed = llvm::any_of(stream.readers, [](const StreamReader &reader) {
      return reader.kind == StreamReader::Norm || isa<sink::DyTOp>(reader.use->getOwner());
    });
    if (isNormed && stream.numAdds > 0)
      out.push_back(std::move(stream));
  }
  return out;
}

SmallVector<ResidualStream> basin::findResidualStreams(ModuleOp module) {
  return StreamFinder().find(module);
}
