//===- Inspect.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_API_INSPECT_H
#define BASIN_API_INSPECT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace basin {

/// Returns what a raised module contains: `attention`, `norms`, `dyts`, `rotary`, `gates`,
/// `residual_streams` and `unrecognized`, each as a list of objects, and the `steps` that made it.
llvm::json::Object inspectModule(mlir::ModuleOp module);

} // namespace basin

#endif // BASIN_API_INSPECT_H
