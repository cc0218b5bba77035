//===- OtherNormOperators.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Describes the operators of ONNX and ONNX Runtime that normalize in another way than sink ops do,
// and the form in which torch writes GroupNorm:
//
//   Reshape to [batch, groups, rest]; InstanceNormalization; Reshape back; [Mul]; [Add]
//
//===----------------------------------------------------------------------===//

#include "OtherNormParts.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

std::optional<SmallVector<int64_t>> basin::onnx::getAxesFrom(Value value, int64_t first) {
  std::optional<int64_t> rank = getRank(value);
  if (!rank)
    return std::nullopt;
  SmallVector<int64_t> axes;
  for (int64_t axis = first; axis < *rank; ++axis)
    axes.push_back(axis);
  return axes;
}

static std::optional<double> toDouble(std::optional<APFloat> value, double absent) {
  return value ? value->convertToDouble() : absent;
}

static std::optional<int64_t> getInt(NodeInterface node, StringRef name) {
  auto attr = node.getNodeAttrs().getAs<IntegerAttr>(name);
  return attr ? std::optional<int64_t>(attr.getValue().getSExtValue()) : std::nullopt;
}

/// Counts an axis from the front, or returns nothing if there is no such axis.
static std::optional<int64_t> normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return std::nullopt;
  return axis < 0 ? axis + rank : axis;
}

/// LayerNormalization and its like over more axes than the last one.
template <typename OpTy> static bool describeSuffixNorm(OpTy op, StringRef kind, OtherNorm &norm) {
  Value x = op->getOperand(0);
  std::optional<int64_t> rank = getRank(x);
  std::optional<int64_t> axis =
      rank ? normalizeAxis(op.getAxis().value_or(-1), *rank) : std::nullopt;
  if (!axis || *axis == *rank - 1)
    return false;
  norm.kind = kind;
  norm.axes = getAxesFrom(x, *axis);
  norm.epsilon = toDouble(op.getEpsilon(), 1e-5);
  return true;
}

static void describeBatchNorm(BatchNormalizationOp op, OtherNorm &norm) {
  norm.kind = "batch_norm";
  norm.epsilon = toDouble(op.getEpsilon(), 1e-5);
  norm.axes.emplace();
  if (op.getTrainingMode().value_or(0) == 0)
    return;
  norm.axes = getAxesFrom(op.getX(), 2);
  if (norm.axes)
    norm.axes->insert(norm.axes->begin(), 0);
}

/// LpNormalization divides by the norm of one axis.
static bool describeLpNorm(LpNormalizationOp op, OtherNorm &norm) {
  int64_t p = op.getP().value_or(2);
  if (p != 1 && p != 2)
    return false;
  norm.kind = p == 1 ? "l1_norm" : "l2_norm";
  std::optional<int64_t> rank = getRank(op.getInput());
  if (!rank)
    return true;
  std::optional<int64_t> axis = normalizeAxis(op.getAxis().value_or(-1), *rank);
  if (axis)
    norm.axes = SmallVector<int64_t>{*axis};
  return axis.has_value();
}

/// GroupNorm and SkipGroupNorm of ONNX Runtime.
static bool describeMicrosoftGroupNorm(NodeInterface node, OtherNorm &norm) {
  if (node.getOpDomain() != "com.microsoft" ||
      (node.getOpType() != "GroupNorm" && node.getOpType() != "SkipGroupNorm"))
    return false;
  norm.kind = "group_norm";
  norm.groups = getInt(node, "groups");
  norm.axes = getAxesFrom(node->getOperand(0), 1);
  auto epsilon = node.getNodeAttrs().getAs<FloatAttr>("epsilon");
  norm.epsilon = epsilon ? epsilon.getValueAsDouble() : 1e-5;
  return true;
}

