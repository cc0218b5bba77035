//===- Passes.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_EMULATOR_PASSES_H
#define BASIN_EMULATOR_PASSES_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace basin::emulator {

#define GEN_PASS_DECL
#include "basin/Emulator/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "basin/Emulator/Passes.h.inc"

} // namespace basin::emulator

#endif // BASIN_EMULATOR_PASSES_H
