//===- SmoothGroups.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each product with a stored matrix names the value that it multiplies, seen through views and
// casts. Products of one value are a group. All readers of the value must be products of the group
// before its channels may be scaled at their origin.
//
//===----------------------------------------------------------------------===//

#include "SmoothGroups.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

/// The longest chain of views that is followed from a value.
static constexpr unsigned kMaxViews = 16;

/// Returns whether the op gives each channel of its operand on, and nothing else.
static bool isView(Operation *op) {
  if (!isa_and_nonnull<IdentityOp, CastOp, ReshapeOp, SqueezeOp, UnsqueezeOp, FlattenOp>(op))
    return false;
  TensorInfo from = getTensorInfo(op->getOperand(0)), to = getTensorInfo(op->getResult(0));
  auto isReal = [](const TensorInfo &info) { return info.element && isScalable(info.element); };
  if (!from.hasRank() || !to.hasRank() || from.rank() == 0 || to.rank() == 0 || !isReal(from) ||
      !isReal(to))
    return false;
  const Dim &last = from[from.rank() - 1];
  return last.isStatic() && last.size > 1 && last.provablyEquals(to[to.rank() - 1]);
}

static Value findRoot(Value value) {
  for (unsigned i = 0; i < kMaxViews && isView(value.getDefiningOp()); ++i)
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

/// Adds the views of the group's value and the products that read them. Sets the reason for the
/// first reader that is something else.
static void addReaders(SmoothGroup &group, Value value, unsigned depth) {
  for (OpOperand &use : value.getUses()) {
    Operation *op = use.getOwner();
    if (isa<ShapeOp, SizeOp>(op))
      continue;
    if (isView(op) && use.getOperandNumber() == 0 && depth < kMaxViews) {
      addReaders(group, op->getResult(0), depth + 1);
      continue;
    }
    WhyNot why;
    StoredMatrix matrix;
    if (isa<ReturnOp>(op)) {
      why = llvm::formatv("'{0}' is an output of the graph", getStreamValueName(value)).str();
    } else if (!isStoredProduct(op) || use.getOperandNumber() != 0 ||
               op->getParentOp() != group.value.getParentBlock()->getParentOp()) {
      why = llvm::formatv("'{0}' is also read by {1}, which is no product with a stored matrix",
                          getStreamValueName(value), op->getName().stripDialect())
                .str();
    } else if (!(why = findStoredMatrix(op, matrix))) {
      TensorInfo stored = getTensorInfo(matrix.use->get());
      if (stored[matrix.rows].is(group.channels)) {
        SmallVector<int64_t> positions = llvm::to_vector(llvm::seq<int64_t>(0, group.channels));
        group.products.push_back({&use, {{matrix.use}, matrix.rows, std::move(positions)}});
        StringRef name = getStreamValueName(value);
        if (!llvm::is_contained(group.names, name))
          group.names.push_back(name);
        continue;
      }
      why = llvm::formatv("a matrix that multiplies '{0}' has no row for each channel",
                          getStreamValueName(value))
                .str();
    }
    if (!group.whyNotFolded)
      group.whyNotFolded = why;
  }
}

void basin::sink::addProducts(SmoothGroup &group) { addReaders(group, group.value, 0); }

SmallVector<int64_t> SmoothGroup::getTies() const {
  SmallVector<int64_t> ties = llvm::to_vector(llvm::seq<int64_t>(0, channels));
  if (whyNotFolded || origin.parts.empty())
    return ties;
  // The last part is the matrix or the norm's vector that ends the walk.
  DenseMap<int64_t, int64_t> first;
  for (auto [channel, position] : llvm::enumerate(origin.parts.back().positions))
    ties[channel] = first.try_emplace(position, channel).first->second;
  return ties;
}

SmallVector<SmoothGroup, 0> basin::sink::findSmoothGroups(ModuleOp module,
                                                          const llvm::GlobPattern &names) {
  llvm::MapVector<Value, SmoothGroup> groups;
  for (GraphOp graph : module.getOps<GraphOp>())
    for (Operation &op : graph.getBody().front())
      if (isStoredProduct(&op))
        groups[findRoot(op.getOperand(0))];
  SmallVector<SmoothGroup, 0> out;
  OriginFinder finder;
  for (auto &[value, group] : groups) {
    TensorInfo info = getTensorInfo(value);
    group.value = value;
    group.names.push_back(getStreamValueName(value));
    if (!names.match(group.names.front()))
      continue;
    if (!info.hasRank() || info.rank() == 0 || !info[info.rank() - 1].isStatic() || !info.element ||
        !isScalable(info.element)) {
      group.whyNot = "its last axis has no known number of floats";
    } else {
      group.channels = info[info.rank() - 1].size;
      addProducts(group);
      if (group.products.empty())
        group.whyNot = group.whyNotFolded;
      else if (!group.whyNotFolded)
        group.whyNotFolded = finder.find(value, group.channels, group.origin);
    }
    if (group.whyNot && !group.whyNotFolded)
      group.whyNotFolded = group.whyNot;
    out.push_back(std::move(group));
  }
  return out;
}
