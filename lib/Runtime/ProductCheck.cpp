//===- ProductCheck.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes are checked first, then each matrix by itself, then the matrices against each other. A
// product without results is right whatever its strides and pointers are. If k is 0, a and b have
// no elements, and only c is looked at.
//
//===----------------------------------------------------------------------===//

#include "ProductCheck.h"

#include "Overlap.h"
#include "Tensor.h"

#include <algorithm>
#include <array>
#include <tuple>

using namespace basin::rt;

// Far below 2^63, so that sums of a few distances in bytes cannot overflow.
static constexpr int64_t kMaxReach = int64_t(1) << 57;
// cuBLASLt counts the products of one call in 32 bits.
static constexpr int64_t kMaxBatch = INT32_MAX;
static_assert(BASIN_RT_MAX_BATCH + 2 <= BASIN_RT_MAX_RANK, "a batch of matrices is a tensor");

static Status wrong(const std::string &what) {
  return {BASIN_RT_INVALID_ARGUMENT, "product: " + what};
}

static Status wrong(const char *name, const std::string &what) {
  return wrong("'" + std::string(name) + "': " + what);
}

bool basin::rt::findForm(const basin_rt_matrix &matrix, int64_t rows, int64_t columns,
                         bool preferRows, MatrixForm &form) {
  // A single row or column may lie anywhere, so its distance to the next is made up.
  MatrixForm byRows = {true, rows > 1 ? matrix.row_stride : columns};
  MatrixForm byColumns = {false, columns > 1 ? matrix.column_stride : rows};
  bool fitsRows = (columns == 1 || matrix.column_stride == 1) && byRows.leading >= columns;
  bool fitsColumns = (rows == 1 || matrix.row_stride == 1) && byColumns.leading >= rows;
  form = fitsRows && (preferRows || !fitsColumns) ? byRows : byColumns;
  return fitsRows || fitsColumns;
}

bool basin::rt::isEmpty(const basin_rt_product &product) {
  const int64_t *end = product.batch + product.batch_rank;
  return product.m == 0 || product.n == 0 || std::find(product.batch, end, 0) != end;
}

static Status checkSizes(const basin_rt_product &product) {
  basin_rt_type type = product.type, result = product.result_type;
  if (type != BASIN_RT_F32 && type != BASIN_RT_F16 && type != BASIN_RT_BF16)
    return wrong(std::string("expected factors of f32, f16 or bf16, but got ") + nameOf(type));
  if (result != type && result != BASIN_RT_F32)
    return wrong("c", std::string("expected the type of the factors, ") + nameOf(type) +
                          ", or f32, but got " + nameOf(result));
  if (product.batch_rank > BASIN_RT_MAX_BATCH)
    return wrong("expected at most " + std::to_string(BASIN_RT_MAX_BATCH) +
                 " axes of the batch, but got " + std::to_string(product.batch_rank));
  for (auto [name, size] : {std::pair{"m", product.m}, {"n", product.n}, {"k", product.k}})
    if (size < 0)
      return wrong(name, "expected a size, but got " + std::to_string(size));
  for (uint32_t axis = 0; axis < product.batch_rank; ++axis)
    if (product.batch[axis] < 0 || product.batch[axis] > kMaxBatch)
      return wrong("axis " + std::to_string(axis) + " of the batch: expected a size up to " +
                   std::to_string(kMaxBatch) + ", but got " + std::to_string(product.batch[axis]));
  return {};
}

/// Describes a matrix and its batch as a tensor.
static basin_rt_tensor tensorOf(const basin_rt_product &product, const basin_rt_matrix &matrix,
                                basin_rt_type type, int64_t rows, int64_t columns) {
  basin_rt_tensor tensor = {type, product.batch_rank + 2, matrix.pointer, {}, {}};
  std::copy_n(product.batch, product.batch_rank, tensor.sizes);
  std::copy_n(matrix.batch_strides, product.batch_rank, tensor.strides);
  tensor.sizes[product.batch_rank] = rows;
  tensor.strides[product.batch_rank] = matrix.row_stride;
  tensor.sizes[product.batch_rank + 1] = columns;
  tensor.strides[product.batch_rank + 1] = matrix.column_stride;
  return tensor;
}

