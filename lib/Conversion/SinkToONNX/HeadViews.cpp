//===- HeadViews.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HeadViews.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using basin::sink::Layout;

/// Exchanges heads and sequence.
static constexpr int64_t kExchange[] = {0, 2, 1, 3};

std::optional<int64_t> basin::findRank(Value value) {
  TensorInfo info = getTensorInfo(value);
  return info.hasRank() ? std::optional(info.rank()) : std::nullopt;
}

std::optional<int64_t> basin::findSize(Value value, int64_t axis) {
  TensorInfo info = getTensorInfo(value);
  if (info.hasRank() && axis < 0)
    axis += info.rank();
  if (!info.hasRank() || axis < 0 || axis >= info.rank() || !info[axis].isStatic())
    return std::nullopt;
  return info[axis].size;
}

Type basin::findElement(Value value) { return value ? getTensorInfo(value).element : Type(); }

bool basin::isSameSize(Value a, int64_t i, Value b, int64_t j) {
  TensorInfo x = getTensorInfo(a), y = getTensorInfo(b);
  return x.hasRank() && y.hasRank() && i < x.rank() && j < y.rank() && x[i].provablyEquals(y[j]);
}

WhyNot basin::findHeadSizes(Value value, Layout layout, std::optional<int64_t> heads,
                            StringRef what, HeadSizes &sizes) {
  std::optional<int64_t> rank = findRank(value);
  if (!rank || rank != sink::getRankOf(layout))
    return ("the rank of the " + what + " is not that of its layout").str();
  if (std::optional<unsigned> axis = sink::getHeadAxis(layout)) {
    std::optional<int64_t> size = findSize(value, *axis);
    if (!size || (heads && *heads != *size))
      return ("the number of heads of the " + what + " is unknown").str();
    heads = size;
  }
  std::optional<int64_t> last = findSize(value, sink::getHeadDimAxis(layout));
  if (!heads || *heads <= 0 || !last || *last <= 0)
    return ("the size of the " + what + "'s heads is unknown").str();
  sizes.heads = *heads;
  sizes.dim = layout == Layout::bsd ? *last / *heads : *last;
  if (layout == Layout::bsd && *last % *heads != 0)
    return ("the last axis of the " + what + " is no multiple of its heads").str();
  return std::nullopt;
}

/// Returns the operand of a Transpose by `perm`, or null.
static Value findTransposed(Value value, ArrayRef<int64_t> perm) {
  auto transpose = value.getDefiningOp<TransposeOp>();
  if (!transpose || !transpose.getPerm() || *transpose.getPerm() != perm)
    return {};
  return transpose.getData();
}

/// Returns the operand of a Transpose that exchanges heads and sequence, or null.
static Value findExchanged(Value value) { return findTransposed(value, kExchange); }

/// Returns the value [batch, heads, a, b] that a Reshape views as `value` [batch * heads, a, b], or
/// null.
static Value findApart(Value value, int64_t heads) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  if (!reshape)
    return {};
  Value apart = reshape.getData();
  if (findRank(apart) != 4 || findSize(apart, 1) != heads || !isSameSize(apart, 2, value, 1) ||
      !isSameSize(apart, 3, value, 2))
    return {};
  return apart;
}

/// Returns [batch * heads, a, b] with batch and heads apart.
static Value takeApart(Value value, int64_t heads, NodeBuilder &n) {
  if (Value apart = findApart(value, heads))
    return apart;
  return n.reshape(value, n.concat({n.constant({-1, heads}), n.dims(value, 1, 3)}, 0));
}

Value basin::separateHeads(Value value, Layout &layout, HeadSizes sizes, NodeBuilder &n) {
  auto as = [&](Layout other, Value view) {
    layout = other;
    return separateHeads(view, layout, sizes, n);
  };
  switch (layout) {
  case Layout::bhsd:
  case Layout::bshd:
  case Layout::bsd:
    return value;
  case Layout::bhds:
    if (Value before = findTransposed(value, {0, 2, 3, 1}))
      return as(Layout::bshd, before);
    if (Value before = findTransposed(value, {0, 1, 3, 2}))
      return as(Layout::bhsd, before);
    return as(Layout::bhsd, n.transpose(value, {0, 1, 3, 2}));
  case Layout::sbhd:
    return as(Layout::bshd, n.transpose(value, {1, 0, 2, 3}));
  case Layout::hsd:
    // One head: each pair of a batch element and a head is an element of the batch.
    if (sizes.heads == 1)
      return as(Layout::bsd, value);
    return as(Layout::bhsd, takeApart(value, sizes.heads, n));
  case Layout::hds:
    if (sizes.heads != 1 && findApart(value, sizes.heads))
      return as(Layout::bhds, findApart(value, sizes.heads));
    if (Value before = findTransposed(value, {0, 2, 1}))
      return as(Layout::hsd, before);
    return as(Layout::hsd, n.transpose(value, {0, 2, 1}));
  case Layout::packed:
    break;
  }
  llvm_unreachable("refused before");
}

