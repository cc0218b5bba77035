//===- ShapeValues.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The evaluator walks up the operands with a memo, a depth limit and a limit of ops for each call.
// The limits bound the work of a rule for any graph, so inference stays linear. An expression
// beyond them is unknown.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"

#include "ShapeArithmetic.h"
#include "basin/Dialect/ONNX/IR/Elements.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::onnx;

static constexpr unsigned kMaxDepth = 48;
static constexpr unsigned kMaxOps = 512;
static constexpr size_t kMaxEntries = 1024;

using MaybeValue = std::optional<ShapeValue>;

static int64_t getInt(std::optional<uint64_t> attr, int64_t otherwise) {
  return attr ? int64_t(*attr) : otherwise;
}

SliceBounds basin::onnx::clampSlice(int64_t start, int64_t end, int64_t step, int64_t size) {
  bool forward = step > 0;
  auto clamp = [&](int64_t bound, int64_t low, int64_t high) {
    if (bound < 0)
      bound += size; // cannot overflow, since the bound is negative
    return std::clamp(bound, low, std::max(low, high));
  };
  start = clamp(start, 0, forward ? size : size - 1);
  end = forward ? clamp(end, 0, size) : clamp(end, -1, size - 1);
  int64_t distance = forward ? end - start : start - end;
  uint64_t stride = forward ? uint64_t(step) : -uint64_t(step);
  int64_t length = distance <= 0 ? 0 : int64_t((uint64_t(distance) - 1) / stride + 1);
  // Nothing can be read from an empty dim.
  return {start, step, size == 0 ? 0 : length};
}

/// Returns the remainder of numbers whose signs do not matter.
static ShapeEntry takeRemainder(const ShapeEntry &a, const ShapeEntry &b) {
  bool isPlain = a.constant && b.constant && *a.constant >= 0 && *b.constant > 0;
  return isPlain ? ShapeEntry(*a.constant % *b.constant) : ShapeEntry();
}

//===----------------------------------------------------------------------===//
// Evaluator
//===----------------------------------------------------------------------===//

namespace {
class Evaluator {
public:
  MaybeValue evaluate(Value value, unsigned depth = 0);

private:
  /// The entries of a matrix, row by row.
  struct Matrix {
    ShapeValue entries;
    int64_t rows = 0, columns = 0;
  };
  /// Evaluates a list that was made a matrix, as torch.onnx reverses the pairs of pads.
  std::optional<Matrix> evaluateMatrix(Value value, unsigned depth);
  std::optional<Matrix> sliceMatrix(SliceOp op, Matrix data, unsigned depth);
  MaybeValue evaluateReshape(ReshapeOp op, unsigned depth);
  MaybeValue evaluateOp(Operation *op, unsigned depth);
  MaybeValue input(Operation *op, unsigned i, unsigned depth) {
    return evaluate(getInputOrNull(op, i), depth + 1);
  }
  /// Returns the entries of operand `i` if all are constants.
  std::optional<SmallVector<int64_t>> ints(Operation *op, unsigned i, unsigned depth);
  MaybeValue combine(Operation *op, unsigned depth,
                     function_ref<ShapeEntry(const ShapeEntry &, const ShapeEntry &)> f);
  MaybeValue evaluateShape(ShapeOp op);
  MaybeValue evaluateGather(GatherOp op, unsigned depth);
  MaybeValue evaluateSlice(SliceOp op, unsigned depth);
  MaybeValue evaluateConcat(ConcatOp op, unsigned depth);
  MaybeValue evaluateConstantOfShape(ConstantOfShapeOp op, unsigned depth);
  MaybeValue evaluateWhere(WhereOp op, unsigned depth);
  MaybeValue evaluateExpand(ExpandOp op, unsigned depth);
  MaybeValue evaluateIf(IfOp op, OpResult result, unsigned depth);
  MaybeValue evaluateCast(CastOp op, unsigned depth);
  MaybeValue evaluateProduct(MaybeValue factors);
  MaybeValue evaluateSplit(SplitOp op, OpResult result, unsigned depth);

  llvm::DenseMap<Value, MaybeValue> memo;
  unsigned opsLeft = kMaxOps;
};
} // namespace

