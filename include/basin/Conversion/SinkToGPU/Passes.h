//===- Passes.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_SINKTOGPU_PASSES_H
#define BASIN_CONVERSION_SINKTOGPU_PASSES_H

#include "basin/Dialect/Kernel/IR/Kernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace basin {

#define GEN_PASS_DECL
#include "basin/Conversion/SinkToGPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "basin/Conversion/SinkToGPU/Passes.h.inc"

} // namespace basin

#endif // BASIN_CONVERSION_SINKTOGPU_PASSES_H