Value basin::joinHeads(Value value, Layout layout, HeadSizes sizes, NodeBuilder &n) {
  switch (layout) {
  case Layout::bhds:
    return n.transpose(value, {0, 1, 3, 2});
  case Layout::sbhd:
    return n.transpose(value, {2, 0, 1, 3});
  case Layout::hsd:
    return n.reshape(value, n.concat({n.constant({-1}), n.dims(value, 2, 4)}, 0));
  case Layout::hds:
    return n.transpose(joinHeads(value, Layout::hsd, sizes, n), {0, 2, 1});
  default:
    return value;
  }
}

/// Returns the flat value that a Reshape views as `value` [batch, sequence, heads, dim], or null.
static Value findFlatSource(Value value, HeadSizes sizes) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  if (!reshape)
    return {};
  Value flat = reshape.getData();
  if (findRank(flat) != 3 || findSize(flat, 2) != sizes.heads * sizes.dim ||
      !isSameSize(flat, 0, value, 0) || !isSameSize(flat, 1, value, 1))
    return {};
  return flat;
}

bool basin::isFlatView(Value value, Layout layout) {
  return layout != Layout::bhsd || findExchanged(value);
}

Value basin::makeFlat(Value value, Layout layout, HeadSizes sizes, NodeBuilder &n) {
  if (layout == Layout::bsd)
    return value;
  if (layout == Layout::bhsd) {
    Value before = findExchanged(value);
    value = before ? before : n.transpose(value, kExchange);
  }
  if (Value flat = findFlatSource(value, sizes))
    return flat;
  return n.reshape(value, {0, 0, sizes.heads * sizes.dim});
}

Value basin::makeHeadsFirst(Value value, Layout layout, HeadSizes sizes, NodeBuilder &n) {
  if (layout == Layout::bhsd)
    return value;
  if (layout == Layout::bsd)
    value = n.reshape(value, {0, 0, sizes.heads, sizes.dim});
  return n.transpose(value, kExchange);
}

Value basin::viewAs(Value flat, Layout layout, HeadSizes sizes, NodeBuilder &n) {
  if (layout == Layout::bsd || (layout == Layout::hsd && sizes.heads == 1))
    return flat;
  Value apart = n.reshape(flat, {0, 0, sizes.heads, sizes.dim});
  if (layout == Layout::bshd)
    return apart;
  if (layout == Layout::sbhd)
    return n.transpose(apart, {1, 0, 2, 3});
  return joinHeads(n.transpose(apart, kExchange), layout, sizes, n);
}

/// Returns whether the value keeps its name, because it is an output of its graph.
static bool isOutput(Value value) {
  return llvm::any_of(value.getUsers(),
                      [](Operation *user) { return user->hasTrait<OpTrait::IsTerminator>(); });
}

/// Replaces Reshapes of `apart` that give `flat` back.
static void takeReshapesBack(Value apart, Value flat, HeadSizes sizes, RewriterBase &rewriter) {
  for (Operation *user : llvm::to_vector(apart.getUsers())) {
    auto reshape = dyn_cast<ReshapeOp>(user);
    if (!reshape || reshape.getData() != apart || isOutput(reshape.getResult()))
      continue;
    Value back = reshape.getResult();
    if (findRank(back) == 3 && findSize(back, 2) == sizes.heads * sizes.dim &&
        isSameSize(back, 0, flat, 0) && isSameSize(back, 1, flat, 1))
      rewriter.replaceAllUsesWith(back, flat);
  }
}

void basin::takeUsesBack(Value view, Value flat, Layout layout, HeadSizes sizes,
                         RewriterBase &rewriter) {
  if (layout == Layout::bshd)
    return takeReshapesBack(view, flat, sizes, rewriter);
  Value apart = layout == Layout::bhsd ? findExchanged(view) : Value();
  if (!apart)
    return;
  for (Operation *user : llvm::to_vector(view.getUsers())) {
    Value back = user->getNumResults() == 1 ? user->getResult(0) : Value();
    if (back && findExchanged(back) == view && !isOutput(back))
      rewriter.replaceAllUsesWith(back, apart);
  }
  takeReshapesBack(apart, flat, sizes, rewriter);
}
