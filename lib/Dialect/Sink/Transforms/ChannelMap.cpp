//===- ChannelMap.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A channel's number has digits, and each digit moves along one axis by a stride. A reshape joins
// and splits axes, so digits move to other axes, and one that spans several axes is split. Axes
// of a reshape are paired from both ends by proven sizes. What stays in between is not understood.
//
//===----------------------------------------------------------------------===//

#include "ChannelMap.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

/// Marks a digit as one that moves nothing if it has one value only.
static void addDigit(ChannelMap &map, ChannelDigit digit) {
  if (digit.size == 1)
    digit.axis = -1;
  map.digits.push_back(digit);
}

ChannelMap ChannelMap::ofLastAxis(int64_t rank, int64_t size) {
  ChannelMap map;
  map.offsets.assign(rank, 0);
  addDigit(map, {rank - 1, size, 1});
  return map;
}

bool ChannelMap::isAlong(int64_t axis) const {
  return llvm::any_of(digits, [&](const ChannelDigit &one) { return one.axis == axis; });
}

std::optional<SmallVector<int64_t>> ChannelMap::getPositions() const {
  if (offsets.empty() || llvm::any_of(ArrayRef(offsets).drop_back(), [](int64_t o) { return o; }))
    return std::nullopt;
  int64_t last = static_cast<int64_t>(offsets.size()) - 1;
  SmallVector<int64_t> positions{offsets.back()};
  for (const ChannelDigit &digit : digits) {
    if (digit.axis != -1 && digit.axis != last)
      return std::nullopt;
    SmallVector<int64_t> next;
    for (int64_t position : positions)
      for (int64_t i = 0; i < digit.size; ++i)
        next.push_back(position + (digit.axis == -1 ? 0 : i * digit.stride));
    positions = std::move(next);
  }
  return positions;
}

//===----------------------------------------------------------------------===//
// Digits on other axes
//===----------------------------------------------------------------------===//

namespace {

/// An axis to which digits move. An axis of -1 takes them away.
struct Target {
  int64_t axis, size;
  /// How far the axis' own elements are apart.
  int64_t scale = 1;
};

} // namespace