MaybeValue Evaluator::evaluate(Value value, unsigned depth) {
  auto result = dyn_cast_or_null<OpResult>(value);
  if (!result || depth > kMaxDepth || opsLeft == 0)
    return std::nullopt;
  // A flattened matrix would be taken for a list. So the value's type must state its rank, unless
  // the op itself does.
  TensorInfo info = getTensorInfo(value);
  if (info.hasRank() ? info.rank() > 1
                     : !isa<ConstantOp, InitializerOp, ShapeOp, SizeOp>(result.getOwner()))
    return std::nullopt;
  if (auto known = memo.find(value); known != memo.end())
    return known->second;
  --opsLeft;
  MaybeValue entries;
  if (auto split = dyn_cast<SplitOp>(result.getOwner()))
    entries = evaluateSplit(split, result, depth);
  else if (auto branches = dyn_cast<IfOp>(result.getOwner()))
    entries = evaluateIf(branches, result, depth);
  else
    entries = evaluateOp(result.getOwner(), depth);
  if (entries && entries->size() > kMaxEntries)
    entries = std::nullopt;
  // The type gives the number of entries even if no entry is known.
  if (!entries && info.element && isa<IntegerType>(info.element) && info.hasRank()) {
    Dim size = info.rank() == 0 ? Dim(1) : info[0];
    if (size.isStatic() && size.size <= int64_t(kMaxEntries))
      entries = ShapeValue(size.size);
  }
  return memo[value] = entries;
}

MaybeValue Evaluator::evaluateOp(Operation *op, unsigned depth) {
  using Result = MaybeValue;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case<ConstantOp, InitializerOp>([&](Operation *) -> Result {
        Attribute value = getConstantAttr(op->getResult(0));
        RankedTensorType type = getElementsType(value);
        auto ints =
            type && type.getRank() <= 1 ? readIntElements(value, op, kMaxEntries) : std::nullopt;
        if (!ints)
          return std::nullopt;
        return ShapeValue(ints->begin(), ints->end());
      })
      .Case<ShapeOp>([&](ShapeOp shape) { return evaluateShape(shape); })
      .Case<SizeOp>([&](SizeOp size) -> Result {
        TensorInfo data = getTensorInfo(size.getData());
        return data.hasRank() ? Result(ShapeValue{multiplyDims(*data.dims)}) : std::nullopt;
      })
      // `evaluate` has checked that operand and result are scalar or 1-D.
      .Case<IdentityOp, SqueezeOp, UnsqueezeOp, FlattenOp>(
          [&](Operation *) { return input(op, 0, depth); })
      .Case<ReshapeOp>([&](ReshapeOp reshape) { return evaluateReshape(reshape, depth); })
      .Case<CastOp>([&](CastOp cast) { return evaluateCast(cast, depth); })
      .Case<GatherOp>([&](GatherOp gather) { return evaluateGather(gather, depth); })
      .Case<SliceOp>([&](SliceOp slice) { return evaluateSlice(slice, depth); })
      .Case<ConcatOp>([&](ConcatOp concat) { return evaluateConcat(concat, depth); })
      .Case<ConstantOfShapeOp>(
          [&](ConstantOfShapeOp constant) { return evaluateConstantOfShape(constant, depth); })
      .Case<WhereOp>([&](WhereOp where) { return evaluateWhere(where, depth); })
      .Case<AddOp>([&](AddOp) { return combine(op, depth, addEntries); })
      .Case<SubOp>([&](SubOp) { return combine(op, depth, subtractEntries); })
      .Case<MulOp>([&](MulOp) { return combine(op, depth, multiplyEntries); })
      .Case<DivOp>([&](DivOp) { return combine(op, depth, divideEntries); })
      .Case<ModOp>([&](ModOp mod) -> Result {
        return getInt(mod.getFmod(), 0) == 0 ? combine(op, depth, takeRemainder) : std::nullopt;
      })
      .Case<MaxOp>([&](MaxOp) { return combine(op, depth, maxEntries); })
      .Case<MinOp>([&](MinOp) { return combine(op, depth, minEntries); })
      .Case<EqualOp>([&](EqualOp) { return combine(op, depth, compareEqual); })
      .Case<GreaterOp>([&](GreaterOp) { return combine(op, depth, compareGreater); })
      .Case<LessOp>([&](LessOp) {
        return combine(op, depth, [](const ShapeEntry &a, const ShapeEntry &b) {
          return compareGreater(b, a);
        });
      })
      .Case<NotOp>([&](NotOp) -> Result {
        Result flags = input(op, 0, depth);
        if (flags)
          for (ShapeEntry &flag : *flags)
            flag = select(flag, 0, 1);
        return flags;
      })
      .Case<ExpandOp>([&](ExpandOp expand) { return evaluateExpand(expand, depth); })
      .Case<ReduceProdOp>([&](ReduceProdOp reduce) -> Result {
        // The operand has one axis. The default (all axes) and any axes stated can only mean that
        // one.
        bool noop = getInt(reduce.getNoopWithEmptyAxes(), 0) != 0;
        return noop ? std::nullopt : evaluateProduct(input(op, 0, depth));
      })
      .Default([](Operation *) -> Result { return std::nullopt; });
}