static bool staysInMemory(const basin_rt_tensor &tensor) {
  int64_t reach = 0, distance = 0;
  for (uint32_t axis = 0; axis < tensor.rank; ++axis) {
    if (tensor.sizes[axis] == 1)
      continue;
    if (tensor.strides[axis] < 0 ||
        __builtin_mul_overflow(tensor.strides[axis], tensor.sizes[axis] - 1, &distance) ||
        __builtin_add_overflow(reach, distance, &reach) || reach > kMaxReach)
      return false;
  }
  return true;
}

/// Checks that the pointer may be followed: it is not null, it is aligned to an element, and the
/// tensor does not reach around the end of the addresses.
static Status checkPointer(const char *name, const basin_rt_tensor &tensor) {
  if (!tensor.pointer)
    return wrong("'" + std::string(name) + "' is null");
  auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(tensor.pointer));
  uint64_t each = sizeOf(tensor.type);
  if (address % each != 0)
    return wrong(name, "expected a pointer aligned to " + std::to_string(each) + " bytes");
  if (Extent extent = extentOf(tensor); extent.end <= extent.begin)
    return wrong(name, "expected elements that stay in memory");
  return {};
}

static Status checkMatrix(const char *name, const basin_rt_matrix &matrix,
                          const basin_rt_tensor &tensor) {
  if (!staysInMemory(tensor))
    return wrong(name, "expected strides that are not negative and stay in memory");
  MatrixForm form;
  int64_t rows = tensor.sizes[tensor.rank - 2], columns = tensor.sizes[tensor.rank - 1];
  if (!findForm(matrix, rows, columns, true, form))
    return wrong(name, "expected rows or columns that are contiguous and lie apart");
  return checkPointer(name, tensor);
}

/// Returns whether the elements of a tensor have addresses of their own. Each axis must step over
/// all that the axes with smaller strides reach; this refuses a few layouts that would do no harm.
static bool hasDistinctElements(const basin_rt_tensor &tensor) {
  std::array<std::pair<int64_t, int64_t>, BASIN_RT_MAX_RANK> axes;
  size_t count = 0;
  for (uint32_t axis = 0; axis < tensor.rank; ++axis)
    if (tensor.sizes[axis] > 1)
      axes[count++] = {tensor.strides[axis], tensor.sizes[axis]};
  std::sort(axes.begin(), axes.begin() + count);
  int64_t last = 0; // the distance to the last element of the axes so far
  for (size_t i = 0; i < count; ++i) {
    auto [stride, size] = axes[i];
    if (stride <= last)
      return false;
    last += stride * (size - 1);
  }
  return true;
}

static Status checkApart(const basin_rt_tensor &c, const char *name, const basin_rt_tensor &other) {
  return overlap(c, other)
             ? wrong("'c' is written, but shares memory with '" + std::string(name) + "'")
             : Status();
}

static Status checkBias(const basin_rt_product &product, const basin_rt_tensor &c) {
  basin_rt_tensor bias = basin_rt_contiguous(product.result_type, product.bias, 1, &product.n);
  if (product.k == 0)
    return wrong("bias", "expected none if k is 0");
  MatrixForm form;
  if (!findForm(product.c, product.m, product.n, true, form) || !form.hasRows)
    return wrong("bias", "expected a 'c' with contiguous rows");
  Status status = checkPointer("bias", bias);
  return status.failed() ? status : checkApart(c, "bias", bias);
}

Status basin::rt::checkProduct(const basin_rt_product &product) {
  Status status = checkSizes(product);
  if (status.failed() || isEmpty(product))
    return status;
  basin_rt_tensor c = tensorOf(product, product.c, product.result_type, product.m, product.n);
  status = checkMatrix("c", product.c, c);
  if (!status.failed() && !hasDistinctElements(c))
    status = wrong("c", "expected elements that share no memory");
  for (auto [name, matrix, rows, columns] : {std::tuple{"a", &product.a, product.m, product.k},
                                             {"b", &product.b, product.k, product.n}}) {
    if (status.failed() || product.k == 0)
      break;
    basin_rt_tensor tensor = tensorOf(product, *matrix, product.type, rows, columns);
    status = checkMatrix(name, *matrix, tensor);
    if (!status.failed())
      status = checkApart(c, name, tensor);
  }
  return status.failed() || !product.bias ? status : checkBias(product, c);
}
