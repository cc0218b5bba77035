//===- Views.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Views: ops whose result is another way to read their operand's memory. Sizes are compared as sums
// of products, so that a view of symbolic sizes is found where its axes are provably those of the
// operand, split or merged.
//
//===----------------------------------------------------------------------===//

#include "PointwiseReader.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;

bool View::isContiguous() const {
  Size expected = 1;
  for (size_t axis = sizes.size(); axis-- > 0;) {
    if (sizes[axis].is(1))
      continue;
    if (!(strides[axis] == expected))
      return false;
    expected = expected * sizes[axis];
  }
  return true;
}

std::optional<Sizes> plan::getSizes(Value value) {
  onnx::TensorInfo info = onnx::getTensorInfo(value);
  if (!info.hasRank())
    return std::nullopt;
  Sizes sizes;
  for (const onnx::Dim &dim : *info.dims) {
    std::optional<Size> size = Size::of(dim);
    if (!size)
      return std::nullopt;
    sizes.push_back(*size);
  }
  return sizes;
}

//===----------------------------------------------------------------------===//
// Reshape
//===----------------------------------------------------------------------===//

static SmallVector<unsigned> findLongAxes(ArrayRef<Size> sizes) {
  SmallVector<unsigned> axes;
  for (unsigned axis = 0; axis < sizes.size(); ++axis)
    if (!sizes[axis].is(1))
      axes.push_back(axis);
  return axes;
}

static Size multiplyAxes(ArrayRef<Size> sizes, ArrayRef<unsigned> axes) {
  Size product = 1;
  for (unsigned axis : axes)
    product = product * sizes[axis];
  return product;
}

/// Returns the smallest groups that begin both lists of axes and have equal products.
static std::optional<AxisGroup> findGroup(ArrayRef<Size> from, ArrayRef<unsigned> fromAxes,
                                          ArrayRef<Size> to, ArrayRef<unsigned> toAxes) {
  for (size_t total = 2; total <= fromAxes.size() + toAxes.size(); ++total)
    for (size_t count = 1; count < total; ++count) {
      if (count > fromAxes.size() || total - count > toAxes.size())
        continue;
      ArrayRef<unsigned> some = fromAxes.take_front(count),
                         others = toAxes.take_front(total - count);
      if (multiplyAxes(from, some) == multiplyAxes(to, others))
        return AxisGroup{SmallVector<unsigned>(some), SmallVector<unsigned>(others)};
    }
  return std::nullopt;
}

std::optional<SmallVector<AxisGroup>> plan::groupAxes(ArrayRef<Size> from, ArrayRef<Size> to) {
  SmallVector<unsigned> fromAll = findLongAxes(from), toAll = findLongAxes(to);
  ArrayRef<unsigned> fromAxes = fromAll, toAxes = toAll;
  SmallVector<AxisGroup> groups;
  while (!fromAxes.empty() && !toAxes.empty()) {
    std::optional<AxisGroup> group = findGroup(from, fromAxes, to, toAxes);
    if (!group)
      return std::nullopt;
    fromAxes = fromAxes.drop_front(group->from.size());
    toAxes = toAxes.drop_front(group->to.size());
    groups.push_back(std::move(*group));
  }
  if (!fromAxes.empty() || !toAxes.empty())
    return std::nullopt;
  return groups;
}

/// Returns the strides of a view of other sizes, in the same order of elements. Axes of size one
/// have stride 0. Returns nothing if the elements of a group are not evenly spaced.
static std::optional<Sizes> reshapeStrides(ArrayRef<Size> oldSizes, ArrayRef<Size> oldStrides,
                                           ArrayRef<Size> sizes) {
  std::optional<SmallVector<AxisGroup>> groups = groupAxes(oldSizes, sizes);
  if (!groups)
    return std::nullopt;
  Sizes strides(sizes.size());
  for (const AxisGroup &group : *groups) {
    for (auto [outer, inner] : llvm::zip(group.from, llvm::drop_begin(group.from)))
      if (!(oldStrides[outer] == oldStrides[inner] * oldSizes[inner]))
        return std::nullopt;
    Size stride = oldStrides[group.from.back()];
    for (unsigned axis : llvm::reverse(group.to)) {
      strides[axis] = stride;
      stride = stride * sizes[axis];
    }
  }
  return strides;
}

