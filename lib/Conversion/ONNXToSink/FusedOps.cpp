//===- FusedOps.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Raises norms and rotary embeddings that are already one operator, of ONNX itself or of
// com.microsoft. The form holds that operator. Everything that an operator can express and sink
// cannot has its own reason not to raise it.
//
//===----------------------------------------------------------------------===//

#include "FusedOp.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::Layout;

double basin::onnx::widen(const std::optional<APFloat> &value, double absent) {
  return value ? static_cast<double>(value->convertToFloat()) : absent;
}

bool basin::onnx::isGiven(Operation *op, unsigned result) {
  return result < op->getNumResults() &&
         (!op->getResult(result).use_empty() || !getValueName(op->getResult(result)).empty());
}

RaiseResult basin::onnx::raiseOperator(Operation *op, OpBuilder &b, ArrayRef<Value> arguments,
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
      return Miss(MissReason::OperatorResult, i);
  for (Value value : captured)
    if (value && !before.empty() && llvm::is_contained(arguments, value))
      return Miss(MissReason::ParameterIsInput);
  Operation *raised = raise(idiom, b, create);
  // If several of the first operands are one value, each still gets its own argument. A parameter
  // of that value keeps the value.
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
  RaiseResult raise();

private:
  RaiseResult norm(bool layer, Value x, Value weight, Value bias, double epsilon);
  template <typename OpTy> RaiseResult standardNorm(OpTy norm, bool layer, Value bias);
  RaiseResult skipNorm(bool layer, Value skip, Value weight, Value beta, Value bias);
  RaiseResult microsoftRotary(MSRotaryEmbeddingOp rotary);
  RaiseResult rotary(Value cos, Value sin, Value positions, bool interleaved,
                     std::optional<int64_t> heads, std::optional<int64_t> dim);

  Operation *op;
  OpBuilder &b;
};

} // namespace

/// Returns whether `value` is absent, of unknown rank, or a vector as long as the normalized
/// axis.
static bool canBeVector(Value value, Value x) {
  return !value || !getRank(value) || (isVector(value, getDim(x, -1)) && keepsRank(value, x));
}

static std::optional<Miss> checkVectors(ArrayRef<std::pair<StringRef, Value>> vectors, Value x) {
  for (auto [what, value] : vectors)
    if (!canBeVector(value, x))
      return Miss(MissReason::NotVector, what);
  return std::nullopt;
}

RaiseResult FusedOpRaiser::norm(bool layer, Value x, Value weight, Value bias, double epsilon) {
  if (std::optional<Miss> why = checkVectors({{"weight", weight}, {"bias", bias}}, x))
    return *why;
  Ops before;
  // The root mean square of x - mean(x) makes a layer norm, if nothing else reads that difference.
  std::optional<Centred> centred = layer || !x.hasOneUse() ? std::nullopt : matchCentred(x);
  auto isServant = [&](Operation *inner) {
    return inner->getBlock() == op->getBlock() &&
           llvm::all_of(inner->getUsers(),
                        [&](Operation *user) { return user == op || centred->ops.contains(user); });
  };
  if (centred && llvm::all_of(centred->ops, isServant)) {
    layer = true;
    x = centred->x;
    before = std::move(centred->ops);
  }
  PreAffine pre =
      matchPreAffine(x, [&](Operation *user) { return user == op || before.contains(user); });
  sink::NormParts parts{.x = pre.x,
                        .preAffine = pre.vector,
                        .weight = weight,
                        .bias = bias,
                        .epsilon = epsilon,
                        .centres = layer};
  auto create = [&](Location loc, TypeRange types) -> Operation * {
    return sink::createNorm(b, loc, parts, types[0]);
  };
  if (pre.product)
    before.insert(pre.product);
  RaiseResult result =
      raiseOperator(op, b, {pre.x}, {weight, bias, pre.vector}, {op->getResult(0)}, create, before);
  if (pre.product && result.getMatch())
    sink::Form::mark(pre.product, sink::Slot::pre_affine);
  return result;
}

