//===- PlanConv.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plans convolutions of one group, as the patches of images and the first layers of audio models
// have them: a pointwise kernel copies the elements that each result reads into the row of a
// matrix, and a product multiplies the rows by the weights.
//
//===----------------------------------------------------------------------===//

#include "PointwiseReader.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;

namespace {
/// A convolution over `rank` spatial axes.
struct Window {
  size_t rank = 0;
  SmallVector<int64_t> kernel, strides, dilations, pads;
};
} // namespace

static SmallVector<int64_t> orOnes(std::optional<ArrayRef<int64_t>> attribute, size_t rank) {
  return attribute ? SmallVector<int64_t>(*attribute) : SmallVector<int64_t>(rank, 1);
}

/// Reads the attributes. Returns why no step does the convolution.
static WhyNot readWindow(onnx::ConvOp op, ArrayRef<Size> x, ArrayRef<Size> w, Window &window) {
  if (x.size() < 3 || x.size() > 4 || w.size() != x.size())
    return "expected a convolution over one or two spatial axes";
  if (op.getGroup().value_or(1) != 1)
    return "expected one group, but got " + std::to_string(int64_t(*op.getGroup()));
  StringRef padding = op.getAutoPad().value_or("NOTSET");
  if (padding != "NOTSET" && padding != "VALID")
    return "expected stated pads, but got auto_pad " + op.getAutoPad()->str();
  window.rank = x.size() - 2;
  for (const Size &size : ArrayRef(w).drop_front(2)) {
    if (!size.getNumber())
      return "expected a kernel of known size";
    window.kernel.push_back(*size.getNumber());
  }
  window.strides = orOnes(op.getStrides(), window.rank);
  window.dilations = orOnes(op.getDilations(), window.rank);
  window.pads =
      op.getPads() ? SmallVector<int64_t>(*op.getPads()) : SmallVector<int64_t>(2 * window.rank, 0);
  if (window.strides.size() != window.rank || window.dilations.size() != window.rank ||
      window.pads.size() != 2 * window.rank)
    return "expected a stride, a dilation and two pads for each spatial axis";
  return std::nullopt;
}

/// Returns the element that a result at `at` [b, o.., c, k..] reads. Outside of the input it is 0.
static PointwiseReader::Text readPatch(PointwiseReader &reader, const View &x, const Window &window,
                                       ArrayRef<Index> at) {
  Indices own{at[0], at[1 + window.rank]};
  std::string inside;
  for (size_t i = 0; i < window.rank; ++i) {
    Index first = reader.multiply(at[1 + i], Index::of(window.strides[i]));
    Index step = reader.multiply(at[2 + window.rank + i], Index::of(window.dilations[i]));
    Index place = reader.add(reader.add(first, step), Index::of(-window.pads[i]));
    own.push_back(place);
    if (window.pads[i] == 0 && window.pads[window.rank + i] == 0)
      continue;
    std::string size = reader.getIndex(x.sizes[2 + i]).text;
    std::string test = "(and (ge " + place.text + " 0) (lt " + place.text + " " + size + "))";
    inside = inside.empty() ? test : "(and " + inside + " " + test + ")";
  }
  PointwiseReader::Text element = reader.load(x, own);
  if (failed(element) || inside.empty())
    return element;
  return "(if " + inside + " " + *element + " 0.0)";
}

LogicalResult Planner::planConv(onnx::ConvOp op) {
  std::optional<Sizes> sizes = getSizes(op.getResult()), w = getSizes(op.getW());
  FailureOr<View> x = require(op.getX());
  if (failed(x))
    return failure();
  if (!sizes || !w)
    return op.emitOpError("expected operands and results of known sizes");
  Window window;
  if (WhyNot why = readWindow(op, x->sizes, *w, window))
    return op.emitOpError() << *why;
  FailureOr<View> weight = requireContiguous(op.getW());
  if (failed(weight) || (op.getB() && failed(require(op.getB()))))
    return failure();
  // [b, o.., c, k..]
  Sizes shape{(*sizes)[0]};
  shape.append(sizes->begin() + 2, sizes->end());
  shape.append(w->begin() + 1, w->end());
  FailureOr<View> patches = addPointwise(op, "", shape, getBuffer(*x).type,
                                         [&](PointwiseReader &reader, ArrayRef<Index> at) {
                                           return readPatch(reader, *x, window, at);
                                         });
  if (failed(patches))
    return failure();
  // [b * o, c * k] times [c * k, n]. The result [b, o.., n] is seen as [b, n, o..].
  Size n = (*w)[0], k = plan::multiply(ArrayRef(*w).drop_front());
  Size rows = plan::multiply(ArrayRef(shape).take_front(1 + window.rank));
  View a{patches->buffer, {rows, k}, {k, 1}, 0};
  View b{weight->buffer, {k, n}, {1, k}, weight->offset};
  return addConvProduct(op, a, b, *sizes);
}

LogicalResult Planner::addConvProduct(onnx::ConvOp op, const View &a, const View &b,
                                      ArrayRef<Size> sizes) {
  Type type = getBuffer(a).type;
  ProductStep step;
  step.m = a.sizes[0];
  step.n = b.sizes[1];
  step.k = a.sizes[1];
  if (op.getB() && !(step.bias = findBias(op.getB(), step.n, type)))
    return op.emitOpError("expected a bias of ") << step.n.toString() << " elements";
  Sizes moved{sizes[0]};
  moved.append(sizes.begin() + 2, sizes.end());
  moved.push_back(sizes[1]);
  View c = addBuffer(Buffer::Temporary, onnx::getValueName(op.getResult()), type, moved);
  owners[c.buffer] = op.getResult();
  step.a = {{a.buffer, a.offset}, a.strides[0], a.strides[1], {}};
  step.b = {{b.buffer, b.offset}, b.strides[0], b.strides[1], {}};
  step.c = {{c.buffer, 0}, step.n, 1, {}};
  plan.steps.push_back(std::move(step));
  View result{c.buffer, Sizes(sizes), {c.strides[0], c.strides.back()}, 0};
  result.strides.append(c.strides.begin() + 1, c.strides.end() - 1);
  views[op.getResult()] = result;
  return success();
}
