//===- PlanSteps.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Computes the numbers of each step for known sizes: scalars, grids, offsets and products. A place
// that does not lie in its buffer is refused here, when the buffers' sizes are known.
//
//===----------------------------------------------------------------------===//

#include "PlanLayout.h"
#include "ProductCheck.h"

#include <algorithm>

using namespace basin::rt;

namespace {
class StepBinder {
public:
  StepBinder(const ModelPlan &plan, const SymbolValues &symbols, const PlanLayout &layout)
      : plan(plan), symbols(symbols), layout(layout) {}

  /// These leave `isNothing` true if the step does nothing.
  Status bind(const PlanLaunch &launch, const Kernel &kernel, BoundLaunch &out, bool &isNothing);
  Status bind(const PlanProduct &product, BoundProduct &out, bool &isNothing);

private:
  Status bindScalar(const Kernel &kernel, size_t argument, const PlanSize &size,
                    basin_rt_argument &out);
  Status locate(const PlanOperand &operand, PlanPlace &out, int64_t &left);
  Status evaluate(const PlanSize &size, int64_t &out);
  Status bindSizes(const PlanProduct &from, basin_rt_product &out);
  Status bindMatrix(const PlanMatrix &matrix, const basin_rt_product &product, int64_t rows,
                    int64_t columns, basin_rt_matrix &out, PlanPlace &place);
  Status bindBias(const PlanOperand &operand, int64_t n, PlanPlace &place);

  const ModelPlan &plan;
  const SymbolValues &symbols;
  const PlanLayout &layout;
};
} // namespace

Status StepBinder::evaluate(const PlanSize &size, int64_t &out) {
  return size.evaluate(symbols, out) ? Status() : wrong(plan, "a size is too large");
}

