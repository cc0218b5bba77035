//===- ProductLayout.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// cuBLASLt's matrices are contiguous along columns. A matrix with contiguous rows is one whose
// transpose is. If c has contiguous rows, the product is therefore c^T = b^T a^T, and a bias, which
// the library adds along the contiguous axis, lies along the rows of c.
//
// Two axes of the batch become one if, in all three matrices, a step of the one is as far as all
// steps of the other. Of the axes that remain, the longest becomes the batch of each call. The
// calls step through the others.
//
//===----------------------------------------------------------------------===//

#include "ProductLayout.h"

#include "ProductCheck.h"
#include "Tensor.h"

#include <algorithm>

using namespace basin::rt;

namespace {
/// An axis of the batch, with its strides in a, b and c.
struct Axis {
  int64_t size;
  std::array<int64_t, 3> strides;
};
struct Axes {
  std::array<Axis, BASIN_RT_MAX_BATCH> axes;
  size_t count = 0;

  void remove(size_t i) { axes[i] = axes[--count]; }
};
} // namespace

/// Makes `outer` and `inner` one axis, if a step of `outer` is as far as all steps of `inner`.
/// Neither size nor stride can overflow: sizes have 31 bits, and the check bounds the others.
static bool merge(const Axis &outer, Axis &inner) {
  if (outer.size * inner.size > INT32_MAX)
    return false;
  for (size_t i = 0; i < outer.strides.size(); ++i)
    if (outer.strides[i] != inner.size * inner.strides[i])
      return false;
  inner.size *= outer.size;
  return true;
}

static bool mergeOnce(Axes &batch) {
  for (size_t outer = 0; outer < batch.count; ++outer)
    for (size_t inner = 0; inner < batch.count; ++inner)
      if (outer != inner && merge(batch.axes[outer], batch.axes[inner])) {
        batch.remove(outer);
        return true;
      }
  return false;
}

static Axes findAxes(const basin_rt_product &product) {
  Axes batch;
  for (uint32_t axis = 0; axis < product.batch_rank; ++axis)
    if (product.batch[axis] > 1)
      batch.axes[batch.count++] = {product.batch[axis],
                                   {product.a.batch_strides[axis], product.b.batch_strides[axis],
                                    product.c.batch_strides[axis]}};
  while (mergeOnce(batch))
    ;
  return batch;
}

uint32_t basin::rt::alignmentOf(uint64_t number) {
  return static_cast<uint32_t>((number | 256) & (~(number | 256) + 1));
}

/// Describes a matrix of `rows` by `columns`. It is taken as it is if its form is that of c, and
/// transposed otherwise.
static BlasMatrix describe(const basin_rt_matrix &matrix, int64_t rows, int64_t columns,
                           bool hasRows) {
  MatrixForm form;
  (void)findForm(matrix, rows, columns, hasRows, form);
  BlasMatrix out = {};
  out.pointer = matrix.pointer;
  out.isTransposed = form.hasRows != hasRows;
  out.rows = form.hasRows ? columns : rows;
  out.columns = form.hasRows ? rows : columns;
  out.leading = form.leading;
  return out;
}

static void setBatch(BlasMatrix &matrix, size_t which, basin_rt_type type, const Axes &batch) {
  auto bits = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(matrix.pointer));
  // The last axis is the batch of each call.
  for (size_t i = 0; i + 1 < batch.count; ++i) {
    matrix.outerStrides[i] = batch.axes[i].strides[which] * static_cast<int64_t>(sizeOf(type));
    bits |= static_cast<uint64_t>(matrix.outerStrides[i]);
  }
  if (batch.count > 0)
    matrix.batchStride = batch.axes[batch.count - 1].strides[which];
  matrix.alignment = alignmentOf(bits);
}

BlasProduct basin::rt::arrange(const basin_rt_product &product) {
  MatrixForm form;
  (void)findForm(product.c, product.m, product.n, true, form);
  BlasProduct out;
  out.a = describe(product.a, product.m, product.k, form.hasRows);
  out.b = describe(product.b, product.k, product.n, form.hasRows);
  out.d = describe(product.c, product.m, product.n, form.hasRows);

  Axes batch = findAxes(product);
  if (batch.count > 0) {
    auto *begin = batch.axes.begin(), *end = begin + batch.count;
    auto *longest =
        std::max_element(begin, end, [](const Axis &x, const Axis &y) { return x.size < y.size; });
    std::swap(*longest, *(end - 1));
    out.batch = (end - 1)->size;
    out.outerRank = batch.count - 1;
    for (size_t i = 0; i < out.outerRank; ++i)
      out.outerSizes[i] = batch.axes[i].size;
  }
  setBatch(out.a, 0, product.type, batch);
  setBatch(out.b, 1, product.type, batch);
  setBatch(out.d, 2, product.result_type, batch);
  if (form.hasRows)
    std::swap(out.a, out.b);
  return out;
}

bool basin::rt::nextCall(const BlasProduct &product,
                         std::array<int64_t, BASIN_RT_MAX_BATCH> &index) {
  for (size_t i = 0; i < product.outerRank; ++i) {
    if (++index[i] < product.outerSizes[i])
      return true;
    index[i] = 0;
  }
  return false;
}

const void *basin::rt::pointerAt(const BlasProduct &product, const BlasMatrix &matrix,
                                 const std::array<int64_t, BASIN_RT_MAX_BATCH> &index) {
  const char *pointer = static_cast<const char *>(matrix.pointer);
  for (size_t i = 0; i < product.outerRank; ++i)
    pointer += index[i] * matrix.outerStrides[i];
  return pointer;
}
