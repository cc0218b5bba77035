//===- RotaryTables.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operators that rotate take tables of half the rotated width. Exporters make them of full width,
// with both halves equal, because they are computed of Concat(f, f). Only if that is proven, the
// first half is enough.
//
//===----------------------------------------------------------------------===//

#include "OperatorSupport.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::Layout;

/// Tables of more elements are not read.
static constexpr size_t kMaxTable = size_t(1) << 23;

/// Returns whether both halves of each row of a constant are equal.
static bool hasEqualHalves(Value constant, int64_t width) {
  std::optional<SmallVector<double>> numbers = getConstantFloats(constant, kMaxTable);
  if (!numbers || numbers->size() % width != 0)
    return false;
  for (size_t row = 0; row < numbers->size(); row += width)
    for (int64_t i = 0; i < width / 2; ++i)
      if (!((*numbers)[row + i] == (*numbers)[row + width / 2 + i]))
        return false;
  return true;
}

/// Returns whether an op that moves rows keeps the last axis of its first operand.
static bool keepsLastAxis(Operation *op, int64_t width) {
  Value in = op->getOperand(0);
  std::optional<int64_t> rank = findRank(in);
  if (!rank || findSize(in, -1) != width || findSize(op->getResult(0), -1) != width)
    return false;
  if (auto gather = dyn_cast<GatherOp>(op)) {
    int64_t axis = gather.getAxis().value_or(0);
    return axis != -1 && axis != *rank - 1;
  }
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return transpose.getPerm() && transpose.getPerm()->back() == *rank - 1;
  if (isa<SliceOp>(op)) {
    // A Slice that keeps the size of the last axis keeps that axis, unless it turns it around.
    std::optional<SmallVector<int64_t>> axes = getAxes(op, *rank);
    return axes && !llvm::is_contained(*axes, *rank - 1);
  }
  return isa<UnsqueezeOp, SqueezeOp, ExpandOp, ReshapeOp>(op);
}

/// Returns whether the first half of `value`'s last axis, `width` elements, equals the second.
static bool isProvenTwice(Value value, int64_t width, unsigned depth = 24) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0 || findSize(value, -1) != width)
    return false;
  if (isa<ConstantOp, InitializerOp>(op))
    return hasEqualHalves(value, width);
  if (auto concat = dyn_cast<ConcatOp>(op)) {
    std::optional<int64_t> rank = findRank(value);
    int64_t axis = concat.getAxis().value_or(0);
    return op->getNumOperands() == 2 && op->getOperand(0) == op->getOperand(1) && rank &&
           (axis == -1 || axis == *rank - 1);
  }
  if (isa<CosOp, SinOp, CastOp, IdentityOp, NegOp>(op))
    return isProvenTwice(op->getOperand(0), width, depth - 1);
  if (isa<MulOp, DivOp, AddOp, SubOp>(op)) {
    auto isPart = [&](Value operand) {
      return findSize(operand, -1) == 1 || findRank(operand) == 0 ||
             isProvenTwice(operand, width, depth - 1);
    };
    return isPart(op->getOperand(0)) && isPart(op->getOperand(1));
  }
  return op->getNumOperands() > 0 && keepsLastAxis(op, width) &&
         isProvenTwice(op->getOperand(0), width, depth - 1);
}

