//===- SoftmaxReference.h ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Computes the softmax of scores in double precision from the numbers that a kernel gets, and the
// bounds of a kernel's error.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_UNITTESTS_SOFTMAXREFERENCE_H
#define BASIN_UNITTESTS_SOFTMAXREFERENCE_H

#include "AttentionReference.h"

#include "basin/Kernels/SoftmaxKernel.h"

namespace basin::kernels {

struct SoftmaxProblem {
  SoftmaxSpec spec;
  int64_t batch = 1, heads = 1, queries = 1, keys = 1;
  /// The distance of rows. 0 stands for the least one that the spec allows.
  int64_t rowStride = 0;
  int64_t prefix = 0, window = 0;
  /// Set if all batches and heads share one mask.
  bool isMaskShared = false;
  std::vector<int32_t> keyLengths = {};
  std::vector<float> sinkLogits = {};
  unsigned seed = 1;
  /// The standard deviation of the scores after the scale.
  double spread = 3;

  int64_t rows() const { return batch * heads * queries; }
  /// The number of keys behind the prefix.
  int64_t keysBehind() const { return std::max<int64_t>(keys - std::max<int64_t>(prefix, 0), 0); }
  int64_t getRowStride() const;
};

class SoftmaxCase {
public:
  explicit SoftmaxCase(const SoftmaxProblem &problem);

  /// Runs the kernel. Probabilities in a tensor of their own are NaN before.
  emulator::Report run(emulator::Emulator &emulator, const SoftmaxSchedule &schedule,
                       emulator::Order order = emulator::Order::Forward);
  /// Returns what is wrong with the results, or nothing.
  WhyNot compare() const;
  /// Returns the result for a column.
  double at(int64_t row, int64_t column) const;

  /// The columns between the end of a row and the next one are NaN. The last row has none.
  Tensor scores, mask, probabilities;
  std::vector<float> logSumExp;

private:
  struct Row {
    std::vector<double> probabilities, bounds;
    double logSumExp, logBound;
  };
  void makeMask();
  std::optional<double> scoreOf(int64_t batch, int64_t head, int64_t query, int64_t column) const;
  double roundingOf(int64_t batch, int64_t head, int64_t query, int64_t column) const;
  Row compute(int64_t batch, int64_t head, int64_t query) const;
  WhyNot compareRow(int64_t batch, int64_t head, int64_t query) const;

  SoftmaxProblem p;
  std::mt19937 random;
  Tensor sinks, before;
};

} // namespace basin::kernels

#endif // BASIN_UNITTESTS_SOFTMAXREFERENCE_H