template <typename OpTy>
RaiseResult FusedOpRaiser::standardNorm(OpTy norm_, bool layer, Value bias) {
  Value x = norm_->getOperand(0), weight = norm_->getOperand(1);
  std::optional<int64_t> rank = getRank(x);
  int64_t axis = norm_.getAxis().value_or(-1);
  if (axis != -1 && (!rank || axis != *rank - 1))
    return Miss(MissReason::OperatorAxis, axis);
  return norm(layer, x, weight, bias, widen(norm_.getEpsilon(), 1e-5f));
}

/// Returns whether both certainly have the same sizes.
static bool haveOneShape(Value a, Value b) {
  TensorInfo x = getTensorInfo(a), y = getTensorInfo(b);
  if (!x.hasRank() || !y.hasRank() || x.rank() != y.rank())
    return a == b;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (a != b && !x[i].provablyEquals(y[i]))
      return false;
  return true;
}

RaiseResult FusedOpRaiser::skipNorm(bool layer, Value skip, Value weight, Value beta, Value bias) {
  constexpr unsigned kSum = 3;
  Value x = op->getOperand(0);
  if (std::optional<Miss> why =
          checkVectors({{"weight", weight}, {"beta", beta}, {"bias", bias}}, x))
    return *why;
  // The operator repeats a skip that has fewer elements, but sink norms do not repeat a residual.
  if (!haveOneShape(x, skip))
    return Miss(MissReason::OperatorSkip);
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

RaiseResult FusedOpRaiser::rotary(Value cos, Value sin, Value positions, bool interleaved,
                                  std::optional<int64_t> heads, std::optional<int64_t> dim) {
  Value x = op->getOperand(0);
  std::optional<int64_t> rank = getRank(x);
  if (rank != 3 && rank != 4)
    return Miss(MissReason::OperatorRotaryRank, describeRank(rank));
  Layout layout = *rank == 4 ? Layout::bhsd : Layout::bsd;
  std::optional<int64_t> cosRank = getRank(cos), sinRank = getRank(sin);
  int64_t tableRank = positions ? 2 : 3;
  if (cosRank != tableRank || sinRank != tableRank)
    return Miss(MissReason::OperatorTableRank, describeRank(cosRank), describeRank(sinRank),
                tableRank);
  auto attr = [&](std::optional<int64_t> value) {
    return value && *value != 0 ? b.getI64IntegerAttr(*value) : IntegerAttr();
  };
  return raiseOperator(
      op, b, {x}, {cos, sin, positions}, {op->getResult(0)}, [&](Location loc, TypeRange types) {
        return sink::RotaryOp::create(b, loc, types[0], x, cos, sin, positions, interleaved,
                                      /*half_tables=*/true, layout, attr(heads), attr(dim),
                                      /*inverse=*/false, /*deinterleaves=*/false, IntegerAttr());
      });
}

RaiseResult FusedOpRaiser::microsoftRotary(MSRotaryEmbeddingOp r) {
  if (widen(r.getScale(), 1) != 1)
    return Miss(MissReason::OperatorRotaryScale);
  if (r.getIsPackedBatching().value_or(0) != 0)
    return Miss(MissReason::OperatorPackedBatch);
  // Positions of rank 1 hold one number: the first position, for the whole batch.
  if (std::optional<int64_t> rank = getRank(r.getPositionIds()); rank != 2)
    return Miss(MissReason::OperatorPositions, describeRank(rank));
  return rotary(r.getCosCache(), r.getSinCache(), r.getPositionIds(),
                r.getInterleaved().value_or(0), r.getNumHeads(), r.getRotaryEmbeddingDim());
}

RaiseResult FusedOpRaiser::raise() {
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
  return raiseFusedAttention(op, b);
}

RaiseResult basin::onnx::raiseFusedOp(Operation *op, OpBuilder &b) {
  if (auto node = dyn_cast<NodeOp>(op)) {
    if (std::optional<Miss> why = explainUntypedOp(node))
      return *why;
    return Unrelated();
  }
  b.setInsertionPoint(op);
  RaiseResult result = FusedOpRaiser(op, b).raise();
  // The operator may be known for what it is, but have no sink op, such as
  // EmbedLayerNormalization.
  if (auto node = dyn_cast<NodeInterface>(op);
      result.isUnrelated() && node && !getFusedKind(node).empty())
    return Miss(MissReason::OperatorUnknown, node.getOpType());
  return result;
}
