//===- Functions.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The GPU's approximate functions, as exact as the PTX ISA promises and no more.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_FUNCTIONS_H
#define BASIN_LIB_EMULATOR_FUNCTIONS_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>

namespace basin::emulator {

/// Returns the symbol of the function that computes `llvm.nvvm.NAME` on f32 operands. It is
/// empty if the emulator does not know the intrinsic.
std::string getFunctionSymbol(llvm::StringRef intrinsic);

/// Calls `use` with each of these functions, and with the conversions that LLVM calls by name.
void forEachFunction(llvm::function_ref<void(llvm::StringRef symbol, void *address)> use);

// These convert one element. They work on its bits, because the host's compiler may lack the
// types f16 and bf16.
float fromF16(uint16_t bits);
float fromBF16(uint16_t bits);
uint16_t toF16(float value);  // to nearest even
uint16_t toBF16(float value); // to nearest even

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_FUNCTIONS_H
