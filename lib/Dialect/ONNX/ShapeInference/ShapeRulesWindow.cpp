//===- ShapeRulesWindow.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operators other than Conv whose kernel slides over spatial axes: x [N, C, spatial...] gives [N,
// channels, places...]. A size of the result is known if that of the input is, and likewise rank,
// batch and channels.
//   Conv, pools       floor or ceil((size + pads - extent) / stride) + 1
//   ConvTranspose     stride * (size - 1) + output_padding + extent - pads
// where extent = (kernel - 1) * dilation + 1. With SAME_UPPER and SAME_LOWER, the padding makes the
// size depend on the stride alone.
//
//===----------------------------------------------------------------------===//

#include "ShapeRulesGeneric.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

namespace {
struct Window {
  Dims kernel;
  Ints strides, dilations, pads;
  StringRef mode;

  bool isSame() const { return mode == "SAME_UPPER" || mode == "SAME_LOWER"; }
  /// Returns how many elements the kernel spans along axis `i`.
  Dim extent(size_t i) const { return scaleDim(scaleDim(kernel[i], 1, -1), dilations[i], 1); }
};
} // namespace

/// Reads `count` integers of at least `least`, or `count` times `otherwise` if the attribute is
/// absent. Nothing if it has another value.
static std::optional<Ints> readList(Operation *op, StringRef name, size_t count, int64_t least,
                                    int64_t otherwise) {
  std::optional<Ints> given = getNodeInts(op, name);
  if (!given && getNodeAttr(op, name))
    return std::nullopt;
  Ints out = given.value_or(Ints(count, otherwise));
  if (out.size() != count || llvm::any_of(out, [&](int64_t value) { return value < least; }))
    return std::nullopt;
  return out;
}

/// Reads the window over `count` axes. Sizes of the kernel follow the `first` axes of `weights`.
static std::optional<Window> readWindow(Operation *op, size_t count, const TensorInfo &weights,
                                        size_t first) {
  Window w;
  w.mode = getNodeString(op, "auto_pad", "NOTSET");
  auto strides = readList(op, "strides", count, 1, 1);
  auto dilations = readList(op, "dilations", count, 1, 1);
  auto pads = readList(op, "pads", 2 * count, 0, 0);
  if (!strides || !dilations || !pads)
    return std::nullopt;
  w.strides = *strides;
  w.dilations = *dilations;
  w.pads = w.mode == "NOTSET" ? *pads : Ints(2 * count, 0);
  w.kernel = Dims(count, Dim());
  if (weights.hasRank() && weights.rank() == int64_t(first + count))
    w.kernel = Dims(ArrayRef(*weights.dims).drop_front(first));
  if (getNodeAttr(op, "kernel_shape")) {
    auto kernel = readList(op, "kernel_shape", count, 1, 1);
    if (!kernel)
      return std::nullopt;
    w.kernel = Dims(kernel->begin(), kernel->end());
  }
  return w;
}

/// Returns the number of places of the window along axis `i`, which has `size` elements.
static Dim slide(const Dim &size, const Window &w, size_t i, bool ceils) {
  int64_t stride = w.strides[i];
  if (w.isSame()) {
    if (stride == 1)
      return size;
    return size.isStatic() ? Dim(int64_t(llvm::divideCeil(size.size, stride))) : Dim();
  }
  Dim extent = w.extent(i);
  size_t count = w.kernel.size();
  if (!extent.isStatic() || size.is(0))
    return {};
  Dim pads = scaleDim(Dim(w.pads[i]), 1, w.pads[count + i]);
  if (!size.isStatic())
    return stride == 1 && pads.is(extent.size - 1) ? size : Dim();
  Dim room = pads.isStatic() ? scaleDim(scaleDim(size, 1, pads.size), 1, -extent.size) : Dim();
  if (!room.isStatic())
    return {};
  int64_t places = room.size / stride + 1, next;
  // A last window also counts if it begins inside the input or in the padding before it.
  if (ceils && room.size % stride != 0 && !llvm::MulOverflow(places, stride, next) &&
      next < size.size + w.pads[i])
    ++places;
  return places;
}