std::optional<OtherNorm> basin::onnx::describeNormOperator(Operation *op) {
  auto node = dyn_cast<NodeInterface>(op);
  if (!node || op->getNumResults() == 0 || op->getNumOperands() == 0)
    return std::nullopt;
  OtherNorm norm{.anchor = op, .result = op->getResult(0)};
  norm.form =
      ((node.getOpDomain().empty() ? "" : node.getOpDomain() + ".") + node.getOpType()).str();
  bool isNorm = true;
  if (auto layer = dyn_cast<LayerNormalizationOp>(op)) {
    isNorm = describeSuffixNorm(layer, "layer_norm", norm);
  } else if (auto rms = dyn_cast<RMSNormalizationOp>(op)) {
    isNorm = describeSuffixNorm(rms, "rms_norm", norm);
  } else if (auto simplified = dyn_cast<SimplifiedLayerNormalizationOp>(op)) {
    isNorm = describeSuffixNorm(simplified, "rms_norm", norm);
  } else if (auto batch = dyn_cast<BatchNormalizationOp>(op)) {
    describeBatchNorm(batch, norm);
  } else if (auto instance = dyn_cast<InstanceNormalizationOp>(op)) {
    norm.kind = "instance_norm";
    norm.axes = getAxesFrom(instance.getInput(), 2);
    norm.epsilon = toDouble(instance.getEpsilon(), 1e-5);
    takeGroups(norm, instance.getInput());
  } else if (auto group = dyn_cast<GroupNormalizationOp>(op)) {
    norm.kind = "group_norm";
    norm.axes = getAxesFrom(group.getX(), 1);
    norm.groups = group.getNumGroups();
    norm.epsilon = toDouble(group.getEpsilon(), 1e-5);
  } else if (auto lp = dyn_cast<LpNormalizationOp>(op)) {
    isNorm = describeLpNorm(lp, norm);
  } else {
    isNorm = describeMicrosoftGroupNorm(node, norm);
  }
  return isNorm ? std::optional(std::move(norm)) : std::nullopt;
}

/// Returns whether both certainly have the same sizes.
static bool haveOneShape(const TensorInfo &a, const TensorInfo &b) {
  if (!a.hasRank() || !b.hasRank() || a.rank() != b.rank())
    return false;
  for (int64_t i = 0; i < a.rank(); ++i)
    if (!a[i].provablyEquals(b[i]))
      return false;
  return true;
}

/// Returns how many groups of channels `parted` has, if its axes from 1 on are all that `norm`
/// takes statistics over but the one that counts groups.
static std::optional<int64_t> countGroups(const TensorInfo &whole, const TensorInfo &parted,
                                          ArrayRef<int64_t> axes) {
  int64_t rank = parted.rank();
  SmallVector<int64_t> free;
  for (int64_t axis = 0; axis < rank; ++axis)
    if (!llvm::is_contained(axes, axis))
      free.push_back(axis);
  if (free.size() != 2 || free[0] != 0 || !whole[0].provablyEquals(parted[0]))
    return std::nullopt;
  int64_t axis = free[1];
  // [batch, channels, ...] becomes [batch, groups, ...]. All that follows is reduced, so only the
  // number of channels matters.
  const Dim &first = whole[1], &last = whole[whole.rank() - 1], &groups = parted[axis];
  if (!groups.isStatic() || groups.size < 1)
    return std::nullopt;
  if (axis == 1)
    return first.isStatic() && first.size % groups.size == 0 ? std::optional(groups.size)
                                                             : std::nullopt;
  // [batch, ..., channels] becomes [batch, ..., groups, channels / groups].
  if (axis != rank - 2 || rank != whole.rank() + 1 || !last.isStatic() ||
      !parted[rank - 1].isStatic() || groups.size * parted[rank - 1].size != last.size)
    return std::nullopt;
  for (int64_t i = 1; i < axis; ++i)
    if (!whole[i].provablyEquals(parted[i]))
      return std::nullopt;
  return groups.size;
}

void basin::onnx::takeGroups(OtherNorm &norm, Value input) {
  auto part = input.getDefiningOp<ReshapeOp>();
  auto join = dyn_cast_or_null<ReshapeOp>(getOnlyUser(norm.result));
  if (!part || !join || !norm.axes || join->getOperand(0) != norm.result)
    return;
  TensorInfo whole = getTensorInfo(part->getOperand(0)), parted = getTensorInfo(input);
  if (!whole.hasRank() || whole.rank() < 2 || !parted.hasRank() || parted.rank() < 3 ||
      !haveOneShape(whole, getTensorInfo(join->getResult(0))))
    return;
  std::optional<int64_t> groups = countGroups(whole, parted, *norm.axes);
  if (!groups)
    return;
  norm.kind = "group_norm";
  norm.form = "decomposed";
  norm.groups = groups;
  norm.axes = getAxesFrom(part->getOperand(0), 1);
  norm.result = join->getResult(0);
  takeAffine(norm);
}

Value basin::onnx::takeAffine(OtherNorm &norm) {
  Value weight;
  auto take = [&](bool isBias) -> Value {
    Operation *user = getOnlyUser(norm.result);
    if (!user || (isBias ? !isa<AddOp>(user) : !isa<MulOp>(user)))
      return {};
    Value other = otherOperand(user, norm.result);
    if (!other || other == norm.result || !isConstant(skipCasts(other)) ||
        !keepsRank(other, norm.result))
      return {};
    norm.result = user->getResult(0);
    return other;
  };
  weight = take(/*isBias=*/false);
  take(/*isBias=*/true);
  return weight;
}
