//===- Kernel.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernel dialect. Its attribute is the contract of a GPU kernel, which says what must be known
// to launch it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_KERNEL_IR_KERNEL_H
#define BASIN_DIALECT_KERNEL_IR_KERNEL_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/Operation.h"

#include <array>

#include "basin/Dialect/Kernel/IR/KernelDialect.h.inc"
#include "basin/Dialect/Kernel/IR/KernelEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "basin/Dialect/Kernel/IR/KernelAttrs.h.inc"

#endif // BASIN_DIALECT_KERNEL_IR_KERNEL_H
