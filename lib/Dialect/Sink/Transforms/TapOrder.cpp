//===- TapOrder.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the place of each tap's statistics.
//
//===----------------------------------------------------------------------===//

#include "TapOrder.h"

using namespace mlir;
using namespace basin::sink;

TapOrder::TapOrder(Block &block) : block(block) {
  for (auto [number, op] : llvm::enumerate(block))
    numbers[&op] = number + 1;
}

/// Returns the number of the op that gives the tap's tensor, or 0 for an argument of the block and
/// for a value from outside.
unsigned TapOrder::positionOf(const Tap &tap) const {
  Operation *op = tap.op ? tap.op : tap.value.getDefiningOp();
  return op ? numbers.lookup(op) : 0;
}

TapOrder::Place::Place(TapOrder &order, const Tap &tap, OpBuilder &b)
    : order(order), position(order.positionOf(tap)) {
  // Statistics of the same position follow each other, because the later ones may read the same
  // tensors.
  auto at = order.starts.lower_bound(position);
  bool isFirst = at == order.starts.begin();
  next = isFirst ? order.block.getTerminator() : std::prev(at)->second;
  before = next->getPrevNode();
  b.setInsertionPoint(next);
}

TapOrder::Place::~Place() {
  Operation *first = before ? before->getNextNode() : &order.block.front();
  if (first != next)
    order.starts.try_emplace(position, first);
}
