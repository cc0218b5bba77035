//===- ChannelOrigin.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Walks from a value upward while it is linear in what it is made from, channel by channel: views,
// casts, parts, sums with constant vectors, either factor of a product, and attention, which is
// linear in its values. The walk ends at a norm's weight or at a product's matrix. Each value on
// the way may have one reader only, because a second one would see the scaled channels as well.
//
//===----------------------------------------------------------------------===//

#include "ChannelOrigin.h"

#include "MatrixProducts.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Form.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

/// The most ops that are followed from a value.
static constexpr unsigned kMaxDepth = 32;

StringRef basin::sink::toString(ChannelOrigin::Kind kind) {
  switch (kind) {
  case ChannelOrigin::Norm:
    return "norm";
  case ChannelOrigin::Product:
    return "product";
  case ChannelOrigin::Attention:
    return "attention";
  }
  llvm_unreachable("an origin of no kind");
}

static std::string describe(Operation *op) {
  StringRef type = op->getName().stripDialect();
  if (auto node = dyn_cast<NodeInterface>(op))
    type = node.getOpType();
  std::string name;
  if (op->getNumResults() > 0)
    name = getStreamValueName(op->getResult(0)).str();
  return llvm::formatv("{0} '{1}'", type, name).str();
}

static bool isFloat(Value value) {
  Type element = getTensorInfo(value).element;
  return element && isScalable(element);
}

//===----------------------------------------------------------------------===//
// Readers
//===----------------------------------------------------------------------===//

/// Returns whether two parts of a value have no element in common.
static bool areApart(const Selection &a, const Selection &b) {
  return a.axis == b.axis && (a.begin + a.size <= b.begin || b.begin + b.size <= a.begin);
}

