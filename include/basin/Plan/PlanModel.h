//===- PlanModel.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plans a whole model: every op becomes a kernel's launch, a product of matrices, or a part of a
// pointwise kernel.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_PLAN_PLANMODEL_H
#define BASIN_PLAN_PLANMODEL_H

#include "basin/Kernels/KernelFamily.h"
#include "basin/Plan/Plan.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin::plan {

/// Plans the graph of `module`, a raised model of inferred shapes, and appends its kernels to
/// `kernels`. Changes the module: ops with kernels become launches, and other sink ops are
/// decomposed. Fails with a diagnostic at the first op that no step can do.
llvm::FailureOr<Plan> planModel(mlir::ModuleOp module, mlir::gpu::GPUModuleOp kernels,
                                const kernels::KernelTarget &target);

/// A plan as JSON, and the bytes of its constants, which the JSON's offsets count from.
struct WrittenPlan {
  llvm::json::Object json;
  std::string weights;
};
llvm::FailureOr<WrittenPlan> writePlan(const Plan &plan);

} // namespace basin::plan

#endif // BASIN_PLAN_PLANMODEL_H
