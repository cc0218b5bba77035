//===- RotaryParts.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Leaf matchers of rotary embedding: what takes a value apart, and what puts it together.
//
//===----------------------------------------------------------------------===//

#include "RotaryParts.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;

static std::optional<int64_t> evaluateInt(Value value) {
  if (!value)
    return std::nullopt;
  auto ints = evaluateInts(value);
  return ints && ints->size() == 1 ? std::optional<int64_t>(ints->front()) : std::nullopt;
}

static std::optional<RotaryPart> matchSlice(SliceOp slice, Ops &ops) {
  std::optional<int64_t> width = getDim(slice.getData(), -1);
  if (!width)
    return std::nullopt;
  std::optional<int64_t> start, end, axis = 0, step = 1;
  if (slice.getStartsInput()) {
    start = evaluateInt(slice.getStartsInput());
    end = evaluateInt(slice.getEndsInput());
    axis = slice.getAxesInput() ? evaluateInt(slice.getAxesInput()) : std::nullopt;
    if (slice.getSteps())
      step = evaluateInt(slice.getSteps());
  } else if (slice.getStarts() && slice.getEnds() && slice.getAxes() &&
             slice.getStarts()->size() == 1) {
    start = slice.getStarts()->front();
    end = slice.getEnds()->front();
    axis = slice.getAxes()->front();
  }
  if (!start || !end || !axis || !step || *step <= 0 || !isLastAxis(slice.getData(), *axis))
    return std::nullopt;
  SliceBounds bounds = clampSlice(*start, *end, *step, *width);
  ops.insert(slice);
  return RotaryPart{slice.getData(), bounds.start, bounds.step, bounds.length, *width};
}

static std::optional<RotaryPart> matchSplit(Value value, SplitOp split, Ops &ops) {
  if (split->getNumResults() != 2 || !split.getInput() ||
      !isLastAxis(split.getInput(), split.getAxis().value_or(0)))
    return std::nullopt;
  std::optional<int64_t> width = getDim(split.getInput(), -1);
  std::optional<int64_t> first = getDim(split->getResult(0), -1);
  if (!width || !first)
    return std::nullopt;
  ops.insert(split);
  bool isFirst = value == split->getResult(0);
  return RotaryPart{split.getInput(), isFirst ? 0 : *first, 1, isFirst ? *first : *width - *first,
                    *width};
}

namespace {
/// Element `index` of an axis with two elements.
struct OneOfTwo {
  Value source;
  int64_t axis = 0, index = 0;
};
} // namespace

/// Matches a Gather of one index, or a Squeeze of a Slice or Split of one element.
static std::optional<OneOfTwo> matchOneOfTwo(Value value, Ops &ops) {
  auto axisOf = [](Value source, int64_t axis) -> std::optional<int64_t> {
    std::optional<int64_t> rank = getRank(source);
    if (!rank)
      return std::nullopt;
    axis = axis < 0 ? axis + *rank : axis;
    return getDim(source, axis) == 2 ? std::optional(axis) : std::nullopt;
  };
  if (auto gather = value.getDefiningOp<GatherOp>()) {
    std::optional<int64_t> axis = axisOf(gather.getData(), gather.getAxis().value_or(0));
    std::optional<int64_t> index = evaluateInt(gather.getIndices());
    if (!axis || !index || getRank(gather.getIndices()) != 0)
      return std::nullopt;
    ops.insert(gather);
    return OneOfTwo{gather.getData(), *axis, *index < 0 ? *index + 2 : *index};
  }
  auto squeeze = value.getDefiningOp<SqueezeOp>();
  std::optional<int64_t> rank = squeeze ? getRank(squeeze.getData()) : std::nullopt;
  std::optional<SmallVector<int64_t>> axes = rank ? getAxes(squeeze, *rank) : std::nullopt;
  auto split = squeeze ? squeeze.getData().getDefiningOp<SplitOp>() : SplitOp();
  if (!axes || axes->size() != 1 || !split || split->getNumResults() != 2 || !split.getInput() ||
      axisOf(split.getInput(), split.getAxis().value_or(0)) != axes->front())
    return std::nullopt;
  ops.insert(squeeze);
  ops.insert(split);
  return OneOfTwo{split.getInput(), axes->front(),
                  squeeze.getData() == split->getResult(0) ? 0 : 1};
}

