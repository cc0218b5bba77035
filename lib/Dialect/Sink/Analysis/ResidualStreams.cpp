//===- ResidualStreams.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/IR/Form.h"

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

std::optional<int64_t> lastDim(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
    return std::nullopt;
  return type.getShape().back();
}

std::optional<int64_t> rankOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type ? std::optional(type.getRank()) : std::nullopt;
}

/// Returns whether `value` is a constant of any kind. Constants tie nothing.
bool isFixed(Value value) {
  return isConstant(value) || isa_and_nonnull<sink::ParameterOp>(value.getDefiningOp());
}

/// Returns whether `value` is a matrix of weights as it is stored, or behind ops that give it
/// another type or order.
bool isMatrix(Value value) {
  if (auto transpose = value.getDefiningOp<TransposeOp>())
    value = transpose->getOperand(0);
  return isConstant(value);
}

/// Returns `value` if it is a weight itself, and null otherwise.
Value getWeight(Value value) { return basin::isWeight(value) ? value : Value(); }

/// Returns the uses whose sum a norm normalizes: its x, and the residual that it adds. There are
/// none if one of them is a weight of the same norm as well, because the form cannot tell the two
/// uses apart.
MutableArrayRef<OpOperand> getNormalized(Operation *op) {
  auto norm = dyn_cast_or_null<sink::NormInterface>(op);
  // The grid of a norm that rounds does not follow a scale.
  if (!norm || sink::Form(norm).rounds())
    return {};
  MutableArrayRef<OpOperand> uses = op->getOpOperands().take_front(norm.getResidual() ? 2 : 1);
  for (OpOperand &use : uses)
    if (llvm::is_contained(op->getOperands().drop_front(uses.size()), use.get()))
      return {};
  return uses;
}

/// Returns the normalized use that represents the norm as a reader: the first one that is no
/// constant.
OpOperand *getReadingUse(Operation *op) {
  for (OpOperand &use : getNormalized(op))
    if (!isFixed(use.get()))
      return &use;
  return nullptr;
}

/// Returns whether `value` is the sum that a norm returns as its second result.
bool isNormSum(Value value) {
  auto result = dyn_cast<OpResult>(value);
  sink::NormInterface norm = result ? sink::getResidualNorm(result.getOwner()) : nullptr;
  return norm && value == norm.getSum() && getReadingUse(norm);
}

/// Returns whether `operand` is a summand that runs along the dimension axis like its sum. A
/// summand that is broadcast along this axis is no member.
bool isMember(OpOperand &operand) {
  Operation *op = operand.getOwner();
  if (!isa<AddOp, SubOp, SumOp>(op) || isFixed(operand.get()) || rankOf(operand.get()) == 0)
    return false;
  std::optional<int64_t> a = lastDim(operand.get()), b = lastDim(op->getResult(0));
  return !(a && b && *a != *b);
}

/// Returns whether a Min or Max by `value` is one by a number. T5 in f16 computes such numbers.
bool isBound(Value value) { return rankOf(value) == 0 || getConstantScalar(value).has_value(); }

bool isStreamType(Value value) {
  auto type = dyn_cast<TensorType>(value.getType());
  if (!type)
    return false;
  Type element = type.getElementType();
  return element.isF16() || element.isBF16() || element.isF32() || element.isF64();
}

} // namespace

bool basin::isWeight(Value value) {
  return value && isa_and_nonnull<InitializerOp, ConstantOp>(value.getDefiningOp());
}

bool basin::isLimit(Operation *op) {
  // A Clip limits its first operand. Its bounds are scalars.
  if (isa<ClipOp>(op))
    return true;
  if (!isa<MinOp, MaxOp>(op))
    return false;
  // A Min or Max limits its only operand that is no bound.
  return llvm::count_if(op->getOperands(), [](Value operand) { return !isBound(operand); }) == 1;
}

