//===- Grid.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks arguments, and multiplies the factors of each axis up to its limit.
//
//===----------------------------------------------------------------------===//

#include "Grid.h"

using namespace basin::rt;

static constexpr std::array<uint64_t, 3> kMaxGrid = {0x7FFFFFFF, 65535, 65535};

static Status wrong(const Kernel &kernel, const std::string &what) {
  return {BASIN_RT_INVALID_ARGUMENT, kernel.name + ": " + what};
}

/// Returns "a pointer to bf16" or "a scalar i32".
static std::string describe(bool scalar, basin_rt_type type) {
  return std::string(scalar ? "a scalar " : "a pointer to ") + nameOf(type);
}

Status basin::rt::checkArguments(const Kernel &kernel, Arguments arguments) {
  if (arguments.size() != kernel.arguments.size())
    return wrong(kernel, "expected " + std::to_string(kernel.arguments.size()) +
                             " arguments, but got " + std::to_string(arguments.size()));
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Argument &expected = kernel.arguments[i];
    bool scalar = expected.kind == BASIN_RT_SCALAR;
    if ((arguments[i].is_scalar != 0) != scalar || arguments[i].type != expected.type)
      return wrong(kernel, "argument '" + expected.name + "': expected " +
                               describe(scalar, expected.type) + ", but got " +
                               describe(arguments[i].is_scalar != 0, arguments[i].type));
  }
  return {};
}

static bool isWritten(basin_rt_kind kind) { return kind == BASIN_RT_OUT || kind == BASIN_RT_INOUT; }

/// Checks that no other argument is the written one: kernels read in any order, through a cache
/// that stores do not update.
static Status checkApart(const Kernel &kernel, Arguments arguments, size_t written) {
  for (size_t i = 0; i < arguments.size(); ++i)
    if (i != written && kernel.arguments[i].kind != BASIN_RT_SCALAR &&
        arguments[i].value.pointer == arguments[written].value.pointer)
      return wrong(kernel, "argument '" + kernel.arguments[written].name +
                               "' is written, but is the same pointer as '" +
                               kernel.arguments[i].name + "'");
  return {};
}

Status basin::rt::checkPointers(const Kernel &kernel, Arguments arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Argument &expected = kernel.arguments[i];
    if (expected.kind == BASIN_RT_SCALAR)
      continue;
    auto address = reinterpret_cast<uintptr_t>(arguments[i].value.pointer);
    if (address == 0)
      return wrong(kernel, "argument '" + expected.name + "' is null");
    if (address % expected.alignment != 0)
      return wrong(kernel, "argument '" + expected.name + "': expected a pointer aligned to " +
                               std::to_string(expected.alignment) + " bytes");
    if (!isWritten(expected.kind))
      continue;
    if (Status status = checkApart(kernel, arguments, i); status.failed())
      return status;
  }
  return {};
}

Status basin::rt::computeGrid(const Kernel &kernel, Arguments arguments,
                              std::array<uint32_t, 3> &grid) {
  std::array<uint64_t, 3> size = {1, 1, 1};
  bool empty = false, tooLarge[3] = {};
  for (size_t axis = 0; axis < 3; ++axis)
    for (const basin_rt_grid_factor &factor : kernel.grid[axis]) {
      const basin_rt_argument &argument = arguments[factor.argument];
      int64_t value = argument.type == BASIN_RT_I32 ? argument.value.i32 : argument.value.i64;
      if (value < 0)
        return wrong(kernel, "argument '" + kernel.arguments[factor.argument].name +
                                 "': expected a size, but got " + std::to_string(value));
      empty |= value == 0;
      // Both numbers are below 2^63, so the sum does not wrap. The division below keeps the
      // product within the limit.
      uint64_t blocks = (static_cast<uint64_t>(value) + static_cast<uint64_t>(factor.per) - 1) /
                        static_cast<uint64_t>(factor.per);
      tooLarge[axis] |= blocks != 0 && size[axis] > kMaxGrid[axis] / blocks;
      size[axis] = tooLarge[axis] ? 1 : size[axis] * blocks;
    }
  if (empty) {
    grid = {};
    return {};
  }
  for (size_t axis = 0; axis < 3; ++axis) {
    if (tooLarge[axis])
      return wrong(kernel, "axis " + std::to_string(axis) + " of the grid has more than " +
                               std::to_string(kMaxGrid[axis]) + " blocks");
    grid[axis] = static_cast<uint32_t>(size[axis]);
  }
  return {};
}

Status basin::rt::checkLaunch(const Kernel &kernel, Arguments arguments,
                              std::array<uint32_t, 3> &grid) {
  Status status = checkArguments(kernel, arguments);
  if (!status.failed())
    status = computeGrid(kernel, arguments, grid);
  if (!status.failed() && grid[0] != 0)
    status = checkPointers(kernel, arguments);
  return status;
}
