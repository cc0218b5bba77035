//===- ShapeRulesConv.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Conv of X [N, C, spatial...] by W [M, C / group, kernel...] and B [M] gives [N, M, spatial...].
// Each spatial size is the number of places of the window:
//   SAME_UPPER, SAME_LOWER   ceil(size / stride)
//   else                     floor((size + pads - extent) / stride) + 1
// where extent = (kernel - 1) * dilation + 1.
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

#include "basin/Dialect/ONNX/IR/QuoteName.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

namespace {
/// How the kernel slides along one spatial axis.
struct Window {
  Dim kernel;
  int64_t stride, dilation, before, after;
  bool same; // padded so that only the stride shrinks the size
};
} // namespace

/// Returns an attribute of `count` integers, or `count` times `otherwise` if it is absent. Fails if
/// it has another length or an integer below `least`.
static FailureOr<Ints> readInts(Operation *op, StringRef name, int64_t count, int64_t least,
                                int64_t otherwise) {
  auto attr = op->getAttrOfType<DenseI64ArrayAttr>(name);
  if (!attr)
    return Ints(count, otherwise);
  if (attr.size() != count) {
    op->emitOpError("expected ") << count << " " << name << ", but got " << attr.size();
    return failure();
  }
  for (int64_t value : attr.asArrayRef())
    if (value < least) {
      op->emitOpError("expected ") << name << " of at least " << least << ", but got " << value;
      return failure();
    }
  return Ints(attr.asArrayRef());
}

static FailureOr<Dims> readKernel(Operation *op, const TensorInfo &weights, int64_t count) {
  Dims kernel(count, Dim());
  if (weights.hasRank())
    kernel = Dims(ArrayRef(*weights.dims).drop_front(2));
  if (!op->hasAttr("kernel_shape"))
    return kernel;
  FailureOr<Ints> stated = readInts(op, "kernel_shape", count, 1, 1);
  if (failed(stated))
    return failure();
  for (auto [dim, size] : llvm::zip(kernel, *stated)) {
    FailureOr<Dim> merged = requireEqual(op, Dim(size), dim, "sizes of kernel_shape and W");
    if (failed(merged))
      return failure();
    dim = *merged;
  }
  return kernel;
}

static FailureOr<SmallVector<Window>> readWindows(Operation *op, const TensorInfo &weights,
                                                  int64_t count) {
  auto attr = op->getAttrOfType<StringAttr>("auto_pad");
  StringRef mode = attr ? attr.getValue() : StringRef("NOTSET");
  bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (!same && mode != "VALID" && mode != "NOTSET") {
    op->emitOpError("expected auto_pad to be NOTSET, SAME_UPPER, SAME_LOWER or VALID, but got ")
        << quoteName(mode);
    return failure();
  }
  FailureOr<Dims> kernel = readKernel(op, weights, count);
  FailureOr<Ints> strides = readInts(op, "strides", count, 1, 1);
  FailureOr<Ints> dilations = readInts(op, "dilations", count, 1, 1);
  FailureOr<Ints> pads = Ints(2 * count, 0);
  if (mode == "NOTSET")
    pads = readInts(op, "pads", 2 * count, 0, 0);
  if (failed(kernel) || failed(strides) || failed(dilations) || failed(pads))
    return failure();
  SmallVector<Window> windows;
  for (int64_t i = 0; i < count; ++i)
    windows.push_back(
        {(*kernel)[i], (*strides)[i], (*dilations)[i], (*pads)[i], (*pads)[count + i], same});
  return windows;
}

/// Returns the number of places of the window along a dim.
static FailureOr<Dim> slide(Operation *op, const Dim &dim, const Window &window) {
  if (window.same) {
    if (window.stride == 1)
      return dim;
    return dim.isStatic() ? Dim(int64_t(llvm::divideCeil(dim.size, window.stride))) : Dim();
  }
  int64_t extent, pads, padded;
  if (!window.kernel.isStatic() || window.kernel.size == 0 ||
      llvm::MulOverflow(window.kernel.size - 1, window.dilation, extent) ||
      llvm::AddOverflow(extent, int64_t(1), extent) ||
      llvm::AddOverflow(window.before, window.after, pads))
    return Dim();
  if (!dim.isStatic())
    return window.stride == 1 && pads == extent - 1 ? dim : Dim();
  // Runtimes differ in the size that a kernel gives for an empty dim.
  if (dim.is(0) || llvm::AddOverflow(dim.size, pads, padded))
    return Dim();
  if (padded < extent) {
    op->emitOpError("expected a padded size of at least ")
        << extent << " under the kernel, but got " << padded;
    return failure();
  }
  return Dim((padded - extent) / window.stride + 1);
}

/// Checks the channels of all three operands and returns those of the result.
static FailureOr<Dim> readChannels(Operation *op, const TensorInfo &x, const TensorInfo &weights,
                                   const TensorInfo &bias) {
  int64_t group = getIntAttr(op, "group", 1);
  if (group < 1) {
    op->emitOpError("expected a group of at least 1, but got ") << group;
    return failure();
  }
  if (failed(requireRank(op, bias, 1, "a bias")))
    return failure();
  Dim channels = bias.hasRank() ? bias[0] : Dim();
  if (!weights.hasRank())
    return channels;
  if (x.hasRank() && failed(requireEqual(op, x[1], multiplyDims(weights[1], Dim(group)),
                                         "channels of X and of W in all groups")))
    return failure();
  if (weights[0].isStatic() && weights[0].size % group != 0) {
    op->emitOpError("expected output channels that divide into ")
        << group << " groups, but got " << weights[0].size;
    return failure();
  }
  return requireEqual(op, weights[0], channels, "sizes of W's first axis and the bias");
}

LogicalResult infer::conv(Operation *op, Types &types) {
  FailureOr<Type> element = getCommonElement(op, 0, 2);
  if (failed(element))
    return failure();
  TensorInfo x = getInput(op, 0), weights = getInput(op, 1), bias = getInput(op, 2);
  setResult(op, types, 0, {*element, std::nullopt});
  for (const TensorInfo *operand : {&x, &weights})
    if (operand->hasRank() && operand->rank() < 3)
      return op->emitOpError("expected X and W of rank 3 or more, but got ")
             << toString(*operand->dims);
  if (x.hasRank() && failed(requireRank(op, weights, x.rank(), "W")))
    return failure();
  auto kernel = op->getAttrOfType<DenseI64ArrayAttr>("kernel_shape");
  if (!x.hasRank() && !weights.hasRank() && !kernel)
    return success();
  int64_t count = x.hasRank()         ? x.rank() - 2
                  : weights.hasRank() ? weights.rank() - 2
                                      : kernel.size();
  FailureOr<Dim> channels = readChannels(op, x, weights, bias);
  FailureOr<SmallVector<Window>> windows = readWindows(op, weights, count);
  if (failed(channels) || failed(windows))
    return failure();
  Dims dims{x.hasRank() ? x[0] : Dim(), *channels};
  for (auto [i, window] : llvm::enumerate(*windows)) {
    FailureOr<Dim> size = slide(op, x.hasRank() ? x[2 + i] : Dim(), window);
    if (failed(size))
      return failure();
    dims.push_back(*size);
  }
  setResult(op, types, 0, {*element, dims});
  return success();
}
