//===- Precompiled.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What nearly every source of Basin includes, parsed once: a source takes three
// to four times as long without it. Sources include what they use all the same;
// a build with BASIN_ENABLE_PRECOMPILED_HEADERS=OFF, as that with the sanitizers,
// finds what they forgot.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_PRECOMPILED_PRECOMPILED_H
#define BASIN_LIB_PRECOMPILED_PRECOMPILED_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Pass/Pass.h"

#endif // BASIN_LIB_PRECOMPILED_PRECOMPILED_H