/// Adds a digit that moves by `stride` in the row-major order of the targets. A digit that spans
/// several of them is split. Returns false if it does not fit.
static bool distribute(ChannelMap &map, int64_t size, int64_t stride, ArrayRef<Target> targets) {
  SmallVector<ChannelDigit, 4> inner;
  int64_t product = 1;
  for (const Target &target : llvm::reverse(targets)) {
    if (size == 1)
      break;
    int64_t within = product;
    product *= target.size;
    if (stride >= product || target.size == 1)
      continue;
    int64_t local = stride / within;
    if (stride % within != 0 || target.size % local != 0)
      return false;
    int64_t room = target.size / local;
    if (size > room && size % room != 0)
      return false;
    int64_t taken = std::min(size, room);
    inner.push_back({target.axis, taken, local * target.scale});
    size /= taken;
    stride = product;
  }
  if (size != 1)
    return false;
  if (inner.empty())
    inner.push_back({-1, 1, 1});
  for (const ChannelDigit &digit : llvm::reverse(inner))
    addDigit(map, digit);
  return true;
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

namespace {

/// Axes of a reshape's result and of its source that have the same elements in the same order.
struct AxisGroup {
  SmallVector<int64_t, 2> result, source;
};

/// Pairs the axes of two shapes of the same elements.
class AxisPairing {
public:
  AxisPairing(const TensorInfo &result, const TensorInfo &source)
      : r(result), s(source), i(result.rank() - 1), j(source.rank() - 1) {}

  SmallVector<AxisGroup> pair() {
    while (i >= 0 && j >= 0 && pairBack())
      ;
    // Axes of one element at the front have no partner.
    while (i >= 0 && j < 0 && r[i].is(1))
      groups.push_back({{i--}, {}});
    int64_t front = 0;
    while (front <= i && front <= j && r[front].provablyEquals(s[front])) {
      groups.push_back({{front}, {front}});
      ++front;
    }
    if (front == i && front == j)
      groups.push_back({{front}, {front}});
    return std::move(groups);
  }

private:
  bool pairBack() {
    if (r[i].provablyEquals(s[j])) {
      groups.push_back({{i--}, {j--}});
      return true;
    }
    if (r[i].is(1)) {
      groups.push_back({{i--}, {}});
      return true;
    }
    if (s[j].is(1)) {
      --j;
      return true;
    }
    return pairJoined();
  }

  /// Takes static axes from both until their products agree.
  bool pairJoined() {
    int64_t a = i, b = j, left = 1, right = 1;
    AxisGroup group;
    do {
      bool isLeft = left <= right;
      int64_t &axis = isLeft ? a : b;
      const Dim *dim = axis < 0 ? nullptr : isLeft ? &r[axis] : &s[axis];
      if (!dim || !dim->isStatic() || dim->size < 1)
        return false;
      // Declared sizes may be anything.
      int64_t &joined = isLeft ? left : right;
      if (llvm::MulOverflow(joined, dim->size, joined))
        return false;
      (isLeft ? group.result : group.source).push_back(axis--);
    } while (left != right);
    std::reverse(group.result.begin(), group.result.end());
    std::reverse(group.source.begin(), group.source.end());
    groups.push_back(std::move(group));
    i = a;
    j = b;
    return true;
  }

  const TensorInfo &r, &s;
  int64_t i, j;
  SmallVector<AxisGroup> groups;
};

} // namespace

/// Moves the digits and offsets of one group's axes. Returns false if that is not possible.
static bool moveGroup(const AxisGroup &group, const ChannelMap &map, const TensorInfo &result,
                      const TensorInfo &source, llvm::SmallDenseMap<int64_t, int64_t> &inner,
                      ChannelMap &moved) {
  bool isPair = group.result.size() == 1 && group.source.size() == 1;
  int64_t product = 1, offset = 0;
  for (int64_t axis : llvm::reverse(group.result)) {
    inner[axis] = product;
    offset += map.offsets[axis] * product;
    product *= isPair ? 1 : result[axis].size;
  }
  if (offset == 0)
    return true;
  // An offset could carry from one axis to the next.
  if (group.source.size() != 1)
    return false;
  moved.offsets[group.source.front()] = offset;
  return true;
}

std::optional<ChannelMap> basin::sink::undoRegroup(Value source, Value result,
                                                   const ChannelMap &map) {
  TensorInfo from = getTensorInfo(source), to = getTensorInfo(result);
  if (!from.hasRank() || !to.hasRank() || to.rank() != static_cast<int64_t>(map.offsets.size()))
    return std::nullopt;
  SmallVector<AxisGroup> groups = AxisPairing(to, from).pair();
  ChannelMap moved;
  moved.offsets.assign(from.rank(), 0);
  llvm::SmallDenseMap<int64_t, int64_t> inner;
  for (const AxisGroup &group : groups)
    if (!moveGroup(group, map, to, from, inner, moved))
      return std::nullopt;
  for (auto [axis, offset] : llvm::enumerate(map.offsets))
    if (offset != 0 && !inner.contains(axis))
      return std::nullopt;
  for (const ChannelDigit &digit : map.digits) {
    if (digit.axis == -1) {
      moved.digits.push_back(digit);
      continue;
    }
    const auto *group = llvm::find_if(
        groups, [&](const AxisGroup &one) { return llvm::is_contained(one.result, digit.axis); });
    if (group == groups.end() || group->source.empty())
      return std::nullopt;
    SmallVector<Target, 4> targets;
    for (int64_t axis : group->source)
      targets.push_back({axis, from[axis].size});
    if (!llvm::all_of(group->source, [&](int64_t axis) { return from[axis].isStatic(); }) ||
        !distribute(moved, digit.size, digit.stride * inner[digit.axis], targets))
      return std::nullopt;
  }
  return moved;
}

std::optional<ChannelMap> basin::sink::undoTranspose(TransposeOp op, const ChannelMap &map) {
  int64_t rank = map.offsets.size();
  std::optional<ArrayRef<int64_t>> perm = op.getPerm();
  if (perm && static_cast<int64_t>(perm->size()) != rank)
    return std::nullopt;
  auto move = [&](int64_t axis) { return perm ? (*perm)[axis] : rank - 1 - axis; };
  ChannelMap moved = map;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (move(axis) < 0 || move(axis) >= rank)
      return std::nullopt;
    moved.offsets[move(axis)] = map.offsets[axis];
  }
  for (ChannelDigit &digit : moved.digits)
    if (digit.axis != -1)
      digit.axis = move(digit.axis);
  return moved;
}

std::optional<ChannelMap> basin::sink::undoExpand(ExpandOp op, const ChannelMap &map) {
  TensorInfo from = getTensorInfo(op->getOperand(0)), to = getTensorInfo(op->getResult(0));
  if (!from.hasRank() || !to.hasRank() || to.rank() != static_cast<int64_t>(map.offsets.size()) ||
      from.rank() > to.rank())
    return std::nullopt;
  int64_t added = to.rank() - from.rank();
  ChannelMap moved;
  moved.offsets.assign(map.offsets.begin() + added, map.offsets.end());
  for (ChannelDigit digit : map.digits) {
    if (digit.axis != -1) {
      int64_t axis = digit.axis - added;
      if (axis < 0 || from[axis].is(1))
        axis = -1;
      else if (!from[axis].isStatic() || !from[axis].provablyEquals(to[digit.axis]))
        return std::nullopt;
      digit.axis = axis;
    }
    moved.digits.push_back(digit);
  }
  for (int64_t axis = 0; axis < to.rank(); ++axis) {
    bool isBroadcast = axis < added || from[axis - added].is(1);
    if (isBroadcast && axis >= added)
      moved.offsets[axis - added] = 0;
  }
  return moved;
}

