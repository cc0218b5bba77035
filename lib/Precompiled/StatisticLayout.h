//===- StatisticLayout.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Included before everything else where Basin's own asserts are on and LLVM's are
// off. The layout of llvm::Statistic depends on NDEBUG, and libMLIR.so constructs
// the statistics of our passes in the layout that it was compiled with: with the
// other one here, a counter's flag is read that nobody has set.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_PRECOMPILED_STATISTICLAYOUT_H
#define BASIN_LIB_PRECOMPILED_STATISTICLAYOUT_H

#pragma push_macro("NDEBUG")
#define NDEBUG
#include "llvm/ADT/Statistic.h"
#pragma pop_macro("NDEBUG")

// Gives `assert` its meaning back.
#include <cassert>

#endif // BASIN_LIB_PRECOMPILED_STATISTICLAYOUT_H
