//===- RotationMatrix.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Orthogonal matrices that spread an element over all others.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_ROTATIONMATRIX_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_ROTATIONMATRIX_H

#include "basin/Support/WhyNot.h"

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <vector>

namespace basin::sink {

/// An orthogonal matrix Q, either dense or D H / sqrt(n), where D has random signs on its diagonal
/// and H is the Kronecker product of a Sylvester matrix and a dense one of elements 1 and -1.
class RotationMatrix {
public:
  /// Makes D H / sqrt(n), or returns why there is no H of that order.
  WhyNot makeHadamard(int64_t order, uint64_t seed);
  /// Makes the orthogonal factor of a random normal matrix.
  WhyNot makeOrthogonal(int64_t order, uint64_t seed);

  int64_t getOrder() const { return order; }
  /// Replaces the row vector v by v Q.
  void apply(llvm::MutableArrayRef<double> v) const;

private:
  int64_t order = 0, dense = 1;
  /// Row-major: [dense, dense], the right factor of H, or Q itself without signs.
  std::vector<double> matrix;
  std::vector<double> signs;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_ROTATIONMATRIX_H
