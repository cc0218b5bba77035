//===- Plan.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A plan: the kernels and matrix products that compute a graph, in order, and the memory that they
// read and write.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_PLAN_PLAN_H
#define BASIN_PLAN_PLAN_H

#include "basin/Plan/Size.h"

#include <variant>

namespace basin::plan {

/// Memory of a contiguous tensor.
struct Buffer {
  enum Kind { Input, Constant, Temporary };
  Kind kind;
  /// Unique in the plan. An input has the graph's name for it.
  std::string name;
  /// f32, f16, bf16, i8, i32, i64, or i1, which is stored as one byte.
  mlir::Type type;
  Sizes shape;
  /// The elements of a constant, and the op that has them.
  mlir::Attribute elements = {};
  mlir::Operation *from = nullptr;
  /// The last two axes of the elements are exchanged.
  bool isTransposed = false;
};

/// A place in a buffer. The offset counts elements.
struct Operand {
  unsigned buffer;
  Size offset;
};

struct KernelStep {
  std::string kernel;
  /// Under the names of the kernel's arguments.
  llvm::SmallVector<std::pair<std::string, Operand>> tensors;
  llvm::SmallVector<std::pair<std::string, Size>> scalars;
};

/// Strides count elements. There is a batch stride for each axis of the product's batch.
struct Matrix {
  Operand where;
  Size rowStride, columnStride;
  Sizes batchStrides;
};

/// c = alpha * a b + bias, with a [m, k], b [k, n], c [m, n] and bias [n] for each element of the
/// batch.
struct ProductStep {
  Sizes batch;
  Size m, n, k;
  Matrix a, b, c;
  std::optional<Operand> bias;
  double alpha = 1;
};

using Step = std::variant<KernelStep, ProductStep>;

/// What must hold when the plan runs: `size` is at most `limit`, or the model is wrong at `node`.
struct SizeCheck {
  Size size, limit;
  std::string node;
};

struct Plan {
  std::string name;
  std::vector<Buffer> buffers;
  std::vector<Step> steps;
  std::vector<SizeCheck> checks;
  /// Indices of buffers, in the graph's order.
  llvm::SmallVector<unsigned> inputs;
  /// The graph's names for its outputs, and their buffers.
  llvm::SmallVector<std::pair<std::string, unsigned>> outputs;
};

/// Prints the plan for readers: a line for each step.
void print(const Plan &plan, llvm::raw_ostream &out);

/// Returns the plan as docs/compile.md describes it. A constant has the place of its bytes in the
/// section of weights: `weightsOffset` of its buffer's index.
llvm::json::Object toJSON(const Plan &plan,
                          llvm::function_ref<std::pair<uint64_t, uint64_t>(unsigned)> findWeights);

} // namespace basin::plan

#endif // BASIN_PLAN_PLAN_H
