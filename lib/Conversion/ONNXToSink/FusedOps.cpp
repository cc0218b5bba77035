//===- FusedOps.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Norms and rotary embedding that already are one operator: of the standard or
// of com.microsoft. The form holds that operator. What an operator can say and
// sink cannot is a reason of its own not to raise it.
//
//===----------------------------------------------------------------------===//

#include "FusedOp.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::Layout;

static Miss miss(const Twine &reason) { return Miss{reason.str()}; }

double basin::onnx::widen(std::optional<APFloat> value, double absent) {
  return value ? static_cast<double>(value->convertToFloat()) : absent;
}

bool basin::onnx::isGiven(Operation *op, unsigned result) {
  return result < op->getNumResults() &&
         (!op->getResult(result).use_empty() || !getValueName(op->getResult(result)).empty());
}

FusedResult basin::onnx::raiseOperator(Operation *op, OpBuilder &b, ArrayRef<Value> arguments,
                                       ArrayRef<Value> captured, ArrayRef<Value> results,
                                       llvm::function_ref<Operation *(Location, TypeRange)> create,
                                       const Ops &before) {
  Idiom idiom;
  llvm::append_range(idiom.arguments, arguments);
  llvm::append_range(idiom.results, results);
  idiom.inside.insert(before.begin(), before.end());
  idiom.inside.insert(op);
  for (auto [i, result] : llvm::enumerate(op->getResults()))
    if (!llvm::is_contained(results, result) && !result.use_empty())
      return miss("its result " + Twine(i) + " is used, which has no counterpart");
  for (Value value : captured)
    if (value && !before.empty() && llvm::is_contained(arguments, value))
      return miss("one of its parameters is its own input");
  Operation *raised = raise(idiom, b, create);
  // Operands of one value are arguments of their own all the same, and a
  // parameter of that value stays what it was.
  if (before.empty()) {
    Block &form = raised->getRegion(0).front();
    for (auto [i, operand] : llvm::enumerate(op->getOpOperands()))
      if (i < arguments.size())
        operand.set(form.getArgument(i));
      else if (auto argument = dyn_cast<BlockArgument>(operand.get());
               argument && argument.getOwner() == &form)
        operand.set(arguments[argument.getArgNumber()]);
  }
  return raised;
}

namespace {

/// Raises one norm or rotary embedding.
class FusedOpRaiser {
public:
  FusedOpRaiser(Operation *op, OpBuilder &b) : op(op), b(b) {}
  std::optional<FusedResult> raise();

private:
  FusedResult norm(bool layer, Value x, Value weight, Value bias, double epsilon);
  template <typename OpTy> FusedResult standardNorm(OpTy norm, bool layer, Value bias);
  FusedResult skipNorm(bool layer, Value skip, Value weight, Value beta, Value bias);
  FusedResult microsoftRotary(MSRotaryEmbeddingOp rotary);
  FusedResult rotary(Value cos, Value sin, Value positions, bool interleaved,
                     std::optional<int64_t> heads, std::optional<int64_t> dim);

  Operation *op;
  OpBuilder &b;
};

} // namespace

/// Absent, of unknown type, or a vector of the normalized axis' size.
static bool canBeVector(Value value, Value x) {
  return !value || !getRank(value) || (isVector(value, getDim(x, -1)) && keepsRank(value, x));
}

static std::optional<Miss> checkVectors(ArrayRef<std::pair<StringRef, Value>> vectors, Value x) {
  for (auto [what, value] : vectors)
    if (!canBeVector(value, x))
      return miss("its " + what + " is not a vector of the last axis' size");
  return std::nullopt;
}

