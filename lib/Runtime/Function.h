//===- Function.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions of an object: launches in order, on tensors that the caller gives or
// that earlier launches made.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_FUNCTION_H
#define BASIN_LIB_RUNTIME_FUNCTION_H

#include "Status.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace basin::rt {

struct Kernel;

/// A factor of a size or a scalar: a number, or the size or stride of an axis of a value.
struct Factor {
  enum Kind { Number, Size, Stride };
  Kind kind;
  int64_t number; // itself, or the axis
  size_t value;   // index into the function's values
};
/// Their product.
using Factors = std::vector<Factor>;

/// A tensor: the first ones are the function's inputs, the others are made by steps.
struct FunctionValue {
  std::string name;
  basin_rt_type type;
  /// A step takes it transposed, see Step::Binding.
  bool isTransposed = false;
  /// Of one that a step makes.
  std::vector<Factors> shape;
};

/// One launch.
struct Step {
  /// What an argument of the kernel gets: a value, or a product.
  struct Binding {
    size_t value = SIZE_MAX; // none where the argument is a scalar
    Factors factors;
    /// The kernel takes a matrix that is contiguous when its last two axes are exchanged.
    bool isTransposed = false;
  };
  size_t kernel;
  std::vector<Binding> bindings; // one for each argument
};

struct Function {
  std::string name;
  size_t inputCount = 0;
  std::vector<FunctionValue> values;
  std::vector<size_t> outputs; // values that steps make
  std::vector<Step> steps;
};

using Tensors = std::span<const basin_rt_tensor>;

/// What a call of a function comes to: all values' tensors. Those that steps make are
/// contiguous; their pointers are offsets in the workspace until `place` sets them.
struct Plan {
  std::vector<basin_rt_tensor> values;
  std::vector<uint64_t> offsets;
  uint64_t workspaceBytes = 0;
};

Status makePlan(const Function &function, Tensors inputs, Plan &plan);

/// Sets the pointers of what steps make: `outputs` are checked to be what the plan says.
Status place(const Function &function, Tensors outputs, void *workspace, uint64_t bytes,
             Plan &plan);

/// The arguments of a step, checked against its kernel but for the pointers' alignment.
Status bindStep(const Function &function, const Step &step, const Kernel &kernel, const Plan &plan,
                void *workspace, std::vector<basin_rt_argument> &arguments);

/// Checks that what steps make shares memory with no input and with nothing else that they
/// make, although some of that would do no harm.
Status checkApart(const Function &function, const Plan &plan);

uint64_t sizeOf(basin_rt_type type);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_FUNCTION_H