//===----------------------------------------------------------------------===//
// Slice, Split, Gather
//===----------------------------------------------------------------------===//

/// Returns the entries of an operand, or of the attribute that old opsets had in its place.
static std::optional<onnx::ShapeValue> readEntries(Operation *op, unsigned operand,
                                                   StringRef attribute) {
  if (auto attr = op->getAttrOfType<DenseI64ArrayAttr>(attribute))
    return onnx::ShapeValue(attr.asArrayRef().begin(), attr.asArrayRef().end());
  Value value = onnx::getInputOrNull(op, operand);
  return value ? onnx::evaluateShapeValue(value) : std::nullopt;
}

/// Returns the first element of a sliced axis of `dim`, whose bounds are clamped by ONNX's rules.
static std::optional<Size> findStart(const onnx::ShapeEntry &entry, int64_t step,
                                     const onnx::Dim &dim) {
  std::optional<Size> size = Size::of(dim);
  if (!size || step == 0)
    return std::nullopt;
  if (entry.symbol)
    return step > 0 ? Size::of(onnx::Dim(entry.symbol)) : std::nullopt;
  if (!entry.constant)
    return std::nullopt;
  if (dim.isStatic())
    return Size(
        onnx::clampSlice(*entry.constant, step > 0 ? dim.size : -dim.size - 1, step, dim.size)
            .start);
  if (step < 0)
    return std::nullopt;
  return *entry.constant < 0 ? *size + Size(*entry.constant) : Size(*entry.constant);
}

std::optional<SmallVector<SlicedAxis>> plan::readSlice(onnx::SliceOp op) {
  onnx::TensorInfo data = onnx::getTensorInfo(op.getData());
  std::optional<onnx::ShapeValue> starts = readEntries(op, 1, "starts");
  if (!data.hasRank() || !starts)
    return std::nullopt;
  std::optional<onnx::ShapeValue> axes = readEntries(op, 3, "axes");
  std::optional<onnx::ShapeValue> steps = readEntries(op, 4, "steps");
  bool hasAxes = onnx::getInputOrNull(op, 3) || op->hasAttr("axes");
  bool hasSteps = static_cast<bool>(onnx::getInputOrNull(op, 4));
  if ((hasAxes && (!axes || axes->size() != starts->size())) ||
      (hasSteps && (!steps || steps->size() != starts->size())))
    return std::nullopt;
  SmallVector<SlicedAxis> out;
  for (size_t i = 0; i < starts->size(); ++i) {
    std::optional<int64_t> axis = hasAxes ? (*axes)[i].constant : int64_t(i);
    std::optional<int64_t> step = hasSteps ? (*steps)[i].constant : 1;
    if (!axis || !step || *axis < -data.rank() || *axis >= data.rank())
      return std::nullopt;
    *axis += *axis < 0 ? data.rank() : 0;
    std::optional<Size> start = findStart((*starts)[i], *step, data[*axis]);
    if (!start)
      return std::nullopt;
    out.push_back({*axis, *step, *start});
  }
  return out;
}

static std::optional<View> applySlice(onnx::SliceOp op, View view) {
  std::optional<SmallVector<SlicedAxis>> axes = readSlice(op);
  if (!axes)
    return std::nullopt;
  for (const SlicedAxis &one : *axes) {
    if (one.step < 0)
      return std::nullopt;
    view.offset = view.offset + one.start * view.strides[one.axis];
    view.strides[one.axis] = view.strides[one.axis] * Size(one.step);
  }
  return view;
}

static std::optional<int64_t> normalizeAxis(int64_t axis, int64_t rank) {
  return axis < -rank || axis >= rank ? std::nullopt : std::optional(axis < 0 ? axis + rank : axis);
}

static std::optional<View> applySplit(onnx::SplitOp op, OpResult result, View view) {
  std::optional<int64_t> axis = normalizeAxis(int64_t(op.getAxis().value_or(0)), view.sizes.size());
  if (!axis)
    return std::nullopt;
  for (unsigned i = 0; i < result.getResultNumber(); ++i) {
    std::optional<Sizes> before = getSizes(op->getResult(i));
    if (!before)
      return std::nullopt;
    view.offset = view.offset + (*before)[*axis] * view.strides[*axis];
  }
  return view;
}