OpOperand *basin::getPassedThrough(Operation *op) {
  if (op->getNumOperands() == 0 || op->getNumResults() == 0)
    return nullptr;
  OpOperand *first = &op->getOpOperand(0), *passed = nullptr;
  if (isa<IdentityOp, DropoutOp>(op)) {
    passed = first;
  } else if (isa<CastOp>(op)) {
    // A cast to a narrower type or an integer rounds differently at another scale.
    if (isStreamType(first->get()) && isStreamType(op->getResult(0)))
      passed = first;
  } else if (isa<MulOp, DivOp>(op) && op->getNumOperands() == 2) {
    // One constant factor commutes with a factor for each dimension.
    if (getConstantScalar(op->getOperand(1)))
      passed = first;
    else if (isa<MulOp>(op) && getConstantScalar(op->getOperand(0)))
      passed = &op->getOpOperand(1);
  } else if (isa<ReshapeOp, SqueezeOp, UnsqueezeOp, FlattenOp>(op)) {
    // The elements keep their order, so rows of the same length above one stay rows.
    std::optional<int64_t> from = lastDim(first->get()), to = lastDim(op->getResult(0));
    if (from && to && *from == *to && *from > 1)
      passed = first;
  } else if (isLimit(op)) {
    passed = &*llvm::find_if(op->getOpOperands(), [&](OpOperand &operand) {
      return isa<ClipOp>(op) || !isBound(operand.get());
    });
  }
  if (!passed || isFixed(passed->get()) || rankOf(passed->get()) == 0)
    return nullptr;
  return passed;
}

namespace {

class StreamFinder {
public:
  SmallVector<ResidualStream> find(ModuleOp module);

private:
  void tie(Value a, Value b) {
    members.insert(a);
    members.insert(b);
    classes.unionSets(a.getAsOpaquePointer(), b.getAsOpaquePointer());
  }
  void tieOp(Operation *op);
  bool isTiedUse(OpOperand &use) const;
  StreamWriter classifyWriter(Value value);
  StreamReader classifyReader(OpOperand &use);
  void describeAxis(ResidualStream &stream) const;
  void addUseWriter(OpOperand &use, ResidualStream &stream) const;
  void describeValue(Value value, ResidualStream &stream);
  void describe(ResidualStream &stream);

  llvm::EquivalenceClasses<const void *> classes;
  DenseSet<Value> members;
  /// The ops that tie their result to an operand.
  DenseSet<Operation *> ties;
};

} // namespace

void StreamFinder::tieOp(Operation *op) {
  if (op->getNumResults() == 0)
    return;
  if (isa<AddOp, SubOp, SumOp>(op)) {
    for (OpOperand &operand : op->getOpOperands())
      if (isMember(operand)) {
        tie(operand.get(), op->getResult(0));
        ties.insert(op);
      }
  } else if (OpOperand *passed = getPassedThrough(op)) {
    tie(passed->get(), op->getResult(0));
    ties.insert(op);
  } else if (OpOperand *reading = sink::getResidualNorm(op) ? getReadingUse(op) : nullptr) {
    for (OpOperand &use : getNormalized(op))
      if (!isFixed(use.get()))
        tie(reading->get(), use.get());
    if (Value sum = cast<sink::NormInterface>(op).getSum())
      tie(reading->get(), sum);
  }
}

/// Returns whether the use passes its value on to another member.
bool StreamFinder::isTiedUse(OpOperand &use) const {
  Operation *op = use.getOwner();
  if (sink::getResidualNorm(op))
    return llvm::any_of(getNormalized(op), [&](OpOperand &each) { return &each == &use; }) &&
           getReadingUse(op) != &use;
  return ties.contains(op) && (isMember(use) || getPassedThrough(op) == &use);
}

StreamWriter StreamFinder::classifyWriter(Value value) {
  Operation *op = value.getDefiningOp();
  StreamWriter other{StreamWriter::Other, value, Value(), -1};
  // A Gather works on an earlier axis than the last, and a MatMul contracts the last but one. So
  // the weight's last axis is the result's.
  if (auto gather = dyn_cast_or_null<GatherOp>(op); gather && isMatrix(gather.getData())) {
    std::optional<int64_t> rank = rankOf(gather.getData());
    int64_t axis = gather.getAxis().value_or(0);
    if (!rank || *rank < 2 || axis == -1 || axis == *rank - 1)
      return other;
    return {StreamWriter::Embedding, value, getWeight(gather.getData()), -1};
  }
  if (auto matmul = dyn_cast_or_null<MatMulOp>(op); matmul && isMatrix(matmul.getB())) {
    if (rankOf(matmul.getB()).value_or(0) < 2)
      return other;
    return {StreamWriter::Projection, value, getWeight(matmul.getB()), -1};
  }
  if (auto gemm = dyn_cast_or_null<GemmOp>(op); gemm && isMatrix(gemm.getB())) {
    if (rankOf(gemm.getB()) != 2)
      return other;
    return {StreamWriter::Projection, value, getWeight(gemm.getB()),
            gemm.getTransB().value_or(0) != 0 ? 0 : -1};
  }
  if (auto norm = dyn_cast_or_null<sink::NormInterface>(op); norm && value == norm.getResult())
    return {StreamWriter::Norm, value, Value(), -1};
  return other;
}