FusedResult FusedOpRaiser::norm(bool layer, Value x, Value weight, Value bias, double epsilon) {
  if (std::optional<Miss> why = checkVectors({{"weight", weight}, {"bias", bias}}, x))
    return *why;
  PreAffine pre = matchPreAffine(x, op);
  sink::NormParts parts{.x = pre.x,
                        .preAffine = pre.vector,
                        .weight = weight,
                        .bias = bias,
                        .epsilon = epsilon,
                        .centres = layer};
  auto create = [&](Location loc, TypeRange types) -> Operation * {
    return sink::createNorm(b, loc, parts, types[0]);
  };
  Ops before;
  if (pre.product)
    before.insert(pre.product);
  FusedResult result =
      raiseOperator(op, b, {pre.x}, {weight, bias, pre.vector}, {op->getResult(0)}, create, before);
  if (pre.product && std::holds_alternative<Operation *>(result))
    sink::Form::mark(pre.product, sink::Slot::pre_affine);
  return result;
}

template <typename OpTy>
FusedResult FusedOpRaiser::standardNorm(OpTy norm_, bool layer, Value bias) {
  Value x = norm_->getOperand(0), weight = norm_->getOperand(1);
  std::optional<int64_t> rank = getRank(x);
  int64_t axis = norm_.getAxis().value_or(-1);
  if (axis != -1 && (!rank || axis != *rank - 1))
    return miss("its axis " + Twine(axis) + " is not proven to be the last one");
  return norm(layer, x, weight, bias, widen(norm_.getEpsilon(), 1e-5f));
}

/// Whether both have the same sizes for certain.
static bool haveOneShape(Value a, Value b) {
  TensorInfo x = getTensorInfo(a), y = getTensorInfo(b);
  if (!x.hasRank() || !y.hasRank() || x.rank() != y.rank())
    return a == b;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (a != b && !x[i].provablyEquals(y[i]))
      return false;
  return true;
}

FusedResult FusedOpRaiser::skipNorm(bool layer, Value skip, Value weight, Value beta, Value bias) {
  constexpr unsigned kSum = 3;
  Value x = op->getOperand(0);
  if (std::optional<Miss> why =
          checkVectors({{"weight", weight}, {"beta", beta}, {"bias", bias}}, x))
    return *why;
  // The operator repeats a skip of fewer elements.
  if (!haveOneShape(x, skip))
    return miss("its skip is not proven to have the shape of its input");
  bool hasSum = isGiven(op, kSum);
  auto epsilon = op->getAttrOfType<FloatAttr>("epsilon");
  sink::NormParts parts{.x = x,
                        .residual = skip,
                        .weight = weight,
                        .bias = beta,
                        .residualBias = bias,
                        .epsilon = epsilon ? epsilon.getValue().convertToFloat() : 1e-12f,
                        .centres = layer};
  SmallVector<Value> results{op->getResult(0)};
  if (hasSum)
    results.push_back(op->getResult(kSum));
  auto create = [&](Location loc, TypeRange types) -> Operation * {
    return sink::createNorm(b, loc, parts, types[0], hasSum ? types[1] : Type());
  };
  return raiseOperator(op, b, {x, skip}, {weight, beta, bias}, results, create);
}

//===----------------------------------------------------------------------===//
// Rotary embedding
//===----------------------------------------------------------------------===//

FusedResult FusedOpRaiser::rotary(Value cos, Value sin, Value positions, bool interleaved,
                                  std::optional<int64_t> heads, std::optional<int64_t> dim) {
  Value x = op->getOperand(0);
  std::optional<int64_t> rank = getRank(x);
  if (rank != 3 && rank != 4)
    return miss("its input has not the known rank 3 or 4");
  Layout layout = *rank == 4 ? Layout::bhsd : Layout::bsd;
  std::optional<int64_t> tableRank = getRank(cos);
  if (!tableRank || tableRank != getRank(sin) || *tableRank != (positions ? 2 : 3))
    return miss("its tables have not the known rank of " + Twine(positions ? 2 : 3));
  auto attr = [&](std::optional<int64_t> value) {
    return value && *value != 0 ? b.getI64IntegerAttr(*value) : IntegerAttr();
  };
  return raiseOperator(
      op, b, {x}, {cos, sin, positions}, {op->getResult(0)}, [&](Location loc, TypeRange types) {
        return sink::RotaryOp::create(b, loc, types[0], x, cos, sin, positions, interleaved,
                                      /*half_tables=*/true, layout, attr(heads), attr(dim));
      });
}

