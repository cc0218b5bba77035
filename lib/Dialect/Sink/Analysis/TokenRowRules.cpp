//===- TokenRowRules.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Types hold for any number of tokens, because sizes have names. So a view keeps rows if the types
// prove that an axis of the result has the tokens' size and as many elements after it. An op
// without a rule has no rows.
//
//===----------------------------------------------------------------------===//

#include "TokenRowRules.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

RowOutcome RowRule::fail(const Twine &why) { return {std::nullopt, why.str(), {}}; }
RowOutcome RowRule::give(const TokenRow &row) { return {row, {}, {}}; }

std::string RowRule::quote(Value value) {
  StringRef name = getStreamValueName(value);
  return name.empty() ? "an operand" : ("'" + name + "'").str();
}

/// Returns the ONNX name of a node with its domain, if that is not ai.onnx.
static std::string getOperator(Operation *op) {
  auto node = dyn_cast<NodeInterface>(op);
  if (!node)
    return op->getName().getStringRef().str();
  StringRef domain = node.getOpDomain();
  return ((domain.empty() ? "" : domain + ".") + node.getOpType()).str();
}

bool basin::isElementwise(Operation *op) {
  if (isa<AbsOp, NegOp, ExpOp, LogOp, SqrtOp, ReciprocalOp, SigmoidOp, TanhOp, ReluOp, ErfOp, SinOp,
          CosOp, SoftplusOp, FloorOp, CeilOp, RoundOp, SignOp, NotOp, GeluOp, EluOp, LeakyReluOp,
          HardSigmoidOp, HardSwishOp, MishOp, SeluOp, SwishOp, ClipOp, IdentityOp, PReluOp, IsNaNOp,
          IsInfOp>(op))
    return true;
  if (isa<AddOp, SubOp, MulOp, DivOp, PowOp, ModOp, AndOp, OrOp, XorOp, MinOp, MaxOp, SumOp, MeanOp,
          EqualOp, LessOp, GreaterOp, LessOrEqualOp, GreaterOrEqualOp, WhereOp, CastOp>(op))
    return true;
  if (isa<MSGeluOp, MSFastGeluOp, MSBiasGeluOp, MSQuickGeluOp>(op))
    return true;
  auto node = dyn_cast<NodeInterface>(op);
  static const llvm::StringSet<> named{"BitShift",   "BitwiseAnd", "BitwiseNot", "BitwiseOr",
                                       "BitwiseXor", "Celu",       "Cosh",       "HardTanh",
                                       "Sinh",       "Softsign",   "Tan",        "ThresholdedRelu",
                                       "Atan",       "Acos",       "Asin"};
  return node && node.getOpDomain().empty() && named.contains(node.getOpType());
}

/// Returns the product of the dims from `begin` on.
static Dim productFrom(ArrayRef<Dim> dims, size_t begin) {
  return multiplyDims(dims.drop_front(begin));
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

std::optional<std::string> RowRule::addBroadcast(OpOperand &operand, ArrayRef<Dim> dims,
                                                 const TokenRow &row, RowOutcome &outcome) {
  Value value = operand.get();
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank())
    return "the rank of " + quote(value) + " is not known";
  // Axes are aligned from the right.
  int64_t shift = int64_t(dims.size()) - info.rank(), axis = int64_t(row.axis) - shift;
  bool isOne = axis < 0 || info[axis].is(1);
  if (get(value).kind == TokenRow::Same) {
    if (isOne)
      return std::nullopt;
    return "along the tokens, " + quote(value) + " has a size of its own: " + toString(*info.dims);
  }
  if (get(value).kind != TokenRow::Positions)
    return quote(value) + " depends on the number of tokens, or on later ones";
  for (int64_t i = 0; i < info.rank(); ++i)
    if (!info[i].is(1) && (i + shift < 0 || !info[i].provablyEquals(dims[i + shift])) &&
        !(i == axis && info[i].provablyEquals(Dim(row.tokens))))
      return quote(value) + " " + toString(*info.dims) +
             " counts tokens, and its sizes are not proven to be 1 or those of " + toString(dims);
  if (row.isJoined && !isOne)
    return quote(value) + " counts tokens, and batch and tokens are one axis";
  outcome.whole.push_back({&operand, isOne ? std::optional<unsigned>() : axis});
  return std::nullopt;
}

std::optional<std::string> RowRule::findChangedOperand(unsigned first) {
  for (Value operand : op->getOperands().drop_front(first))
    if (get(operand).kind != TokenRow::Same)
      return quote(operand) + " depends on the tokens";
  return std::nullopt;
}

std::optional<int64_t> RowRule::getAxis(Value x, int64_t otherwise) {
  TensorInfo info = getTensorInfo(x);
  auto attr = op->getAttrOfType<IntegerAttr>("axis");
  int64_t axis = attr ? attr.getInt() : otherwise;
  if (!info.hasRank() || axis < -info.rank() || axis >= info.rank())
    return std::nullopt;
  return axis < 0 ? axis + info.rank() : axis;
}

