//===- ProductCheck.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks a matrix product before anything follows its pointers. Both cuBLASLt and the products of
// the emulator are held to these rules.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_PRODUCTCHECK_H
#define BASIN_LIB_RUNTIME_PRODUCTCHECK_H

#include "Status.h"

namespace basin::rt {

/// How a matrix lies in memory. Along `leading` elements from one to the next, there are rows, or
/// columns, whose elements are contiguous.
struct MatrixForm {
  bool hasRows;
  int64_t leading;
};

/// Finds the form of a matrix. If both fit, takes the one that is asked for. Returns false if
/// neither fits.
bool findForm(const basin_rt_matrix &matrix, int64_t rows, int64_t columns, bool preferRows,
              MatrixForm &form);

/// Returns whether a product has no results. Its sizes must not be negative.
bool isEmpty(const basin_rt_product &product);

Status checkProduct(const basin_rt_product &product);

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_PRODUCTCHECK_H