/// Returns why a value has readers besides the op that the walk came from. With a `part`, other
/// parts may be read.
static WhyNot checkReaders(Value value, Operation *via, std::optional<Selection> part = {}) {
  bool isSeen = false;
  for (OpOperand &use : value.getUses()) {
    Operation *op = use.getOwner();
    if (isa<ShapeOp, SizeOp>(op))
      continue;
    if (op == via && use.getOperandNumber() == 0 && part && !isSeen) {
      isSeen = true;
      continue;
    }
    if (op == via && !isSeen && !part) {
      isSeen = true;
      continue;
    }
    std::optional<Selection> other;
    if (part && op->getNumResults() == 1 && use.getOperandNumber() == 0)
      other = getSelection(op, op->getResult(0));
    if (other && areApart(*part, *other))
      continue;
    if (isa<ReturnOp>(op))
      return llvm::formatv("'{0}' is an output of the graph", getStreamValueName(value)).str();
    return llvm::formatv("'{0}' is also read by {1}", getStreamValueName(value), describe(op))
        .str();
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Ends of the walk
//===----------------------------------------------------------------------===//

bool basin::sink::isStored(Value value) {
  return isWeight(value) || isa_and_nonnull<ParameterOp>(value.getDefiningOp());
}

bool basin::sink::isStoredProduct(Operation *op) {
  bool isParameters =
      isa<MatMulOp>(op) && isa_and_nonnull<ParameterOp>(op->getOperand(1).getDefiningOp());
  return isParameters || matchMatrixProduct(op);
}

WhyNot basin::sink::findStoredMatrix(Operation *product, StoredMatrix &found) {
  bool isTransposed = false;
  if (auto gemm = dyn_cast<GemmOp>(product))
    isTransposed = gemm.getTransB().value_or(0) != 0;
  else if (auto fused = dyn_cast<MSFusedMatMulOp>(product))
    isTransposed = fused.getTransB().value_or(0) != 0 || fused.getTransBatchB().value_or(0) != 0;
  else if (!isa<MatMulOp>(product))
    return llvm::formatv("the matrix of {0} is not stored as floats", describe(product)).str();
  OpOperand *use = &product->getOpOperand(1);
  if (auto transpose = use->get().getDefiningOp<TransposeOp>()) {
    std::optional<ArrayRef<int64_t>> perm = transpose.getPerm();
    TensorInfo info = getTensorInfo(transpose->getOperand(0));
    if (!info.hasRank() || info.rank() != 2 || (perm && *perm != ArrayRef<int64_t>{1, 0}) ||
        !transpose->getResult(0).hasOneUse())
      return llvm::formatv("the matrix of {0} is transposed in a way that is not understood, or "
                           "for several readers",
                           describe(product))
          .str();
    isTransposed = !isTransposed;
    use = &transpose->getOpOperand(0);
  }
  TensorInfo info = getTensorInfo(use->get());
  if (!isStoredProduct(product) || !isStored(use->get()) || !isFloat(use->get()) ||
      !info.hasRank() || info.rank() < 2 || (isTransposed && info.rank() != 2))
    return llvm::formatv("the matrix of {0} is not stored as it is multiplied", describe(product))
        .str();
  found = {use, info.rank() - (isTransposed ? 1 : 2), info.rank() - (isTransposed ? 2 : 1)};
  return std::nullopt;
}

/// Adds a vector along the last axis, of that size, as a part.
WhyNot OriginFinder::addBias(OpOperand &use, const ChannelMap &map, int64_t size) {
  Value bias = use.get();
  TensorInfo info = getTensorInfo(bias);
  std::optional<SmallVector<int64_t>> positions = map.getPositions();
  bool isVector = info.hasRank() && info.rank() > 0 && info[info.rank() - 1].is(size);
  for (int64_t axis = 0; isVector && axis + 1 < info.rank(); ++axis)
    isVector = info[axis].is(1);
  if (!isStored(bias) || !isFloat(bias) || !isVector || !positions)
    return llvm::formatv("the bias that {0} adds is no stored vector of {1} elements",
                         describe(use.getOwner()), size)
        .str();
  found.parts.push_back({{&use}, info.rank() - 1, std::move(*positions)});
  return std::nullopt;
}

WhyNot OriginFinder::endAtNorm(NormInterface norm, Value result, const ChannelMap &map) {
  StringRef name = getStreamValueName(norm.getResult());
  std::optional<SmallVector<int64_t>> positions = map.getPositions();
  if (result != norm.getResult() || !positions)
    return llvm::formatv("the norm '{0}' is not over all of its channels", name).str();
  if (Form(norm).rounds())
    return llvm::formatv("the norm '{0}' has quantization inside", name).str();
  if (!norm.getWeight())
    return llvm::formatv("the norm '{0}' has no weight", name).str();
  TensorInfo to = getTensorInfo(norm.getResult());
  for (MutableOperandRange range : {norm.getWeightMutable(), norm.getBiasMutable()})
    for (OpOperand &use : range) {
      TensorInfo info = getTensorInfo(use.get());
      bool isVector = info.hasRank() && info.rank() > 0 && to.hasRank() &&
                      info[info.rank() - 1].isStatic() &&
                      info[info.rank() - 1].provablyEquals(to[to.rank() - 1]) && info.rank() == 1;
      std::optional<RoleUses> uses;
      if (isVector && isStored(use.get()) && isFloat(use.get()))
        uses = roles.find(use);
      if (!uses)
        return llvm::formatv("the weight or bias of the norm '{0}' is not stored as it is "
                             "multiplied, one element for each channel",
                             name)
            .str();
      found.parts.push_back({std::move(*uses), 0, *positions});
    }
  found.kind = ChannelOrigin::Norm;
  return std::nullopt;
}

WhyNot OriginFinder::endAtProduct(Operation *op, const ChannelMap &map) {
  StoredMatrix matrix;
  if (WhyNot why = findStoredMatrix(op, matrix))
    return why;
  std::optional<SmallVector<int64_t>> positions = map.getPositions();
  TensorInfo to = getTensorInfo(op->getResult(0)), stored = getTensorInfo(matrix.use->get());
  if (!positions || !to.hasRank() || !stored[matrix.columns].isStatic() ||
      !stored[matrix.columns].provablyEquals(to[to.rank() - 1]))
    return llvm::formatv("the channels are not columns of {0}", describe(op)).str();
  int64_t columns = stored[matrix.columns].size;
  if (auto gemm = dyn_cast<GemmOp>(op); gemm && gemm.getC())
    if (WhyNot why = addBias(op->getOpOperand(2), map, columns))
      return why;
  found.parts.push_back({{matrix.use}, matrix.columns, std::move(*positions)});
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

/// Goes on at `source`, which `op` reads.
WhyNot OriginFinder::walkInto(Operation *op, Value source, std::optional<ChannelMap> map,
                              unsigned depth) {
  if (!map)
    return llvm::formatv("{0} moves channels in a way that is not understood", describe(op)).str();
  if (WhyNot why = checkReaders(source, op))
    return why;
  return walk(source, *map, depth + 1);
}

WhyNot OriginFinder::walkSelection(Operation *op, Value result, const ChannelMap &map,
                                   unsigned depth) {
  Value source = op->getOperand(0);
  std::optional<Selection> part = getSelection(op, result);
  std::optional<ChannelMap> moved = part ? undoSelection(*part, map) : std::nullopt;
  if (!moved)
    return llvm::formatv("{0} moves channels in a way that is not understood", describe(op)).str();
  if (WhyNot why = checkReaders(source, op, part))
    return why;
  return walk(source, *moved, depth + 1);
}

WhyNot OriginFinder::walkAttention(AttentionOp op, Value result, const ChannelMap &map,
                                   unsigned depth) {
  StringRef name = getStreamValueName(op.getResult());
  if (result != op.getResult())
    return llvm::formatv("'{0}' is another result of an attention", getStreamValueName(result))
        .str();
  if (Form(op).rounds())
    return llvm::formatv("the attention '{0}' has quantization inside", name).str();
  if (op.getPastValue())
    return llvm::formatv("the attention '{0}' has a cache of values", name).str();
  if (op.getSinkValue())
    return llvm::formatv("the attention '{0}' has constant rows of values", name).str();
  for (auto [index, other] : llvm::enumerate(op.getMore()))
    if (!(op.getHasPresent() && index == 0) &&
        !llvm::all_of(other.getUsers(), [](Operation *user) { return isa<ShapeOp, SizeOp>(user); }))
      return llvm::formatv("the attention '{0}' has the result '{1}', which may depend on its "
                           "values",
                           name, getStreamValueName(other))
          .str();
  WhyNot why = walkInto(op, op.getValue(), undoAttention(op, map), depth);
  found.kind = ChannelOrigin::Attention;
  return why;
}

WhyNot OriginFinder::walkSum(Operation *op, const ChannelMap &map, unsigned depth) {
  bool isFirst = isConstant(op->getOperand(1));
  if (!isFirst && !isConstant(op->getOperand(0)))
    return llvm::formatv("{0} adds two computed values", describe(op)).str();
  TensorInfo to = getTensorInfo(op->getResult(0));
  Value source = op->getOperand(isFirst ? 0 : 1);
  std::optional<ChannelMap> moved = undoElementwise(source, op->getResult(0), map);
  if (!moved || !to.hasRank() || to.rank() == 0)
    return llvm::formatv("{0} moves channels in a way that is not understood", describe(op)).str();
  if (WhyNot why = addBias(op->getOpOperand(isFirst ? 1 : 0), map, to[to.rank() - 1].size))
    return why;
  return walkInto(op, source, moved, depth);
}

/// Follows either factor of a product, the numerator of a quotient.
WhyNot OriginFinder::walkFactors(Operation *op, const ChannelMap &map, unsigned depth) {
  WhyNot reason;
  ChannelOrigin before = found;
  for (unsigned i = 0; i < (isa<MulOp>(op) ? 2u : 1u); ++i) {
    Value source = op->getOperand(i);
    if (isConstant(source))
      continue;
    found = before;
    WhyNot why = walkInto(op, source, undoElementwise(source, op->getResult(0), map), depth);
    if (!why)
      return std::nullopt;
    reason = reason ? llvm::formatv("{0}, and {1}", *reason, *why).str() : *why;
  }
  return reason ? reason : WhyNot("all factors of " + describe(op) + " are constant");
}

WhyNot OriginFinder::walk(Value value, const ChannelMap &map, unsigned depth) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumOperands() == 0)
    return llvm::formatv("'{0}' is not computed", getStreamValueName(value)).str();
  if (depth == kMaxDepth)
    return llvm::formatv("'{0}' is too far from a weight", getStreamValueName(value)).str();
  if (!isFloat(value))
    return llvm::formatv("'{0}' has no floats", getStreamValueName(value)).str();
  if (auto norm = dyn_cast<NormInterface>(op))
    return endAtNorm(norm, value, map);
  if (auto attention = dyn_cast<AttentionOp>(op))
    return walkAttention(attention, value, map, depth);
  if (isStoredProduct(op))
    return endAtProduct(op, map);
  Value source = op->getOperand(0);
  if (isa<IdentityOp, CastOp>(op))
    return walkInto(op, source, undoElementwise(source, value, map), depth);
  if (isa<ReshapeOp, SqueezeOp, UnsqueezeOp, FlattenOp>(op))
    return walkInto(op, source, undoRegroup(source, value, map), depth);
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return walkInto(op, source, undoTranspose(transpose, map), depth);
  if (auto expand = dyn_cast<ExpandOp>(op))
    return walkInto(op, source, undoExpand(expand, map), depth);
  if (isa<SplitOp, SliceOp, GatherOp>(op))
    return walkSelection(op, value, map, depth);
  if (isa<AddOp>(op))
    return walkSum(op, map, depth);
  if (isa<MulOp, DivOp>(op))
    return walkFactors(op, map, depth);
  return llvm::formatv("{0} is not linear in its operand, or not known to be", describe(op)).str();
}

WhyNot OriginFinder::find(Value value, int64_t channels, ChannelOrigin &origin) {
  found = {};
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank() || info.rank() == 0 || !info[info.rank() - 1].is(channels))
    return llvm::formatv("the last axis of '{0}' is not known to have {1} elements",
                         getStreamValueName(value), channels)
        .str();
  WhyNot why = walk(value, ChannelMap::ofLastAxis(info.rank(), channels), 0);
  if (!why)
    origin = std::move(found);
  return why;
}