/// Matches an element of the axis that a Reshape parts the last axis by.
static std::optional<RotaryPart> matchReshaped(Value value, Ops &ops) {
  std::optional<OneOfTwo> one = matchOneOfTwo(value, ops);
  auto reshape = one ? skipCasts(one->source, &ops).getDefiningOp<ReshapeOp>() : ReshapeOp();
  if (!reshape)
    return std::nullopt;
  TensorInfo from = getTensorInfo(reshape.getData()), to = getTensorInfo(reshape->getResult(0));
  if (!from.hasRank() || !to.hasRank() || to.rank() != from.rank() + 1 || one->axis + 2 < to.rank())
    return std::nullopt;
  for (int64_t i = 0; i + 1 < from.rank(); ++i)
    if (!from[i].provablyEquals(to[i]))
      return std::nullopt;
  bool isLast = one->axis + 1 == to.rank();
  const Dim &width = from[from.rank() - 1], &length = to[isLast ? to.rank() - 2 : to.rank() - 1];
  if (!width.isStatic() || !length.is(width.size / 2) || width.size % 2 != 0)
    return std::nullopt;
  ops.insert(reshape);
  if (isLast)
    return RotaryPart{reshape.getData(), one->index, 2, length.size, width.size};
  return RotaryPart{reshape.getData(), one->index * length.size, 1, length.size, width.size};
}

std::optional<RotaryPart> basin::onnx::matchRotaryPart(Value value, Ops &ops) {
  value = skipCasts(value, &ops);
  if (auto slice = value.getDefiningOp<SliceOp>())
    return matchSlice(slice, ops);
  if (auto split = value.getDefiningOp<SplitOp>())
    return matchSplit(value, split, ops);
  return matchReshaped(value, ops);
}

bool basin::onnx::isRotaryPair(const RotaryPart &a, const RotaryPart &b, bool &interleaved) {
  if (a.source != b.source || a.step != b.step || a.width % 2 != 0 || a.length != a.width / 2 ||
      b.length != a.width / 2)
    return false;
  interleaved = a.step == 2;
  return interleaved ? a.start == 0 && b.start == 1
                     : a.step == 1 && a.start == 0 && b.start == a.width / 2;
}

Value basin::onnx::matchNegated(Value value, Ops &ops) {
  value = skipCasts(value, &ops);
  if (auto neg = value.getDefiningOp<NegOp>()) {
    ops.insert(neg);
    return neg.getX();
  }
  Ops scaledOps;
  if (auto scaled = matchScaled(value, scaledOps); scaled && scaled->factor == -1) {
    ops.insert(scaledOps.begin(), scaledOps.end());
    return scaled->source;
  }
  return {};
}

Value basin::onnx::matchStacked(Value value, Ops &ops) {
  auto unsqueeze = value.getDefiningOp<UnsqueezeOp>();
  if (!unsqueeze)
    return {};
  std::optional<int64_t> rank = getRank(value);
  std::optional<SmallVector<int64_t>> axes;
  if (unsqueeze.getAxes())
    axes = llvm::to_vector(*unsqueeze.getAxes());
  else if (unsqueeze.getAxesInput())
    axes = getConstantInts(unsqueeze.getAxesInput());
  if (!axes || axes->size() != 1 || !(axes->front() == -1 || (rank && axes->front() == *rank - 1)))
    return {};
  ops.insert(unsqueeze);
  return unsqueeze.getData();
}

Value basin::onnx::matchUnstacked(Value value, Ops &ops) {
  Operation *found = nullptr;
  for (Operation *user : value.getUsers()) {
    if (isa<ShapeOp>(user))
      continue;
    if (found || !isa<ReshapeOp, FlattenOp>(user) || user->getOperand(0) != value)
      return {};
    found = user;
  }
  if (!found)
    return {};
  ops.insert(found);
  return found->getResult(0);
}
