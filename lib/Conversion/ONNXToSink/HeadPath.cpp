//===- HeadPath.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HeadPath.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin::onnx;
using basin::sink::Layout;

/// Moves over constant factors and over casts that do not narrow.
static void skipScales(HeadPath &path) {
  while (true) {
    path.value = skipWidenings(path.value, &path.ops);
    std::optional<Scaled> scaled = matchScaled(path.value, path.ops);
    if (!scaled)
      return;
    path.scale *= scaled->factor;
    path.value = scaled->source;
  }
}

/// Returns the operand of a Transpose by `perm`, or null if `value` is not the result of one.
static Value matchTranspose(Value value, ArrayRef<int64_t> perm, Ops &ops) {
  auto transpose = value.getDefiningOp<TransposeOp>();
  if (!transpose || !transpose.getPerm() || *transpose.getPerm() != perm)
    return {};
  ops.insert(transpose);
  return transpose.getData();
}

/// Returns whether axis `i` of `a` and axis `j` of `b` certainly have the same size.
static bool sameSize(Value a, unsigned i, Value b, unsigned j) {
  TensorInfo x = getTensorInfo(a), y = getTensorInfo(b);
  return x.hasRank() && y.hasRank() && i < x.dims->size() && j < y.dims->size() &&
         x[i].provablyEquals(y[j]);
}

/// Matches k^T computed on three axes: Reshape, Transpose(0, 2, 1), Reshape back.
static Value matchFlatTranspose(Value value, Ops &ops) {
  auto outer = value.getDefiningOp<ReshapeOp>();
  Ops found;
  Value inner = outer ? matchTranspose(outer.getData(), {0, 2, 1}, found) : Value();
  auto flat = inner ? inner.getDefiningOp<ReshapeOp>() : ReshapeOp();
  if (!flat || getRank(flat.getData()) != 4 || getRank(value) != 4 || getRank(inner) != 3)
    return {};
  // The Reshapes join the first two axes and part them again. So the last two axes must be those
  // of the source, and the head axis must come back as it was.
  Value source = flat.getData();
  auto same = [](std::optional<int64_t> a, std::optional<int64_t> b) { return a && a == b; };
  if (!same(getDim(source, 3), getDim(inner, 2)) || !same(getDim(source, 3), getDim(value, 2)) ||
      !same(getDim(source, 1), getDim(value, 1)) || !sameSize(source, 2, inner, 1) ||
      !sameSize(source, 2, value, 3))
    return {};
  ops.insert(outer);
  ops.insert(found.front());
  ops.insert(flat);
  return source;
}

/// Returns [b, kv, s, d] if `value` is [b, kv * n, s, d] with each head n times in a row. The ops
/// add a new axis after the heads, widen it by Expand, Tile or Concat, and merge it with the
/// heads.
Value basin::onnx::matchRepeatedHeads(Value value, Ops &ops) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  Operation *widen = reshape ? reshape.getData().getDefiningOp() : nullptr;
  if (!widen || !isa<ExpandOp, TileOp, ConcatOp>(widen))
    return {};
  Value narrow = widen->getOperand(0);
  if (auto concat = dyn_cast<ConcatOp>(widen)) {
    std::optional<int64_t> rank = getRank(narrow);
    int64_t axis = concat.getAxis().value_or(0);
    if (rank && axis < 0)
      axis += *rank;
    if (axis != 2 || !llvm::all_equal(widen->getOperands()))
      return {};
  }
  auto unsqueeze = narrow.getDefiningOp<UnsqueezeOp>();
  if (!unsqueeze || getRank(narrow) != 5 || getRank(value) != 4)
    return {};
  Value source = unsqueeze.getData();
  std::optional<SmallVector<int64_t>> axes = getAxes(unsqueeze, 5);
  std::optional<int64_t> kv = getDim(source, 1), heads = getDim(value, 1);
  Value wide = widen->getResult(0);
  if (!axes || *axes != SmallVector<int64_t>{2} || !kv || !heads || *heads % *kv != 0)
    return {};
  // Only the new axis may have grown, and only the head axes may be merged.
  bool grown = getDim(wide, 1) == kv && getDim(wide, 2) == *heads / *kv &&
               (!getDim(source, 3) || getDim(wide, 4) == getDim(source, 3)) &&
               (!getDim(wide, 4) || getDim(value, 3) == getDim(wide, 4)) &&
               sameSize(source, 0, wide, 0) && sameSize(source, 2, wide, 3);
  if (!grown)
    return {};
  for (Operation *op : {reshape.getOperation(), widen, unsqueeze.getOperation()})
    ops.insert(op);
  return source;
}

