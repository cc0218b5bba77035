//===- StepHistory.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A model's metadata name the steps that made it, under the key `basin.steps`. The text is a JSON
// list in the order in which the steps were applied:
//
// [{"step": "rescale-residual", "options": {"k": "auto", "stats": "stats.json"}, "basin": "0.1.0"}]
//
// Values are texts, as on the command line. A file has its name without its folder.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_STEPHISTORY_H
#define BASIN_STEPHISTORY_H

#include "basin/Steps.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

/// Adds checked steps to those that the model has. A text that is no such list is replaced, and a
/// warning says so. Without steps nothing changes.
void recordSteps(mlir::ModuleOp module, llvm::ArrayRef<StepRequest> steps);

/// Returns the steps that made the model, as objects with `step`, `options` and `basin`. The list
/// is empty if the metadata has none or are not valid.
llvm::json::Array getRecordedSteps(mlir::ModuleOp module);

} // namespace basin

#endif // BASIN_STEPHISTORY_H