std::optional<SmallVector<int64_t>> Evaluator::ints(Operation *op, unsigned i, unsigned depth) {
  MaybeValue entries = input(op, i, depth);
  if (!entries)
    return std::nullopt;
  SmallVector<int64_t> result;
  for (const ShapeEntry &entry : *entries) {
    if (!entry.constant)
      return std::nullopt;
    result.push_back(*entry.constant);
  }
  return result;
}

/// Applies `f` to the entries of any number of operands. A list of one entry broadcasts.
MaybeValue Evaluator::combine(Operation *op, unsigned depth,
                              function_ref<ShapeEntry(const ShapeEntry &, const ShapeEntry &)> f) {
  TensorInfo info = getTensorInfo(op->getOperand(0));
  if (info.element && !isa<IntegerType>(info.element))
    return std::nullopt;
  MaybeValue result = input(op, 0, depth);
  for (unsigned i = 1, e = op->getNumOperands(); i < e && result; ++i) {
    MaybeValue other = input(op, i, depth);
    if (!other || (other->size() != result->size() && other->size() != 1 && result->size() != 1))
      return std::nullopt;
    size_t size = result->size() == 1 ? other->size() : result->size();
    ShapeValue joint;
    for (size_t k = 0; k < size; ++k)
      joint.push_back(
          f((*result)[result->size() == 1 ? 0 : k], (*other)[other->size() == 1 ? 0 : k]));
    result = joint;
  }
  return result;
}

MaybeValue Evaluator::evaluateShape(ShapeOp op) {
  TensorInfo data = getTensorInfo(op.getData());
  if (!data.hasRank())
    return std::nullopt;
  SliceBounds bounds =
      clampSlice(getInt(op.getStart(), 0), getInt(op.getEnd(), data.rank()), 1, data.rank());
  ShapeValue result;
  for (int64_t i = 0; i < bounds.length; ++i)
    result.push_back(data[bounds.start + i]);
  return result;
}

MaybeValue Evaluator::evaluateGather(GatherOp op, unsigned depth) {
  MaybeValue data = input(op, 0, depth);
  auto indices = ints(op, 1, depth);
  if (!data || !indices)
    return std::nullopt;
  ShapeValue result;
  for (int64_t index : *indices) {
    int64_t size = data->size();
    if (index < -size || index >= size)
      return std::nullopt;
    result.push_back((*data)[index < 0 ? index + size : index]);
  }
  return result;
}

MaybeValue Evaluator::evaluateSlice(SliceOp op, unsigned depth) {
  MaybeValue data = input(op, 0, depth);
  auto bound = [&](std::optional<ArrayRef<int64_t>> attr, unsigned i) -> std::optional<int64_t> {
    if (attr)
      return attr->size() == 1 ? std::optional((*attr)[0]) : std::nullopt;
    auto values = ints(op, i, depth);
    return values && values->size() == 1 ? std::optional((*values)[0]) : std::nullopt;
  };
  auto start = bound(op.getStarts(), 1), end = bound(op.getEnds(), 2);
  auto step = op.getSteps() ? bound(std::nullopt, 4) : std::optional<int64_t>(1);
  if (!data || !start || !end || !step || *step == 0)
    return std::nullopt;
  SliceBounds bounds = clampSlice(*start, *end, *step, data->size());
  ShapeValue result;
  for (int64_t i = 0; i < bounds.length; ++i)
    result.push_back((*data)[bounds.start + i * bounds.step]);
  return result;
}