/// Finds a place, and the number of elements that are left from there on.
Status StepBinder::locate(const PlanOperand &operand, PlanPlace &out, int64_t &left) {
  const PlanBuffer &buffer = plan.buffers[operand.buffer];
  int64_t offset = 0, count = layout.counts[operand.buffer];
  if (Status status = evaluate(operand.offset, offset); status.failed())
    return status;
  if (offset < 0 || offset > count)
    return wrong(plan, "an operand begins at " + std::to_string(offset) + ", outside of '" +
                           buffer.name + "', which has " + std::to_string(count) + " elements");
  left = count - offset;
  out = {operand.buffer, static_cast<uint64_t>(offset) * sizeOf(buffer.type)};
  return {};
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

Status StepBinder::bindScalar(const Kernel &kernel, size_t index, const PlanSize &size,
                              basin_rt_argument &out) {
  const Argument &argument = kernel.arguments[index];
  int64_t number = 0;
  if (Status status = evaluate(size, number); status.failed())
    return status;
  if (argument.type == BASIN_RT_I32 && (number > INT32_MAX || number < INT32_MIN))
    return wrong(plan, kernel.name + ": argument '" + argument.name +
                           "': " + std::to_string(number) + " does not fit i32");
  out = argument.type == BASIN_RT_I32 ? basin_rt_i32(static_cast<int32_t>(number))
                                      : basin_rt_i64(number);
  return {};
}

Status StepBinder::bind(const PlanLaunch &launch, const Kernel &kernel, BoundLaunch &out,
                        bool &isNothing) {
  out = {&kernel, {}, std::vector<PlanPlace>(launch.arguments.size())};
  for (size_t i = 0; i < launch.arguments.size(); ++i) {
    const auto *size = std::get_if<PlanSize>(&launch.arguments[i]);
    out.arguments.push_back(basin_rt_pointer(kernel.arguments[i].type, nullptr));
    if (!size)
      continue;
    if (Status status = bindScalar(kernel, i, *size, out.arguments[i]); status.failed())
      return status;
  }
  std::array<uint32_t, 3> grid = {};
  if (Status status = computeGrid(kernel, out.arguments, grid); status.failed())
    return wrong(plan, status.message());
  isNothing = grid[0] == 0;
  if (isNothing)
    return {};
  for (size_t i = 0; i < launch.arguments.size(); ++i)
    if (const auto *operand = std::get_if<PlanOperand>(&launch.arguments[i])) {
      int64_t left = 0;
      if (Status status = locate(*operand, out.places[i], left); status.failed())
        return status;
    }
  return {};
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

Status StepBinder::bindSizes(const PlanProduct &from, basin_rt_product &out) {
  out = {};
  out.type = plan.buffers[from.a.where.buffer].type;
  out.result_type = plan.buffers[from.c.where.buffer].type;
  out.alpha = from.alpha;
  out.batch_rank = static_cast<uint32_t>(from.batch.size());
  Status status = evaluate(from.m, out.m);
  if (!status.failed())
    status = evaluate(from.n, out.n);
  if (!status.failed())
    status = evaluate(from.k, out.k);
  for (size_t axis = 0; axis < from.batch.size() && !status.failed(); ++axis)
    status = evaluate(from.batch[axis], out.batch[axis]);
  if (status.failed())
    return status;
  int64_t least = std::min({out.m, out.n, out.k});
  for (uint32_t axis = 0; axis < out.batch_rank; ++axis)
    least = std::min(least, out.batch[axis]);
  return least < 0 ? wrong(plan, "product: expected sizes, but got " + std::to_string(least))
                   : Status();
}

/// Checks that the last element of the matrix, and of its batch, lies in the buffer. The sizes are
/// not 0, except for `rows` or `columns` if there are no elements.
Status StepBinder::bindMatrix(const PlanMatrix &matrix, const basin_rt_product &product,
                              int64_t rows, int64_t columns, basin_rt_matrix &out,
                              PlanPlace &place) {
  int64_t left = 0, last = 0;
  Status status = locate(matrix.where, place, left);
  if (!status.failed())
    status = evaluate(matrix.rowStride, out.row_stride);
  if (!status.failed())
    status = evaluate(matrix.columnStride, out.column_stride);
  for (uint32_t axis = 0; axis < product.batch_rank && !status.failed(); ++axis)
    status = evaluate(matrix.batchStrides[axis], out.batch_strides[axis]);
  if (status.failed() || rows == 0 || columns == 0)
    return status;
  bool fits = true;
  auto reach = [&](int64_t size, int64_t stride) {
    int64_t distance = 0;
    fits &= stride >= 0 && !__builtin_mul_overflow(size - 1, stride, &distance) &&
            !__builtin_add_overflow(last, distance, &last);
  };
  reach(rows, out.row_stride);
  reach(columns, out.column_stride);
  for (uint32_t axis = 0; axis < product.batch_rank; ++axis)
    reach(product.batch[axis], out.batch_strides[axis]);
  if (fits && last < left)
    return {};
  return wrong(plan, "product: a matrix lies outside of its buffer '" +
                         plan.buffers[matrix.where.buffer].name + "'");
}

Status StepBinder::bindBias(const PlanOperand &operand, int64_t n, PlanPlace &place) {
  int64_t left = 0;
  if (operand.buffer == SIZE_MAX)
    return {};
  if (Status status = locate(operand, place, left); status.failed())
    return status;
  return n <= left ? Status()
                   : wrong(plan, "product: the bias lies outside of its buffer '" +
                                     plan.buffers[operand.buffer].name + "'");
}

Status StepBinder::bind(const PlanProduct &from, BoundProduct &out, bool &isNothing) {
  basin_rt_product &product = out.product;
  if (Status status = bindSizes(from, product); status.failed())
    return status;
  isNothing = isEmpty(product);
  if (isNothing)
    return {};
  Status status = bindMatrix(from.c, product, product.m, product.n, product.c, out.c);
  if (!status.failed())
    status = bindMatrix(from.a, product, product.m, product.k, product.a, out.a);
  if (!status.failed())
    status = bindMatrix(from.b, product, product.k, product.n, product.b, out.b);
  return status.failed() ? status : bindBias(from.bias, product.n, out.bias);
}

Status basin::rt::bindSteps(const ModelPlan &plan, const std::vector<Kernel> &kernels,
                            const SymbolValues &symbols, PlanLayout &layout) {
  StepBinder binder(plan, symbols, layout);
  for (const PlanStep &step : plan.steps) {
    bool isNothing = false;
    Status status;
    if (const auto *launch = std::get_if<PlanLaunch>(&step)) {
      BoundLaunch out;
      status = binder.bind(*launch, kernels[launch->kernel], out, isNothing);
      if (!isNothing)
        layout.steps.push_back(std::move(out));
    } else {
      BoundProduct out;
      status = binder.bind(std::get<PlanProduct>(step), out, isNothing);
      if (!isNothing)
        layout.steps.push_back(out);
    }
    if (status.failed())
      return status;
  }
  return {};
}
