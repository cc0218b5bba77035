//===- AttentionReference.h -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Computes attention in double precision by its formulas from the values that a kernel gets, and
// the bounds of a kernel's error.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_UNITTESTS_ATTENTIONREFERENCE_H
#define BASIN_UNITTESTS_ATTENTIONREFERENCE_H

#include "basin/Emulator/Emulator.h"
#include "basin/Kernels/AttentionKernel.h"
#include "basin/Support/WhyNot.h"

#include <memory>
#include <random>

namespace basin::kernels {

/// The bytes that the kernel reads or writes, and the same elements as numbers.
struct Storage {
  std::vector<uint8_t> bytes;
  std::vector<double> values;
};

/// A [batch, heads, rows, columns] view of a storage.
struct Tensor {
  std::shared_ptr<Storage> storage;
  int64_t elementBytes = 0, offset = 0, batchStride = 0, headStride = 0, rowStride = 0;

  int64_t index(int64_t batch, int64_t head, int64_t row, int64_t column) const {
    return offset + batch * batchStride + head * headStride + row * rowStride + column;
  }
  double at(int64_t batch, int64_t head, int64_t row, int64_t column) const {
    return storage->values[index(batch, head, row, column)];
  }
  void *pointer() const { return storage->bytes.data() + offset * elementBytes; }
};

/// The layout of query, key, value, gate and result: heads before rows, rows before heads, rows
/// with NaN between them, or all heads of a row in one projection.
enum class Layout { HeadsFirst, RowsFirst, Padded, Packed };

struct Problem {
  AttentionSpec spec;
  int64_t batch = 1, heads = 1, keyHeads = 1, queries = 1, keys = 1;
  int64_t sinkRows = 0, window = 0;
  /// If not 0, a launch states this number of heads and key heads. Only those above exist.
  int64_t saidHeads = 0;
  Layout layout = Layout::HeadsFirst;
  /// Set if all batches and heads share one mask.
  bool isMaskShared = false;
  /// The share of scores that a mask hides, beside rows that it hides altogether.
  double hidden = 0.3;
  std::vector<int32_t> keyLengths = {};
  std::vector<float> sinkLogits = {};
  unsigned seed = 1;
  /// The standard deviation of the elements of query and key.
  double spread = 1;
};

class AttentionCase {
public:
  explicit AttentionCase(const Problem &problem);

  /// Runs the kernel. The results are NaN before.
  emulator::Report run(emulator::Emulator &emulator, const AttentionSchedule &schedule,
                       emulator::Order order = emulator::Order::Forward);
  /// Returns what is wrong with the results, or nothing: the first wrong place, its error and the
  /// bound. Queries before `firstQuery` are left out.
  WhyNot compare(int64_t firstQuery = 0);

  Tensor query, key, value, mask, gate, result;
  std::vector<float> logSumExp;

private:
  struct Row {
    std::vector<double> result, bound;
    double logSumExp;
  };
  Tensor make(mlir::Type type, int64_t heads, int64_t rows, int64_t columns, double spread);
  void makePacked();
  void makeMask();
  void hideTails();
  bool sees(int64_t batch, int64_t head, int64_t row, int64_t key) const;
  double finishScore(double dot) const;
  Row compute(int64_t batch, int64_t head, int64_t row) const;
  WhyNot compareRow(int64_t batch, int64_t head, int64_t row);

  Problem p;
  std::mt19937 random;
  Tensor sinkKey, sinkValue, narrowSinks;
};

/// Makes a tensor of NaN, without strides.
Tensor allocate(mlir::Type type, int64_t elements);
/// Writes a number to an element of a tensor, rounded to its type.
void set(const Tensor &tensor, mlir::Type type, int64_t index, double number);
double get(const Tensor &tensor, mlir::Type type, int64_t index);

} // namespace basin::kernels

#endif // BASIN_UNITTESTS_ATTENTIONREFERENCE_H