std::optional<Evaluator::Matrix> Evaluator::sliceMatrix(SliceOp op, Matrix data, unsigned depth) {
  auto number = [&](unsigned i, int64_t otherwise) -> std::optional<int64_t> {
    if (!getInputOrNull(op, i))
      return otherwise;
    auto values = ints(op, i, depth);
    return values && values->size() == 1 ? std::optional((*values)[0]) : std::nullopt;
  };
  if (op.getStarts() || op.getEnds())
    return std::nullopt;
  auto start = number(1, 0), end = number(2, 0), axis = number(3, 0), step = number(4, 1);
  if (!start || !end || !axis || !step || *step == 0 || (*axis != 0 && *axis != -2))
    return std::nullopt;
  SliceBounds bounds = clampSlice(*start, *end, *step, data.rows);
  Matrix result{{}, bounds.length, data.columns};
  for (int64_t i = 0; i < bounds.length; ++i)
    llvm::append_range(result.entries,
                       ArrayRef(data.entries)
                           .slice((bounds.start + i * bounds.step) * data.columns, data.columns));
  return result;
}

std::optional<Evaluator::Matrix> Evaluator::evaluateMatrix(Value value, unsigned depth) {
  Operation *op = value.getDefiningOp();
  if (!op || depth > kMaxDepth || opsLeft == 0)
    return std::nullopt;
  --opsLeft;
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    MaybeValue list = evaluate(reshape.getData(), depth + 1);
    TensorInfo info = getTensorInfo(value);
    if (!list || !info.hasRank() || info.rank() != 2 || !info[0].isStatic() ||
        !info[1].isStatic() || info[0].size * info[1].size != static_cast<int64_t>(list->size()))
      return std::nullopt;
    return Matrix{*list, info[0].size, info[1].size};
  }
  if (!isa<SliceOp, TransposeOp>(op))
    return std::nullopt;
  std::optional<Matrix> data = evaluateMatrix(op->getOperand(0), depth + 1);
  if (!data)
    return std::nullopt;
  if (auto slice = dyn_cast<SliceOp>(op))
    return sliceMatrix(slice, *data, depth);
  auto perm = cast<TransposeOp>(op).getPerm();
  if (perm && *perm != ArrayRef<int64_t>{1, 0})
    return std::nullopt;
  Matrix turned{{}, data->columns, data->rows};
  for (int64_t column = 0; column < data->columns; ++column)
    for (int64_t row = 0; row < data->rows; ++row)
      turned.entries.push_back(data->entries[row * data->columns + column]);
  return turned;
}

MaybeValue Evaluator::evaluateReshape(ReshapeOp op, unsigned depth) {
  TensorInfo data = getTensorInfo(op.getData());
  if (!data.hasRank() || data.rank() != 2)
    return input(op, 0, depth);
  std::optional<Matrix> matrix = evaluateMatrix(op.getData(), depth + 1);
  return matrix ? MaybeValue(matrix->entries) : std::nullopt;
}

MaybeValue Evaluator::evaluateConcat(ConcatOp op, unsigned depth) {
  ShapeValue result;
  for (unsigned i = 0, e = op->getNumOperands(); i < e; ++i) {
    MaybeValue part = input(op, i, depth);
    if (!part || result.size() + part->size() > kMaxEntries)
      return std::nullopt;
    llvm::append_range(result, *part);
  }
  return result;
}

MaybeValue Evaluator::evaluateConstantOfShape(ConstantOfShapeOp op, unsigned depth) {
  auto shape = ints(op, 0, depth);
  if (!shape || shape->size() > 1)
    return std::nullopt;
  int64_t size = shape->empty() ? 1 : shape->front();
  auto fill = op.getValueAttr() ? readIntElements(op.getValueAttr(), op, 1) : std::nullopt;
  if (!fill || fill->size() != 1 || size < 0 || size > int64_t(kMaxEntries))
    return std::nullopt;
  return ShapeValue(size, ShapeEntry(fill->front()));
}