FusedResult FusedOpRaiser::microsoftRotary(MSRotaryEmbeddingOp r) {
  if (widen(r.getScale(), 1) != 1)
    return miss("it scales what it rotates");
  if (r.getIsPackedBatching().value_or(0) != 0)
    return miss("its batch is packed");
  // One number is where the first position is, for the whole batch.
  if (getRank(r.getPositionIds()) != 2)
    return miss("its positions are not of rank 2, one for each element: a single one is an offset");
  return rotary(r.getCosCache(), r.getSinCache(), r.getPositionIds(),
                r.getInterleaved().value_or(0), r.getNumHeads(), r.getRotaryEmbeddingDim());
}

std::optional<FusedResult> FusedOpRaiser::raise() {
  if (auto n = dyn_cast<LayerNormalizationOp>(op))
    return standardNorm(n, /*layer=*/true, n.getB());
  if (auto n = dyn_cast<RMSNormalizationOp>(op))
    return standardNorm(n, /*layer=*/false, Value());
  if (auto n = dyn_cast<SimplifiedLayerNormalizationOp>(op))
    return standardNorm(n, /*layer=*/false, Value());
  if (auto n = dyn_cast<MSSimplifiedLayerNormalizationOp>(op))
    return standardNorm(n, /*layer=*/false, Value());
  if (auto n = dyn_cast<MSSkipLayerNormalizationOp>(op))
    return skipNorm(/*layer=*/true, n.getSkip(), n.getGamma(), n.getBeta(), n.getBias());
  if (auto n = dyn_cast<MSSkipSimplifiedLayerNormalizationOp>(op))
    return skipNorm(/*layer=*/false, n.getSkip(), n.getGamma(), Value(), n.getBias());
  if (auto r = dyn_cast<RotaryEmbeddingOp>(op))
    return rotary(r.getCosCache(), r.getSinCache(), r.getPositionIds(),
                  r.getInterleaved().value_or(0), r.getNumHeads(), r.getRotaryEmbeddingDim());
  if (auto r = dyn_cast<MSRotaryEmbeddingOp>(op))
    return microsoftRotary(r);
  return std::nullopt;
}

/// Norms, rotary embedding or attention that is one operator; empty for others.
static StringRef getFusedKind(Operation *op) {
  if (isa<LayerNormalizationOp, RMSNormalizationOp, SimplifiedLayerNormalizationOp,
          MSSimplifiedLayerNormalizationOp, MSSkipLayerNormalizationOp,
          MSSkipSimplifiedLayerNormalizationOp>(op))
    return "norm";
  if (isa<RotaryEmbeddingOp, MSRotaryEmbeddingOp>(op))
    return "rotary embedding";
  return isa<AttentionOp, MSAttentionOp, MSMultiHeadAttentionOp, MSGroupQueryAttentionOp>(op)
             ? "attention"
             : "";
}

std::optional<FusedMatch> basin::onnx::raiseFusedOp(Operation *op, OpBuilder &b) {
  StringRef kind = getFusedKind(op);
  if (kind.empty())
    return std::nullopt;
  if (op->getNumResults() == 0)
    return FusedMatch{kind, nullptr, miss("it has no first output")};
  b.setInsertionPoint(op);
  std::optional<FusedResult> result = FusedOpRaiser(op, b).raise();
  if (!result)
    result = raiseFusedAttention(op, b);
  if (auto *why = std::get_if<Miss>(&*result))
    return FusedMatch{kind, nullptr, *why};
  return FusedMatch{kind, std::get<Operation *>(*result), {}};
}