//===----------------------------------------------------------------------===//
// Elementwise ops and products
//===----------------------------------------------------------------------===//

RowOutcome RowRule::applyElementwise(MutableArrayRef<OpOperand> operands) {
  OpOperand *lead = nullptr;
  int64_t rank = 0;
  for (OpOperand &operand : operands) {
    TensorInfo info = getTensorInfo(operand.get());
    if (operand.get().getDefiningOp<AbsentOp>())
      continue;
    if (!info.hasRank())
      return fail("the rank of " + quote(operand.get()) + " is not known");
    rank = std::max(rank, info.rank());
    if (!lead && get(operand.get()).kind == TokenRow::Rows)
      lead = &operand;
  }
  TokenRow row = get(lead->get());
  Dims dims = *getTensorInfo(lead->get()).dims;
  int64_t fromRight = int64_t(dims.size()) - row.axis;
  RowOutcome outcome = give(row.along(rank - fromRight));
  for (OpOperand &operand : operands) {
    if (&operand == lead || operand.get().getDefiningOp<AbsentOp>())
      continue;
    TokenRow other = get(operand.get());
    if (other.kind != TokenRow::Rows) {
      if (std::optional<std::string> why = addBroadcast(operand, dims, row, outcome))
        return fail(*why);
    } else if (getTensorInfo(operand.get()).rank() - int64_t(other.axis) != fromRight ||
               !other.isJoinedLike(row)) {
      return fail("tokens lie along different axes of " + quote(lead->get()) + " and " +
                  quote(operand.get()));
    }
  }
  return outcome;
}

RowOutcome RowRule::applyMatMul(Value a, Value b) {
  TensorInfo left = getTensorInfo(a), right = getTensorInfo(b);
  if (!left.hasRank() || !right.hasRank() || left.rank() < 2 || right.rank() < 2)
    return fail("the ranks of its operands are not known, or below two");
  TokenRow x = get(a), y = get(b);
  if (x.kind != TokenRow::Same && y.kind != TokenRow::Same)
    return fail("both operands depend on the tokens");
  bool isLeft = x.kind == TokenRow::Rows;
  const TensorInfo &info = isLeft ? left : right, &other = isLeft ? right : left;
  TokenRow row = isLeft ? x : y;
  int64_t fromRight = info.rank() - row.axis;
  if (fromRight == (isLeft ? 1 : 2))
    return fail("it sums over the tokens");
  // A batch axis of the other operand must not be one of tokens.
  if (fromRight > 2 && other.rank() >= fromRight && !other[other.rank() - fromRight].is(1))
    return fail("both operands have a size along the tokens");
  int64_t rank = std::max(info.rank(), other.rank());
  return give(row.along(rank - fromRight));
}

RowOutcome RowRule::applyGemm() {
  TokenRow row = get(op->getOperand(0));
  auto transposed = op->getAttrOfType<IntegerAttr>("transA");
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  if (row.axis != 0 || (transposed && transposed.getInt() != 0))
    return fail("it sums over the tokens");
  if (Value bias = getInputOrNull(op, 2)) {
    TensorInfo info = getTensorInfo(bias);
    if (!info.hasRank() || (info.rank() == 2 && !info[0].is(1)))
      return fail("its summand has a size along the tokens");
  }
  return give(row);
}