MaybeValue Evaluator::evaluateWhere(WhereOp op, unsigned depth) {
  MaybeValue parts[] = {input(op, 0, depth), input(op, 1, depth), input(op, 2, depth)};
  size_t size = 1;
  for (const MaybeValue &part : parts) {
    if (!part || (part->size() != size && part->size() != 1 && size != 1))
      return std::nullopt;
    size = part->size() == 1 ? size : part->size();
  }
  ShapeValue result;
  for (size_t k = 0; k < size; ++k) {
    auto at = [&](int i) { return (*parts[i])[parts[i]->size() == 1 ? 0 : k]; };
    result.push_back(select(at(0), at(1), at(2)));
  }
  return result;
}

/// Expands a scalar or a list of one entry to a list.
MaybeValue Evaluator::evaluateExpand(ExpandOp op, unsigned depth) {
  MaybeValue data = input(op, 0, depth);
  auto shape = ints(op, 1, depth);
  if (!data || data->size() != 1 || !shape || shape->size() > 1)
    return std::nullopt;
  int64_t size = shape->empty() ? 1 : shape->front();
  if (size < 0 || size > int64_t(kMaxEntries))
    return std::nullopt;
  return ShapeValue(size, data->front());
}

/// Takes the branch whose condition is known to hold.
MaybeValue Evaluator::evaluateIf(IfOp op, OpResult result, unsigned depth) {
  auto condition = ints(op, 0, depth);
  if (!condition || condition->size() != 1 || op->getNumRegions() != 2)
    return std::nullopt;
  Operation *yield = op->getRegion(condition->front() ? 0 : 1).front().getTerminator();
  if (result.getResultNumber() >= yield->getNumOperands())
    return std::nullopt;
  return evaluate(yield->getOperand(result.getResultNumber()), depth + 1);
}

MaybeValue Evaluator::evaluateCast(CastOp op, unsigned depth) {
  // Only casts between integers that can hold any size (int32, int64, uint64) are followed.
  int64_t to = getInt(op.getTo(), 0);
  TensorInfo from = getTensorInfo(op.getInput());
  if ((to != 6 && to != 7 && to != 13) || (from.element && !isa<IntegerType>(from.element)))
    return std::nullopt;
  MaybeValue result = input(op, 0, depth);
  if (result)
    for (ShapeEntry &entry : *result)
      if (entry.constant &&
          ((to == 6 && !llvm::isInt<32>(*entry.constant)) || (to == 13 && *entry.constant < 0)))
        entry = ShapeEntry();
  return result;
}

MaybeValue Evaluator::evaluateProduct(MaybeValue factors) {
  if (!factors)
    return std::nullopt;
  ShapeEntry product = 1;
  for (const ShapeEntry &factor : *factors)
    product = multiplyEntries(product, factor);
  return ShapeValue{product};
}

MaybeValue Evaluator::evaluateSplit(SplitOp op, OpResult result, unsigned depth) {
  MaybeValue data = input(op, 0, depth);
  if (!data)
    return std::nullopt;
  SmallVector<int64_t> sizes;
  if (auto attr = op.getSplit())
    sizes.assign(attr->begin(), attr->end());
  else if (auto operand = op.getSplitInput() ? ints(op, 1, depth) : std::nullopt)
    sizes = *operand;
  else if (!op.getSplitInput() && data->size() == op->getNumResults())
    sizes.assign(op->getNumResults(), 1);
  if (sizes.size() != op->getNumResults() ||
      llvm::any_of(sizes, [](int64_t size) { return size < 0; }))
    return std::nullopt;
  uint64_t start = 0, size = sizes[result.getResultNumber()];
  for (int64_t before : ArrayRef(sizes).take_front(result.getResultNumber()))
    start += before;
  if (start > data->size() || size > data->size() - start)
    return std::nullopt;
  return ShapeValue(ArrayRef(*data).slice(start, size));
}

MaybeValue basin::onnx::evaluateShapeValue(Value value) { return Evaluator().evaluate(value); }

std::optional<SmallVector<int64_t>> basin::onnx::evaluateInts(Value value) {
  MaybeValue entries = evaluateShapeValue(value);
  if (!entries)
    return std::nullopt;
  SmallVector<int64_t> result;
  for (const ShapeEntry &entry : *entries) {
    if (!entry.constant)
      return std::nullopt;
    result.push_back(*entry.constant);
  }
  return result;
}
