//===- TapOrder.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The order of the statistics' nodes. ONNX Runtime executes what the last node without readers
// needs first, and holds every tensor until its last reader ran. So the statistics of the first
// tensor are written last: then each is computed when its tensor is, and the run needs little more
// memory than that of the model. In program order it computes the whole model first, and keeps all
// tensors.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPORDER_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPORDER_H

#include "Taps.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"

#include <map>

namespace basin::sink {

/// Where the statistics of each tap of a block go: at the block's end, and before those of the taps
/// whose tensors come earlier.
class TapOrder {
public:
  /// Numbers the block's ops as they stand.
  explicit TapOrder(mlir::Block &block);

  /// While this exists, `b` inserts at the tap's place.
  class Place {
  public:
    Place(TapOrder &order, const Tap &tap, mlir::OpBuilder &b);
    ~Place();
    Place(const Place &) = delete;
    Place &operator=(const Place &) = delete;

  private:
    TapOrder &order;
    unsigned position;
    mlir::Operation *before, *next;
  };

private:
  unsigned positionOf(const Tap &tap) const;

  mlir::Block &block;
  llvm::DenseMap<mlir::Operation *, unsigned> numbers;
  /// The first op of the statistics of each position.
  std::map<unsigned, mlir::Operation *> starts;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_TAPORDER_H
