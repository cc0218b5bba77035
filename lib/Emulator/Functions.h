//===- Functions.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The GPU's approximate functions, as far as the PTX ISA promises them.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_FUNCTIONS_H
#define BASIN_LIB_EMULATOR_FUNCTIONS_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>

namespace basin::emulator {

/// The runtime's function for `llvm.nvvm.NAME` of f32 operands; empty if there is
/// none.
std::string getFunctionSymbol(llvm::StringRef intrinsic);

/// All of them, and the conversions that LLVM calls by name.
void forEachFunction(llvm::function_ref<void(llvm::StringRef symbol, void *address)> use);

// Conversions of one element, as the host's compiler need not have the types.
float fromF16(uint16_t bits);
float fromBF16(uint16_t bits);
uint16_t toF16(float value);  // to nearest even
uint16_t toBF16(float value); // to nearest even

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_FUNCTIONS_H
