//===- Function.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions of an object. A function is a list of launches. They read tensors that the
// caller gives or that earlier launches made.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_FUNCTION_H
#define BASIN_LIB_RUNTIME_FUNCTION_H

#include "Status.h"
#include "Tensor.h"

#include <cstddef>
#include <string>
#include <vector>

namespace basin::rt {

struct Kernel;

/// A factor of a size or a scalar: a number, or the size or stride of an axis of a value.
struct Factor {
  enum Kind { Number, Size, Stride };
  Kind kind;
  int64_t number; // the number, or the axis
  size_t value;   // index into the function's values
};
/// A product of factors.
using Factors = std::vector<Factor>;

/// A tensor. The first values of a function are its inputs, and steps make the others.
struct FunctionValue {
  std::string name;
  basin_rt_type type;
  /// Whether a step takes it transposed, see Step::Binding.
  bool isTransposed = false;
  /// The sizes of a value that a step makes. Inputs have none.
  std::vector<Factors> shape;
};

/// One launch.
struct Step {
  /// What an argument of the kernel gets: a value, or a product of factors.
  struct Binding {
    size_t value = SIZE_MAX; // SIZE_MAX if the argument is a scalar
    Factors factors;
    /// The kernel takes a matrix that is contiguous after its last two axes are exchanged.
    bool isTransposed = false;
  };
  size_t kernel;
  std::vector<Binding> bindings; // one for each argument
};

struct Function {
  std::string name;
  size_t inputCount = 0;
  std::vector<FunctionValue> values;
  std::vector<size_t> outputs; // indices of values that steps make
  std::vector<Step> steps;
};

/// The tensors of all values in one call of a function. Those that steps make are contiguous.
/// `offsets` says where they lie in the workspace, and `place` sets their pointers.
struct Plan {
  std::vector<basin_rt_tensor> values;
  std::vector<uint64_t> offsets;
  uint64_t workspaceBytes = 0;
};

/// Checks the inputs and makes the plan.
Status makePlan(const Function &function, Tensors inputs, Plan &plan);

/// Sets the pointers of the tensors that steps make. Checks that the workspace is large enough
/// and that `outputs` are as the plan says.
Status place(const Function &function, Tensors outputs, void *workspace, uint64_t bytes,
             Plan &plan);

/// Makes the arguments of a step, and checks them against its kernel, except for the alignment
/// of pointers.
Status bindStep(const Function &function, const Step &step, const Kernel &kernel, const Plan &plan,
                void *workspace, std::vector<basin_rt_argument> &arguments);

/// Checks that a tensor that a step makes shares no memory with an input or with another such
/// tensor. This refuses some sharing that would do no harm.
Status checkApart(const Function &function, const Plan &plan);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_FUNCTION_H