std::optional<ChannelMap> basin::sink::undoElementwise(Value source, Value result,
                                                       const ChannelMap &map) {
  TensorInfo from = getTensorInfo(source), to = getTensorInfo(result);
  if (!from.hasRank() || !to.hasRank() || from.rank() != to.rank() ||
      to.rank() != static_cast<int64_t>(map.offsets.size()))
    return std::nullopt;
  for (int64_t axis = 0; axis < to.rank(); ++axis) {
    bool isUsed = map.isAlong(axis) || map.offsets[axis] != 0;
    if (isUsed && !(from[axis].isStatic() && from[axis].provablyEquals(to[axis])))
      return std::nullopt;
  }
  return map;
}

//===----------------------------------------------------------------------===//
// Parts and attention
//===----------------------------------------------------------------------===//

std::optional<ChannelMap> basin::sink::undoSelection(const Selection &part, const ChannelMap &map) {
  ChannelMap moved = map;
  if (part.isPoint) {
    moved.offsets.insert(moved.offsets.begin() + part.axis, part.begin);
    for (ChannelDigit &digit : moved.digits)
      if (digit.axis >= part.axis)
        ++digit.axis;
    return moved;
  }
  if (part.axis >= static_cast<int64_t>(moved.offsets.size()))
    return std::nullopt;
  moved.offsets[part.axis] += part.begin;
  return moved;
}

/// The axes of heads and of the elements of a head. They are the same in a flat layout.
static std::optional<std::pair<int64_t, int64_t>> getHeadAxes(Layout layout) {
  switch (layout) {
  case Layout::bhsd:
    return {{1, 3}};
  case Layout::bshd:
  case Layout::sbhd:
    return {{2, 3}};
  case Layout::bhds:
    return {{1, 2}};
  case Layout::bsd:
    return {{2, 2}};
  default:
    return std::nullopt;
  }
}

/// Returns the number of heads of an operand or a result, by the attribute or the type.
static std::optional<int64_t> countHeads(Value value, Layout layout, std::optional<int64_t> given) {
  auto axes = getHeadAxes(layout);
  TensorInfo info = getTensorInfo(value);
  if (!axes || !info.hasRank() || info.rank() <= std::max(axes->first, axes->second))
    return std::nullopt;
  bool isFlat = axes->first == axes->second;
  if (isFlat)
    return given;
  const Dim &dim = info[axes->first];
  return dim.isStatic() ? std::optional(dim.size) : given;
}

std::optional<ChannelMap> basin::sink::undoAttention(AttentionOp op, const ChannelMap &map) {
  Layout to = op.getResultLayout(), from = op.getValueLayout();
  auto toAxes = getHeadAxes(to), fromAxes = getHeadAxes(from);
  TensorInfo result = getTensorInfo(op.getResult()), value = getTensorInfo(op.getValue());
  auto heads = countHeads(op.getResult(), to, op.getNumHeads());
  auto shared = op.getKvNumHeads() ? op.getKvNumHeads() : op.getNumHeads();
  auto groups = countHeads(op.getValue(), from, shared);
  if (!heads || !groups || *heads < 1 || *groups < 1 || *heads % *groups != 0 || !toAxes ||
      !fromAxes || result.rank() != static_cast<int64_t>(map.offsets.size()) ||
      !result[toAxes->second].isStatic() || llvm::any_of(map.offsets, [](int64_t o) { return o; }))
    return std::nullopt;
  bool isFlat = toAxes->first == toAxes->second, isFromFlat = fromAxes->first == fromAxes->second;
  int64_t dim = result[toAxes->second].size / (isFlat ? *heads : 1);
  Target group{fromAxes->first, *groups, isFromFlat ? dim : 1}, same{-1, *heads / *groups},
      element{fromAxes->second, dim};
  ChannelMap moved;
  moved.offsets.assign(value.rank(), 0);
  for (const ChannelDigit &digit : map.digits) {
    SmallVector<Target, 3> targets;
    if (digit.axis == toAxes->first)
      targets = {group, same};
    if (digit.axis == toAxes->second)
      targets.push_back(element);
    if (digit.axis == -1)
      moved.digits.push_back(digit);
    else if (!distribute(moved, digit.size, digit.stride, targets))
      return std::nullopt;
  }
  return moved;
}
