//===- AttentionOrigin.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each walk goes up from an operand over ops that move elements, and stops at the op that computes
// them. It looks at a bounded number of ops, because a graph may have far more paths.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Sink/Analysis/AttentionOrigin.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

static constexpr unsigned kMaxSteps = 64;

/// Returns whether `op` moves, casts or quantizes the elements of its first operand.
static bool isView(Operation *op) {
  if (isa<ConcatOp>(op))
    return op->getNumOperands() == 1;
  return isa<ReshapeOp, TransposeOp, CastOp, CastLikeOp, IdentityOp, SqueezeOp, UnsqueezeOp,
             FlattenOp, SliceOp, SplitOp, GatherOp, QuantizeLinearOp, DequantizeLinearOp>(op);
}

/// Returns the value before a pair of QuantizeLinear and DequantizeLinear.
static Value skipRounding(Value value) {
  while (isa_and_nonnull<QuantizeLinearOp, DequantizeLinearOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

//===----------------------------------------------------------------------===//
// Cache
//===----------------------------------------------------------------------===//

/// Returns whether `value` is an argument of a graph or of a branch, moved or cast on the way.
static bool isGiven(Value value) {
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return true;
    if (!isView(op) || op->getNumOperands() == 0)
      return false;
    value = op->getOperand(0);
  }
  return false;
}

static bool joinsSequence(ConcatOp concat, sink::Layout layout) {
  TensorInfo info = getTensorInfo(concat->getResult(0));
  if (!info.hasRank() || layout == sink::Layout::packed)
    return false;
  int64_t axis = concat.getAxis().value_or(0);
  return (axis < 0 ? axis + info.rank() : axis) == sink::getSequenceAxis(layout);
}

bool basin::hasCache(sink::AttentionOp op) {
  if (op.getPastKey())
    return true;
  Value key = skipRounding(op.getKey());
  if (isa_and_nonnull<TensorScatterOp>(key.getDefiningOp()))
    return true;
  if (auto concat = key.getDefiningOp<ConcatOp>())
    return joinsSequence(concat, op.getKeyLayout()) && llvm::any_of(concat->getOperands(), isGiven);
  // For example keys of an encoder that an earlier run computed.
  return isGiven(key) && !isGiven(op.getQuery());
}

/// Returns `value` or what it is a mere copy of.
static Value skipCopies(Value value) {
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    Operation *op = value.getDefiningOp();
    bool isCopy = op && (isa<IdentityOp>(op) || (isa<ConcatOp>(op) && op->getNumOperands() == 1));
    if (!isCopy)
      break;
    value = op->getOperand(0);
  }
  return value;
}

SmallVector<Cache> basin::findCaches(ModuleOp module) {
  SmallVector<Cache> caches;
  for (auto graph : module.getOps<GraphOp>()) {
    Block &body = graph.getBody().front();
    auto add = [&](Value past, Value present, unsigned axis) {
      auto argument = dyn_cast<BlockArgument>(skipCopies(past));
      if (!argument || argument.getOwner() != &body)
        return;
      for (auto [info, output] :
           llvm::zip(graph.getInfo().getOutputs(), body.getTerminator()->getOperands()))
        if (skipCopies(output) == present &&
            llvm::none_of(caches, [&](const Cache &one) { return one.past == argument; }))
          caches.push_back({argument, cast<ValueInfoAttr>(info).getName().getValue(), axis});
    };
    for (auto op : body.getOps<sink::AttentionOp>()) {
      if (op.getPastKey() && op.getHasPresent()) {
        constexpr unsigned kAxis = 2; // [batch, heads, sequence, head dim]
        add(op.getPastKey(), op.getMore()[0], kAxis);
        add(op.getPastValue(), op.getMore()[1], kAxis);
      }
      for (auto [operand, layout] : {std::pair{op.getKey(), op.getKeyLayout()},
                                     std::pair{op.getValue(), op.getValueLayout()}}) {
        auto concat = skipRounding(operand).getDefiningOp<ConcatOp>();
        if (concat && joinsSequence(concat, layout))
          for (Value part : concat->getOperands())
            add(part, concat->getResult(0), sink::getSequenceAxis(layout));
      }
    }
  }
  return caches;
}

//===----------------------------------------------------------------------===//
// Rotation
//===----------------------------------------------------------------------===//

bool basin::isRotated(sink::AttentionOp op) {
  bool inside = false;
  op.getForm().walk([&](Operation *inner) {
    if (auto a = dyn_cast<MSGroupQueryAttentionOp>(inner))
      inside |= a.getDoRotary().value_or(0) != 0;
    if (auto a = dyn_cast<MSAttentionOp>(inner))
      inside |= a.getDoRotary().value_or(0) != 0;
    inside |= isa<sink::RotaryOp>(inner);
  });
  SmallVector<Value> open{op.getQuery()};
  for (unsigned i = 0; i < kMaxSteps && !open.empty() && !inside; ++i) {
    Operation *def = open.pop_back_val().getDefiningOp();
    if (!def)
      continue;
    if (isa<sink::RotaryOp>(def))
      return true;
    // Of two concatenated parts, perhaps only one is rotated.
    if (isa<ConcatOp>(def))
      llvm::append_range(open, def->getOperands());
    else if ((isView(def) || isa<MulOp, DivOp, sink::NormInterface>(def)) &&
             def->getNumOperands() > 0)
      open.push_back(def->getOperand(0));
  }
  return inside;
}

//===----------------------------------------------------------------------===//
// Key heads
//===----------------------------------------------------------------------===//

/// Returns how often an Expand or Tile repeats an axis of one element beside the heads.
static int64_t getRepeats(Operation *op) {
  if (!isa<ExpandOp, TileOp>(op))
    return 1;
  TensorInfo from = getTensorInfo(op->getOperand(0)), to = getTensorInfo(op->getResult(0));
  if (!from.hasRank() || !to.hasRank() || from.rank() != to.rank() || from.rank() < 5)
    return 1;
  // The first axis is the batch, and the last one is the head's own.
  for (int64_t axis = 1; axis + 1 < from.rank(); ++axis)
    if (from[axis].is(1) && to[axis].isStatic() && to[axis].size > 1)
      return to[axis].size;
  return 1;
}

std::optional<int64_t> basin::getKeyHeads(sink::AttentionOp op) {
  std::optional<int64_t> heads = op.getKvNumHeads();
  Value value = op.getKey();
  for (unsigned i = 0; heads && i < kMaxSteps; ++i) {
    Operation *def = value.getDefiningOp();
    if (!def || def->getNumOperands() == 0)
      return heads;
    if (int64_t repeats = getRepeats(def); repeats > 1 && *heads % repeats == 0)
      return *heads / repeats;
    if (isa<ConcatOp>(def))
      value = def->getOperands().back();
    else if (isView(def) || isa<ExpandOp, TileOp, sink::RotaryOp, sink::NormInterface>(def))
      value = def->getOperand(0);
    else
      return heads;
  }
  return heads;
}