/// A Gather of one constant index takes an axis away.
static std::optional<View> applyGather(onnx::GatherOp op, View view) {
  std::optional<int64_t> axis = normalizeAxis(int64_t(op.getAxis().value_or(0)), view.sizes.size());
  std::optional<SmallVector<int64_t>> index = onnx::getConstantInts(op.getIndices());
  onnx::TensorInfo indices = onnx::getTensorInfo(op.getIndices());
  if (!axis || !index || index->size() != 1 || !indices.hasRank() || indices.rank() != 0)
    return std::nullopt;
  Size position =
      index->front() < 0 ? view.sizes[*axis] + Size(index->front()) : Size(index->front());
  if (std::optional<int64_t> size = view.sizes[*axis].getNumber();
      size && (index->front() < -*size || index->front() >= *size))
    return std::nullopt;
  view.offset = view.offset + position * view.strides[*axis];
  view.strides.erase(view.strides.begin() + *axis);
  return view;
}

//===----------------------------------------------------------------------===//
// All
//===----------------------------------------------------------------------===//

static std::optional<View> applyTranspose(onnx::TransposeOp op, View view) {
  Sizes strides;
  ArrayRef<int64_t> perm = op.getPerm().value_or(ArrayRef<int64_t>());
  for (size_t i = 0, e = view.strides.size(); i < e; ++i)
    strides.push_back(view.strides[perm.empty() ? e - 1 - i : perm[i]]);
  view.strides = strides;
  return view;
}

/// Repeats axes of size one.
static std::optional<View> applyExpand(ArrayRef<Size> sizes, View view) {
  if (sizes.size() < view.sizes.size())
    return std::nullopt;
  Sizes strides(sizes.size());
  size_t missing = sizes.size() - view.sizes.size();
  for (size_t i = 0; i < view.sizes.size(); ++i) {
    if (view.sizes[i].is(1))
      continue;
    if (!(view.sizes[i] == sizes[missing + i]))
      return std::nullopt;
    strides[missing + i] = view.strides[i];
  }
  view.strides = strides;
  return view;
}

bool plan::isViewOp(Operation *op) {
  if (auto cast = dyn_cast<onnx::CastOp>(op))
    return onnx::getTensorInfo(cast.getInput()).element ==
           onnx::getTensorInfo(cast.getResult()).element;
  if (auto gather = dyn_cast<onnx::GatherOp>(op))
    return onnx::isConstant(gather.getIndices()) &&
           onnx::getTensorInfo(gather.getIndices()).rank() == 0;
  return isa<onnx::IdentityOp, onnx::TransposeOp, onnx::ReshapeOp, onnx::FlattenOp,
             onnx::UnsqueezeOp, onnx::SqueezeOp, onnx::SliceOp, onnx::SplitOp, onnx::ExpandOp>(op);
}

std::optional<View> plan::applyView(OpResult result, const View &source) {
  Operation *op = result.getOwner();
  std::optional<Sizes> sizes = getSizes(result);
  if (!sizes || !isViewOp(op))
    return std::nullopt;
  std::optional<View> view =
      llvm::TypeSwitch<Operation *, std::optional<View>>(op)
          .Case([&](onnx::TransposeOp typed) { return applyTranspose(typed, source); })
          .Case([&](onnx::SliceOp typed) { return applySlice(typed, source); })
          .Case([&](onnx::SplitOp typed) { return applySplit(typed, result, source); })
          .Case([&](onnx::GatherOp typed) { return applyGather(typed, source); })
          .Case([&](onnx::ExpandOp) { return applyExpand(*sizes, source); })
          .Case<onnx::CastOp, onnx::IdentityOp>([&](auto) { return source; })
          .Default([&](Operation *) -> std::optional<View> {
            std::optional<Sizes> strides = reshapeStrides(source.sizes, source.strides, *sizes);
            if (!strides)
              return std::nullopt;
            return View{source.buffer, *sizes, *strides, source.offset};
          });
  if (!view || view->strides.size() != sizes->size())
    return std::nullopt;
  view->sizes = *sizes;
  return view;
}
