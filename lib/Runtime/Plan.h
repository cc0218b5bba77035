//===- Plan.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The plan of a whole model: launches and matrix products, in order, and the memory that they read
// and write. A plan that readPlan() accepted is consistent: each temporary is written before it is
// read, and each step gives its kernel what it takes. What depends on sizes is checked when the
// sizes are known (PlanLayout.h). docs/compile.md describes the JSON.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_PLAN_H
#define BASIN_LIB_RUNTIME_PLAN_H

#include "PlanSize.h"
#include "basin/Runtime/basin_rt.h"

#include <string>
#include <variant>

namespace basin::rt {

struct Kernel;
struct Section;
class Node;

/// These are far beyond any real plan, and bound the time of a layout.
constexpr size_t kMaxBuffers = 1 << 14;
constexpr size_t kMaxSteps = 1 << 14;
constexpr size_t kMaxChecks = 1 << 10;
/// Names of ONNX models may be paths of modules.
constexpr size_t kMaxPlanNameBytes = 4096;

/// Memory of a contiguous tensor.
struct PlanBuffer {
  enum Kind { Input, Constant, Temporary };
  Kind kind;
  std::string name;
  basin_rt_type type;
  std::vector<PlanSize> shape;
  /// Where a constant is in the section of weights.
  uint64_t offset = 0;
  /// Which input or output of the plan this is. SIZE_MAX if it is none.
  size_t position = SIZE_MAX;
  /// The first and the last step that name a temporary. SIZE_MAX if none does.
  size_t firstStep = SIZE_MAX, lastStep = SIZE_MAX;

  bool isOutput() const { return kind == Temporary && position != SIZE_MAX; }
};

/// A place in a buffer. The offset counts elements.
struct PlanOperand {
  size_t buffer = SIZE_MAX;
  PlanSize offset;
};

/// What an argument of a kernel gets: a place, or a size if it is a scalar.
using PlanArgument = std::variant<PlanOperand, PlanSize>;

struct PlanLaunch {
  size_t kernel;
  std::vector<PlanArgument> arguments; // one for each of the kernel
};

/// Strides count elements.
struct PlanMatrix {
  PlanOperand where;
  PlanSize rowStride, columnStride;
  std::vector<PlanSize> batchStrides; // one for each axis of the batch
};

/// c = alpha * a b + bias, as in basin_rt_product.
struct PlanProduct {
  std::vector<PlanSize> batch;
  PlanSize m, n, k;
  PlanMatrix a, b, c;
  PlanOperand bias; // without a buffer if there is none
  float alpha = 1;
};

using PlanStep = std::variant<PlanLaunch, PlanProduct>;

/// The size is at most the limit, or the model is wrong at the node.
struct PlanCheck {
  PlanSize size, limit;
  std::string node;
};

struct ModelPlan {
  struct Output {
    std::string name;
    size_t buffer;
  };

  std::string name;
  std::vector<std::string> symbols;
  std::vector<PlanBuffer> buffers;
  std::vector<size_t> inputs; // indices of buffers
  std::vector<Output> outputs;
  std::vector<PlanCheck> checks;
  std::vector<PlanStep> steps;
  bool hasConstants = false, hasProducts = false;
};

/// Reads the member "plan", and checks its steps against the kernels and its constants against the
/// section of weights, which is null if there is none.
void readPlan(const Node &node, const std::vector<Kernel> &kernels, const Section *weights,
              ModelPlan &plan);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_PLAN_H