/// Products with a packed matrix, which is no tensor of two axes.
RowOutcome RowRule::applyPackedMatMul() {
  TensorInfo info = getTensorInfo(op->getOperand(0));
  TokenRow row = get(op->getOperand(0));
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  if (!info.hasRank() || int64_t(row.axis) + 1 >= info.rank())
    return fail("it sums over the tokens");
  return give(row);
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

/// Finds the axis of the tokens in a view where they come before what they share an axis with, or
/// shared one. In row-major order, an axis of tokens and what follows it is the same list of
/// elements as that axis joined with some of these.
std::optional<TokenRow> RowRule::viewTokensFirst(ArrayRef<Dim> from, ArrayRef<Dim> to,
                                                 const TokenRow &row) {
  Dim tokens(row.tokens), before = multiplyDims(from.take_front(row.axis));
  Dim after = productFrom(from, row.axis + 1), all = multiplyDims(from[row.axis], after);
  for (size_t i = 0; i < to.size(); ++i) {
    Dim rest = productFrom(to, i + 1);
    if (!multiplyDims(to.take_front(i)).provablyEquals(before) ||
        !multiplyDims(to[i], rest).provablyEquals(all))
      continue;
    TokenRow moved = row.along(i);
    if (row.isFirst && (to[i].provablyEquals(from[row.axis]) || to[i].provablyEquals(tokens))) {
      moved.isJoined = moved.isFirst = !to[i].provablyEquals(tokens);
      return moved;
    }
    // Each token has the same number of rows.
    Dim share = rest.isStatic() && rest.size > 0 ? divideDim(after, rest.size) : Dim();
    if (!row.isJoined && from[row.axis].provablyEquals(tokens) &&
        to[i].provablyEquals(multiplyDims(tokens, share))) {
      moved.isJoined = moved.isFirst = true;
      return moved;
    }
  }
  return std::nullopt;
}

RowOutcome RowRule::applyView(Value x) {
  TensorInfo from = getTensorInfo(x), to = getTensorInfo(op->getResult(0));
  TokenRow row = get(x);
  if (row.kind != TokenRow::Rows || !from.hasRank() || !to.hasRank())
    return fail("its sizes are not known");
  Dim after = productFrom(*from.dims, row.axis + 1), tokens(row.tokens);
  for (size_t i = 0; i < to.dims->size() && !row.isFirst; ++i) {
    // The number of elements after the tokens tells where they are in the row-major order.
    if (!productFrom(*to.dims, i + 1).provablyEquals(after))
      continue;
    TokenRow moved = row.along(i);
    moved.isJoined =
        !to[i].provablyEquals(tokens) && (row.isJoined || !to[i].provablyEquals(from[row.axis]));
    Dim joined = row.isJoined ? from[row.axis]
                              : multiplyDims(ArrayRef<Dim>(*from.dims).take_front(row.axis + 1));
    if (!moved.isJoined || to[i].provablyEquals(joined))
      return give(moved);
  }
  if (std::optional<TokenRow> moved = viewTokensFirst(*from.dims, *to.dims, row))
    return give(*moved);
  return fail("the axis of the tokens is not proven among " + toString(*from.dims) + " and " +
              toString(*to.dims));
}

RowOutcome RowRule::applyTranspose() {
  auto perm = op->getAttrOfType<DenseI64ArrayAttr>("perm");
  TensorInfo info = getTensorInfo(op->getOperand(0));
  TokenRow row = get(op->getOperand(0));
  if (!info.hasRank())
    return fail("its rank is not known");
  if (!perm)
    return give(row.along(info.rank() - 1 - row.axis));
  for (auto [i, from] : llvm::enumerate(perm.asArrayRef()))
    if (from == row.axis)
      return give(row.along(i));
  return fail("its permutation lacks the axis of the tokens");
}

//===----------------------------------------------------------------------===//
// All ops
//===----------------------------------------------------------------------===//

RowOutcome RowRule::apply() {
  auto isLast = [&](Value value) { return get(value).kind == TokenRow::Last; };
  if (llvm::any_of(op->getOperands(), isLast)) {
    bool isAlone = llvm::all_of(op->getOperands(), [&](Value value) {
      return isLast(value) || get(value).kind == TokenRow::Same;
    });
    return isAlone && op->getNumRegions() == 0 ? give({TokenRow::Last})
           : isAlone && isa<sink::RaisedInterface>(op)
               ? give({TokenRow::Last})
               : fail("it joins the last token with others");
  }
  if (isa<sink::RaisedInterface>(op))
    return applySinkOp();
  if (op->getNumRegions() != 0)
    return fail(getOperator(op) + " may look at all tokens");
  if (isElementwise(op))
    return applyElementwise(op->getOpOperands());
  if (isa<CastLikeOp, DropoutOp>(op))
    return applyElementwise(op->getOpOperands().take_front(1));
  if (isa<MatMulOp>(op))
    return applyMatMul(op->getOperand(0), op->getOperand(1));
  if (isa<GemmOp>(op))
    return applyGemm();
  if (isa<MSMatMulNBitsOp, MatMulIntegerOp>(op))
    return applyPackedMatMul();
  if (isa<ReshapeOp, FlattenOp, SqueezeOp, UnsqueezeOp>(op))
    return applyView(op->getOperand(0));
  if (isa<TransposeOp>(op))
    return applyTranspose();
  if (isa<SoftmaxOp, LogSoftmaxOp, ArgMaxOp, ArgMinOp, TopKOp>(op))
    return applyAlongAxis();
  if (isa<ReduceMeanOp, ReduceSumOp, ReduceMaxOp, ReduceMinOp, ReduceSumSquareOp, ReduceL2Op,
          ReduceProdOp>(op))
    return applyReduce();
  if (isa<ConcatOp>(op))
    return applyConcat();
  if (isa<SplitOp>(op))
    return applySplit();
  if (isa<SliceOp>(op))
    return applySlice();
  if (isa<GatherOp>(op))
    return applyGather();
  if (isa<ExpandOp>(op))
    return applyExpand();
  if (isa<QuantizeLinearOp, DequantizeLinearOp>(op))
    return applyQuantize();
  return fail(getOperator(op) + " may look at all tokens");
}
