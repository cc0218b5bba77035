//===- OperandCopies.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OperandCopies.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace basin::onnx;

/// A mask takes a few ops. More would be another part of the model.
static constexpr size_t kMostCopies = 64;

/// Returns whether an op may be among those that compute a mask from sizes. Products of scores are
/// not computed twice.
static bool isCheap(Operation *op) {
  return op->getNumRegions() == 0 && op->getNumResults() == 1 &&
         isa<AddOp, AndOp, CastOp, CastLikeOp, ConcatOp, ConstantOfShapeOp, DivOp, EqualOp,
             ExpandOp, GatherOp, GreaterOp, GreaterOrEqualOp, IdentityOp, LessOp, LessOrEqualOp,
             MaxOp, MinOp, ModOp, MulOp, NegOp, NotOp, OrOp, RangeOp, ReshapeOp, ShapeOp, SliceOp,
             SqueezeOp, SubOp, TileOp, TransposeOp, TriluOp, UnsqueezeOp, WhereOp>(op);
}

bool OperandCopies::isFromInside(Value value) const {
  Operation *op = value ? value.getDefiningOp() : nullptr;
  return op && (idiom.inside.contains(op) || idiom.late.contains(op));
}

/// Returns the sizes that the Shape of an inner value has, each as a number or as that of an axis
/// of an argument.
std::optional<SmallVector<OperandCopies::Size>> OperandCopies::findShape(ShapeOp shape) const {
  TensorInfo info = getTensorInfo(shape.getData());
  if (!info.hasRank())
    return std::nullopt;
  auto findSize = [&](const Dim &dim) -> std::optional<Size> {
    if (dim.isStatic())
      return Size{dim.size, Value()};
    for (Value argument : idiom.arguments) {
      TensorInfo outer = getTensorInfo(argument);
      for (int64_t axis = 0; outer.hasRank() && axis < outer.rank(); ++axis)
        if (outer[axis].provablyEquals(dim))
          return Size{std::nullopt, argument, axis};
    }
    return std::nullopt;
  };
  SliceBounds bounds = clampSlice(shape.getStart().value_or(0),
                                  shape.getEnd().value_or(info.rank()), 1, info.rank());
  SmallVector<Size> sizes;
  for (int64_t axis = bounds.start; axis < bounds.start + bounds.length; ++axis) {
    std::optional<Size> size = findSize(info[axis]);
    if (!size)
      return std::nullopt;
    sizes.push_back(*size);
  }
  return sizes;
}

bool OperandCopies::canCopy(Value value) {
  if (!isFromInside(value) || !checked.insert(value).second)
    return true;
  Operation *op = value.getDefiningOp();
  if (checked.size() > kMostCopies || !isCheap(op))
    return false;
  if (auto shape = dyn_cast<ShapeOp>(op); shape && isFromInside(shape.getData()))
    return findShape(shape).has_value();
  return llvm::all_of(op->getOperands(), [&](Value operand) { return canCopy(operand); });
}

Value OperandCopies::copy(Value value, OpBuilder &b) {
  if (!isFromInside(value))
    return value;
  if (Value copied = copies.lookup(value))
    return copied;
  Operation *op = value.getDefiningOp();
  NodeBuilder n(b, op->getLoc());
  auto shape = dyn_cast<ShapeOp>(op);
  Value copied;
  if (shape && isFromInside(shape.getData())) {
    SmallVector<Size> found = *findShape(shape);
    SmallVector<Value> sizes;
    for (const Size &size : found)
      sizes.push_back(size.number ? n.constant({*size.number})
                                  : n.dims(size.argument, size.axis, size.axis + 1));
    copied = sizes.empty() ? n.constant({}) : n.concat(sizes, 0);
  } else {
    IRMapping mapping;
    for (Value operand : op->getOperands())
      mapping.map(operand, copy(operand, b));
    Operation *clone = b.clone(*op, mapping);
    // The names stay with the idiom's own ops.
    for (StringRef name : {kNameAttr, kOutsAttr})
      clone->removeAttr(name);
    copied = clone->getResult(cast<OpResult>(value).getResultNumber());
  }
  copies[value] = copied;
  return copied;
}

void basin::onnx::makeSinks(sink::AttentionParts &parts, std::optional<int64_t> turnedRows,
                            std::optional<double> sinkNumber, NodeBuilder &n) {
  if (turnedRows)
    for (Value *rows : {&parts.sinkKey, &parts.sinkValue})
      *rows = n.transpose(n.reshape(*rows, {*turnedRows, *parts.kvHeads, -1}), {1, 0, 2});
  if (sinkNumber) {
    Value number = n.scalar(*sinkNumber, getElementTypeOf(parts.query));
    parts.sinkLogit = n.expand(n.reshape(number, {1}), n.constant({*parts.heads}));
  }
}

void basin::onnx::markMade(Operation *before, Operation *end) {
  for (Operation *op = end->getPrevNode(); op && op != before; op = op->getPrevNode())
    op->setAttr(sink::kMadeAttr, UnitAttr::get(op->getContext()));
}
