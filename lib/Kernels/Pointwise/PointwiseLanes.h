//===- PointwiseLanes.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the lanes of a vector have in common. A vector begins at a multiple of its width on the last
// axis, so `j < 64` is the same for its lanes if the width divides 64.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_POINTWISE_POINTWISELANES_H
#define BASIN_LIB_KERNELS_POINTWISE_POINTWISELANES_H

#include "basin/Kernels/PointwiseKernel.h"

namespace basin::kernels {

class PointwiseLanes {
public:
  PointwiseLanes(const PointwiseProgram &program, int64_t vector);

  /// Returns whether the expression has the same value in all lanes.
  bool isUniform(unsigned number) const { return uniform[number]; }
  /// Returns how many neighbours one access of the gather takes, 1 if its lanes are not neighbours.
  int64_t getRun(const PointwiseExpression &gather) const;

private:
  bool isLastIndex(unsigned number) const;
  bool comparesAtBoundary(const PointwiseExpression &expression) const;

  const PointwiseProgram &program;
  int64_t vector;
  std::vector<bool> uniform;
};

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_POINTWISE_POINTWISELANES_H
