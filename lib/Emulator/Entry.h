//===- Entry.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions that compiled kernels call.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_ENTRY_H
#define BASIN_LIB_EMULATOR_ENTRY_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

namespace basin::emulator {

/// Calls `use` with the symbol and the address of each function.
void forEachEntry(llvm::function_ref<void(llvm::StringRef symbol, void *address)> use);

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_ENTRY_H