static void skipRepeats(HeadPath &path) {
  skipScales(path);
  if (Value source = matchRepeatedHeads(path.value, path.ops)) {
    path.value = source;
    skipScales(path);
  }
}

/// Returns whether `value` is computed from constants alone. Looks at a few ops.
static bool isWeight(Value value) {
  SmallVector<Value> open{value};
  for (unsigned i = 0; i < 32 && !open.empty(); ++i) {
    Value cur = open.pop_back_val();
    Operation *op = cur.getDefiningOp();
    if (!op || (!isConstant(cur) && op->getNumOperands() == 0))
      return false;
    if (!isConstant(cur))
      llvm::append_range(open, op->getOperands());
  }
  return open.empty();
}

Layout basin::onnx::joinHeads(Layout layout) {
  switch (layout) {
  case Layout::bhsd:
    return Layout::hsd;
  case Layout::bhds:
    return Layout::hds;
  default:
    return layout;
  }
}

/// Follows the keys, which stand in `path` as the product takes them, over their transposition.
/// Keys of any other order are taken as they are: transposed.
static std::optional<Miss> walkTransposedKey(HeadPath &path) {
  if (Value source = matchTranspose(path.value, {0, 1, 3, 2}, path.ops)) {
    path.value = source;
  } else if (Value source = matchTranspose(path.value, {0, 2, 3, 1}, path.ops)) {
    // One Transpose does both transpositions: in its source, the heads stand after the sequence.
    path.value = source;
    path.layout = Layout::bshd;
  } else if (Value source = matchFlatTranspose(path.value, path.ops)) {
    path.value = source;
  } else if (Value source = matchTranspose(path.value, {0, 2, 1}, path.ops)) {
    path.value = source;
    path.layout = Layout::hsd;
  } else if (isWeight(path.value)) {
    return Miss(MissReason::AttentionKeys);
  } else {
    path.layout = getRank(path.value) == 3 ? Layout::hds : Layout::bhds;
  }
  return std::nullopt;
}

std::optional<Miss> basin::onnx::walkKey(const HeadProduct &product, bool isShort, HeadPath &path) {
  path.value = product.b;
  path.layout = getRank(product.b) == 3 ? joinHeads(*product.key) : *product.key;
  if (!isShort)
    skipScales(path);
  if (path.layout == Layout::bhds || path.layout == Layout::hds) {
    path.layout = Layout::bhsd;
    if (std::optional<Miss> why = walkTransposedKey(path))
      return why;
  }
  if (isShort)
    return std::nullopt;
  if (path.layout == Layout::bhsd || path.layout == Layout::bhds)
    skipRepeats(path);
  else
    skipScales(path);
  return std::nullopt;
}

HeadPath basin::onnx::walkQuery(const HeadProduct &product, bool isShort) {
  HeadPath path;
  path.value = product.a;
  path.layout = product.query;
  if (!isShort)
    skipScales(path);
  return path;
}

HeadPath basin::onnx::walkValue(const HeadProduct &product, bool isShort) {
  HeadPath path;
  path.layout = *product.value;
  path.value = product.b;
  if (isShort)
    return path;
  // A scale of the values is not part of attention, so the path ends there.
  path.value = skipWidenings(product.b, &path.ops);
  if (path.layout == Layout::bhsd)
    if (Value source = matchRepeatedHeads(path.value, path.ops))
      path.value = skipWidenings(source, &path.ops);
  return path;
}