/// Returns [N, channels], to which spatial sizes are added. Nothing if the rank is unknown or below
/// 3.
static std::optional<Dims> startDims(const TensorInfo &x, const Dim &channels) {
  if (!x.hasRank() || x.rank() < 3)
    return std::nullopt;
  return Dims{x[0], channels};
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

static std::optional<Dims> convDims(Operation *op, const TensorInfo &x, const TensorInfo &weights) {
  std::optional<Dims> out =
      startDims(x, weights.hasRank() && weights.rank() >= 3 ? weights[0] : Dim());
  if (!out)
    return std::nullopt;
  size_t count = x.rank() - 2;
  std::optional<Window> w = readWindow(op, count, weights, 2);
  for (size_t i = 0; i < count; ++i)
    out->push_back(w ? slide(x[2 + i], *w, i, /*ceils=*/false) : Dim());
  return out;
}

void infer::convLike(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0);
  setResult(op, types, 0, {x.element, convDims(op, x, getInput(op, 1))});
}

void infer::convInteger(Operation *op, Types &types) {
  Type i32 = Builder(op->getContext()).getI32Type();
  setResult(op, types, 0, {i32, convDims(op, getInput(op, 0), getInput(op, 1))});
}

void infer::qLinearConv(Operation *op, Types &types) {
  setResult(op, types, 0,
            {getInput(op, 7).element, convDims(op, getInput(op, 0), getInput(op, 3))});
}

void infer::convTranspose(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0), weights = getInput(op, 1), out{x.element, std::nullopt};
  bool hasWeights = weights.hasRank() && weights.rank() >= 3;
  int64_t group = getNodeInt(op, "group", 1);
  out.dims = startDims(x, hasWeights && group > 0 ? scaleDim(weights[1], group) : Dim());
  if (!out.dims)
    return setResult(op, types, 0, out);
  size_t count = x.rank() - 2;
  std::optional<Window> w = readWindow(op, count, weights, 2);
  std::optional<Ints> more = readList(op, "output_padding", count, 0, 0);
  std::optional<Ints> stated = getNodeInts(op, "output_shape");
  for (size_t i = 0; i < count; ++i) {
    Dim size;
    if (stated && stated->size() == count && (*stated)[i] >= 0) {
      size = (*stated)[i];
    } else if (w && more && !stated && w->isSame()) {
      size = scaleDim(x[2 + i], w->strides[i]);
    } else if (Dim extent = w ? w->extent(i) : Dim(); extent.isStatic() && more && !stated) {
      size = scaleDim(scaleDim(x[2 + i], 1, -1), w->strides[i], (*more)[i]);
      size = scaleDim(scaleDim(size, 1, extent.size), 1, -w->pads[i]);
      size = scaleDim(size, 1, -w->pads[count + i]);
    }
    out.dims->push_back(size);
  }
  setResult(op, types, 0, out);
}

//===----------------------------------------------------------------------===//
// Pools
//===----------------------------------------------------------------------===//

void infer::pool(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0),
             out{x.element, startDims(x, x.hasRank() && x.rank() > 1 ? x[1] : Dim())};
  if (out.dims) {
    size_t count = x.rank() - 2;
    std::optional<Window> w = readWindow(op, count, TensorInfo(), 2);
    bool ceils = getNodeInt(op, "ceil_mode", 0) != 0;
    for (size_t i = 0; i < count; ++i)
      out.dims->push_back(w ? slide(x[2 + i], *w, i, ceils) : Dim());
  }
  setResult(op, types, 0, out);
  setResult(op, types, 1, {Builder(op->getContext()).getI64Type(), out.dims});
}

void infer::globalPool(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0);
  if (x.hasRank() && x.rank() >= 2)
    std::fill(x.dims->begin() + 2, x.dims->end(), Dim(1));
  else
    x.dims = std::nullopt;
  setResult(op, types, 0, x);
}

void infer::maxUnpool(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0),
             out{x.element, startDims(x, x.hasRank() && x.rank() > 1 ? x[1] : Dim())};
  if (!out.dims)
    return setResult(op, types, 0, out);
  size_t count = x.rank() - 2;
  std::optional<Window> w = readWindow(op, count, TensorInfo(), 2);
  bool isTold = static_cast<bool>(getInputOrNull(op, 2));
  for (size_t i = 0; i < count; ++i) {
    Dim size;
    if (w && !isTold && w->kernel[i].isStatic()) {
      size = scaleDim(scaleDim(x[2 + i], 1, -1), w->strides[i], w->kernel[i].size);
      size = scaleDim(scaleDim(size, 1, -w->pads[i]), 1, -w->pads[count + i]);
    }
    out.dims->push_back(size);
  }
  setResult(op, types, 0, out);
}
