//===- PrecompiledKernels.h -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Precompiled.h and the GPU's dialects, for the sources that build kernels, lower
// them, emulate them, or test that.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_PRECOMPILED_PRECOMPILEDKERNELS_H
#define BASIN_LIB_PRECOMPILED_PRECOMPILEDKERNELS_H

#include "Precompiled.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#endif // BASIN_LIB_PRECOMPILED_PRECOMPILEDKERNELS_H