WhyNot RotaryPlan::read(sink::RotaryOp op) {
  if (WhyNot why = findUnknownOperand(op, {"x", "cos", "sin", "positions"}))
    return why;
  bool isJoined = op.getLayout() == Layout::hsd;
  if (!isJoined && !llvm::is_contained({Layout::bhsd, Layout::bshd, Layout::bsd}, op.getLayout()))
    return ("it has the layout " + sink::stringifyLayout(op.getLayout())).str();
  if (isJoined && op.getPositions())
    return "batch and heads are one axis, and its positions are those of the batch";
  // Each pair of a batch element and a head is an element of the operator's batch, with one head.
  std::optional<int64_t> heads;
  if (op.getNumHeads() || isJoined)
    heads = isJoined ? 1 : int64_t(*op.getNumHeads());
  if (WhyNot why = findHeadSizes(op.getX(), op.getLayout(), heads, "value", sizes))
    return why;
  element = findElement(op.getX());
  if (!element || !(element.isF32() || element.isF16()))
    return "its type is neither f32 nor f16";
  if (op.getInverse() || op.getDeinterleaves() || op.getOffset())
    return op.getInverse()         ? "it rotates by the opposite angle"
           : op.getDeinterleaves() ? "its pairs come out as halves"
                                   : "it does not rotate the first elements";
  width = op.getRotaryDim() ? int64_t(*op.getRotaryDim()) : sizes.dim;
  bool isHalf = op.getHalfTables() || op.getPositions();
  if (width % 2 != 0 || width > sizes.dim)
    return "its width is odd";
  if (!isHalf && op.getInterleaved())
    return "its tables are not of half width, and the pairs are interleaved";
  std::optional<int64_t> seqAxis = sink::getSequenceAxis(op.getLayout());
  for (Value table : {op.getCos(), op.getSin()}) {
    std::optional<int64_t> rank = findRank(table);
    if (!rank || (op.getPositions() ? *rank != 2 : (*rank < 2 || *rank > (isJoined ? 3 : 4))))
      return "the rank of its tables is unknown";
    if (findSize(table, -1) != (isHalf ? width / 2 : width))
      return "the width of its tables is unknown";
    if (!isHalf && !isProvenTwice(table, width))
      return "the halves of its tables are not known to be equal";
    if (*rank == 4 && (op.getLayout() == Layout::bsd ||
                       findSize(table, op.getLayout() == Layout::bhsd ? 1 : 2) != 1))
      return "its tables may differ between heads";
    if (!op.getPositions() &&
        !isSameSize(table, *rank == 4 ? *seqAxis : *rank - 2, op.getX(), *seqAxis))
      return "its tables are not known to have a row for each position";
  }
  if (findRank(op.getCos()) != findRank(op.getSin()) ||
      (findRank(op.getCos()) != 2 && !isSameSize(op.getCos(), 0, op.getSin(), 0)))
    return "its tables are not known to have one shape";
  if (op.getPositions() &&
      (findRank(op.getPositions()) != 2 || !isSameSize(op.getPositions(), 1, op.getX(), *seqAxis)))
    return "its positions are not known to be one for each row";
  if (op.getPositions() && !findElement(op.getPositions()).isInteger(64))
    return "its positions are not 64-bit integers";
  return std::nullopt;
}

Value basin::flattenRotated(sink::RotaryOp op, const RotaryPlan &plan, NodeBuilder &n) {
  if (op.getLayout() == Layout::hsd)
    return op.getX();
  return makeFlat(op.getX(), op.getLayout(), plan.sizes, n);
}

std::string basin::describeSizes(Value flat, int64_t begin, int64_t end) {
  std::string text;
  TensorInfo info = getTensorInfo(flat);
  for (int64_t i = begin; i < end; ++i) {
    if (!info.hasRank() || i >= info.rank() || info[i].isUnknown())
      return (Twine("of ") + Twine(reinterpret_cast<uintptr_t>(flat.getAsOpaquePointer()))).str();
    text += "," + toString(info[i]);
  }
  return text;
}

Value basin::makeBatchAndSequence(Value x, NodeBuilder &n, SharedValues &shared) {
  Block *block = n.getBuilder().getInsertionBlock();
  return shared.get(block, "sizes" + describeSizes(x, 0, 2), Value(),
                    [&] { return n.dims(x, 0, 2); });
}

Value basin::castTable(Value table, Type element, NodeBuilder &n, SharedValues &shared) {
  if (findElement(table) == element)
    return table;
  std::string what;
  llvm::raw_string_ostream(what) << "cast " << element;
  return shared.get(n.getBuilder().getInsertionBlock(), what, table,
                    [&] { return n.cast(table, element); });
}

Value basin::expandPositions(Value positions, Value x, NodeBuilder &n, SharedValues &shared) {
  if (isSameSize(positions, 0, x, 0))
    return positions;
  return shared.get(n.getBuilder().getInsertionBlock(), "positions" + describeSizes(x, 0, 2),
                    positions,
                    [&] { return n.expand(positions, makeBatchAndSequence(x, n, shared)); });
}

Value basin::makeHalfTable(sink::RotaryOp op, const RotaryPlan &plan, Value table, NodeBuilder &n,
                           SharedValues &shared) {
  Block *block = n.getBuilder().getInsertionBlock();
  Value half = castTable(table, plan.element, n, shared);
  std::string what = ("half table " + Twine(plan.width) + sink::stringifyLayout(op.getLayout()) +
                      (op.getHalfTables() ? "half" : ""))
                         .str();
  return shared.get(block, what, half, [&] {
    Value out = half;
    std::optional<int64_t> rank = findRank(out);
    if (rank == 4)
      out = n.squeeze(out, {op.getLayout() == Layout::bhsd ? 1 : 2});
    if (rank == 2)
      out = n.unsqueeze(out, {0});
    return op.getHalfTables() ? out : n.slice(out, 2, 0, plan.width / 2);
  });
}

void basin::finishRotary(PatternRewriter &rewriter, NodeBuilder &n, sink::RotaryOp op,
                         const RotaryPlan &plan, Value flat) {
  Value view = viewAs(flat, op.getLayout(), plan.sizes, n);
  Layout layout = op.getLayout();
  replaceWith(rewriter, op, {view});
  takeUsesBack(view, flat, layout, plan.sizes, rewriter);
}