StreamReader StreamFinder::classifyReader(OpOperand &use) {
  Operation *op = use.getOwner();
  if (getReadingUse(op) == &use)
    return {StreamReader::Norm, &use};
  if (isa<ShapeOp, SizeOp>(op))
    return {StreamReader::Shape, &use};
  if (isa<ReturnOp>(op))
    return {StreamReader::Output, &use};
  return {StreamReader::Other, &use};
}

/// Adds a summand that is no member as a writer that writes through this use alone.
void StreamFinder::addUseWriter(OpOperand &use, ResidualStream &stream) const {
  Value value = use.get();
  bool fixed = isFixed(value);
  stream.writers.push_back({fixed ? StreamWriter::Constant : StreamWriter::Other, value,
                            isWeight(value) ? value : Value(), -1, &use});
}

/// Sets the dimension to the first size that is known, and keeps the first member that is not
/// proven to have it.
void StreamFinder::describeAxis(ResidualStream &stream) const {
  for (Value value : stream.values) {
    std::optional<int64_t> dim = lastDim(value);
    stream.dim = stream.dim ? stream.dim : dim;
    if (auto type = dyn_cast<TensorType>(value.getType()))
      stream.elementType = type.getElementType();
  }
  for (Value value : stream.values)
    if (!stream.unproven && lastDim(value) != stream.dim)
      stream.unproven = value;
}

void StreamFinder::describeValue(Value value, ResidualStream &stream) {
  Operation *def = value.getDefiningOp();
  if (!(def && ties.contains(def)) && !isNormSum(value))
    stream.writers.push_back(classifyWriter(value));
  if (isa_and_nonnull<AddOp, SubOp, SumOp>(def) && ties.contains(def)) {
    for (OpOperand &operand : def->getOpOperands())
      if (!isMember(operand))
        addUseWriter(operand, stream);
    if (!isa<SubOp>(def) &&
        llvm::count_if(def->getOperands(), [](Value v) { return !isFixed(v); }) > 1)
      ++stream.numAdds;
  }
  if (def && ties.contains(def) && isLimit(def))
    stream.limits.push_back(def);
  for (OpOperand &use : value.getUses())
    if (!isTiedUse(use))
      stream.readers.push_back(classifyReader(use));
}

void StreamFinder::describe(ResidualStream &stream) {
  describeAxis(stream);
  for (Value value : stream.values)
    describeValue(value, stream);
  for (const StreamReader &reader : stream.readers) {
    sink::NormInterface norm = sink::getResidualNorm(reader.use->getOwner());
    if (reader.kind != StreamReader::Norm || !norm)
      continue;
    ++stream.numAdds;
    for (OpOperand &use : getNormalized(norm))
      if (isFixed(use.get()))
        addUseWriter(use, stream);
    for (OpOperand &bias : norm.getResidualBiasMutable())
      addUseWriter(bias, stream);
  }
}

SmallVector<ResidualStream> StreamFinder::find(ModuleOp module) {
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    tieOp(op);
    return isa<sink::RaisedInterface>(op) ? WalkResult::skip() : WalkResult::advance();
  });
  // Groups the members by class, in the order of the first member of each.
  llvm::MapVector<const void *, SmallVector<Value, 0>> groups;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    auto add = [&](Value value) {
      if (members.contains(value))
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
      Operation *op = reader.use->getOwner();
      auto norm = dyn_cast<sink::NormInterface>(op);
      return reader.kind == StreamReader::Norm || isa<sink::DyTOp>(op) ||
             (norm && sink::Form(norm).rounds());
    });
    if (isNormed && stream.numAdds > 0)
      out.push_back(std::move(stream));
  }
  return out;
}

SmallVector<ResidualStream> basin::findResidualStreams(ModuleOp module) {
  return StreamFinder().find(module);
}
