//===- PlanLayout.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A plan for inputs of known sizes: the sizes and places of all buffers, and the steps with numbers
// instead of sizes. Only pointers are missing.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_PLANLAYOUT_H
#define BASIN_LIB_RUNTIME_PLANLAYOUT_H

#include "Grid.h"
#include "Plan.h"
#include "Tensor.h"

#include <mutex>

namespace basin::rt {

/// A place in a buffer, in bytes. `buffer` is SIZE_MAX for none.
struct PlanPlace {
  size_t buffer = SIZE_MAX;
  uint64_t offset = 0;
};

struct BoundLaunch {
  const Kernel *kernel;
  std::vector<basin_rt_argument> arguments; // without pointers
  std::vector<PlanPlace> places;            // one for each argument; scalars have none
};

struct BoundProduct {
  basin_rt_product product; // without pointers
  PlanPlace a, b, c, bias;
};

using BoundStep = std::variant<BoundLaunch, BoundProduct>;

struct PlanLayout {
  std::vector<int64_t> counts;   // elements of each buffer
  std::vector<uint64_t> offsets; // of temporaries in the workspace; 0 if the caller gives it
  uint64_t workspaceBytes = 0;   // without that of products
  std::vector<basin_rt_tensor> outputs;
  std::vector<BoundStep> steps; // without those that do nothing
};

Status wrong(const ModelPlan &plan, const std::string &what);

/// Checks the inputs' types and shapes, and finds the values of the symbols. Values of symbols that
/// the plan lacks are 0.
Status bindSymbols(const ModelPlan &plan, Tensors inputs, SymbolValues &symbols);

/// Checks the plan's own checks and every number of every step.
Status makeLayout(const ModelPlan &plan, const std::vector<Kernel> &kernels,
                  const SymbolValues &symbols, PlanLayout &layout);

/// Computes the steps of a layout whose counts are set.
Status bindSteps(const ModelPlan &plan, const std::vector<Kernel> &kernels,
                 const SymbolValues &symbols, PlanLayout &layout);

/// Keeps the layouts that were used last. All functions may be called from any thread.
class PlanLayouts {
public:
  static constexpr size_t kMaxLayouts = 16;

  Status get(const ModelPlan &plan, const std::vector<Kernel> &kernels, const SymbolValues &symbols,
             std::shared_ptr<const PlanLayout> &layout);

private:
  struct Entry {
    SymbolValues symbols;
    std::shared_ptr<const PlanLayout> layout;
    uint64_t lastUse;
  };
  Entry *find(const SymbolValues &symbols);

  std::mutex mutex;
  std::vector<Entry> entries;
  uint64_t uses = 0;
};

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_PLANLAYOUT_H
