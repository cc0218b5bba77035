//===- ShapeRulesSlice.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rules of ops that cut and join along axes: Concat, Split, Slice, Pad and Tile.
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

#include "basin/Dialect/ONNX/IR/SizeSum.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

LogicalResult infer::concat(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  if (op->getNumOperands() == 0)
    return success();
  FailureOr<Type> element = getCommonElement(op, 0, op->getNumOperands());
  if (failed(element))
    return failure();
  std::optional<Dims> dims;
  Dim joined = 0;
  bool everyRankKnown = true;
  int64_t axis = 0;
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    TensorInfo input = getInput(op, i);
    everyRankKnown &= input.hasRank();
    if (!input.hasRank())
      continue;
    if (!dims) {
      // Before opset 4 the default was 1.
      FailureOr<int64_t> normal = normalizeAxis(op, getIntAttr(op, "axis", 1), input.rank());
      if (failed(normal))
        return failure();
      axis = *normal;
      dims = input.dims;
    } else if (input.rank() != int64_t(dims->size())) {
      return op->emitOpError("expected operands of one rank, but got ")
             << toString(*dims) << " and " << toString(*input.dims);
    }
    joined = i == 0 ? input[axis] : addDims(joined, input[axis]);
    for (int64_t k = 0; k < input.rank(); ++k) {
      if (k == axis)
        continue;
      FailureOr<Dim> merged = requireEqual(op, (*dims)[k], input[k], "dims off the joined axis");
      if (failed(merged))
        return failure();
      (*dims)[k] = *merged;
    }
  }
  if (dims)
    (*dims)[axis] = everyRankKnown ? joined : Dim();
  setResult(op, types, 0, {*element, dims});
  return success();
}

//===----------------------------------------------------------------------===//
// Split
//===----------------------------------------------------------------------===//

/// Returns the sizes of parts that the model does not state. They are equal, but with `num_outputs`
/// the last one may be smaller.
static FailureOr<Dims> splitEvenly(Operation *op, const Dim &dim) {
  int64_t count = op->getNumResults();
  if (auto stated = op->getAttrOfType<IntegerAttr>("num_outputs");
      stated && stated.getInt() != count) {
    op->emitOpError("expected ") << stated.getInt() << " results, but got " << count;
    return failure();
  }
  if (count == 1)
    return Dims{dim};
  if (count == 0 || !dim.isStatic())
    return Dims(count, Dim());
  int64_t part = llvm::divideCeil(dim.size, count);
  int64_t last = dim.size - part * (count - 1);
  bool mayDiffer = op->hasAttr("num_outputs");
  if (last < 0 || (!mayDiffer && last != part)) {
    op->emitOpError("expected a dim that divides into ") << count << " parts, but got " << dim.size;
    return failure();
  }
  Dims parts(count, Dim(part));
  parts.back() = last;
  return parts;
}

static FailureOr<Dims> splitAsStated(Operation *op, const ShapeValue &sizes, const Dim &dim) {
  if (sizes.size() != op->getNumResults()) {
    op->emitOpError("expected ") << op->getNumResults() << " split sizes, but got " << sizes.size();
    return failure();
  }
  Dims parts;
  Dim sum = 0;
  for (const ShapeEntry &size : sizes) {
    if (size.constant && *size.constant < 0) {
      op->emitOpError("expected split sizes of at least 0, but got ") << *size.constant;
      return failure();
    }
    parts.push_back(size.toDim());
    sum = addDims(sum, parts.back());
  }
  bool everyKnown =
      llvm::all_of(sizes, [](const ShapeEntry &size) { return size.constant.has_value(); });
  if (everyKnown && dim.isStatic() && sum.isStatic() && sum.size != dim.size) {
    op->emitOpError("expected split sizes that sum to ") << dim.size << ", but got " << sum.size;
    return failure();
  }
  return parts;
}

LogicalResult infer::split(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  TensorInfo input = getInput(op, 0);
  if (!input.hasRank()) {
    for (unsigned i = 0; i < op->getNumResults(); ++i)
      setResult(op, types, i, input);
    return success();
  }
  FailureOr<int64_t> axis = normalizeAxis(op, getIntAttr(op, "axis", 0), input.rank());
  if (failed(axis))
    return failure();
  std::optional<ShapeValue> sizes;
  bool stated = true;
  if (auto attr = op->getAttrOfType<DenseI64ArrayAttr>("split"))
    sizes = ShapeValue(attr.asArrayRef().begin(), attr.asArrayRef().end());
  else if (Value operand = getInputOrNull(op, 1))
    sizes = evaluateShapeValue(operand);
  else
    stated = false;
  FailureOr<Dims> parts = Dims(op->getNumResults(), Dim());
  if (!stated)
    parts = splitEvenly(op, input[*axis]);
  else if (sizes)
    parts = splitAsStated(op, *sizes, input[*axis]);
  if (failed(parts))
    return failure();
  for (auto [i, part] : llvm::enumerate(*parts)) {
    (*input.dims)[*axis] = part;
    setResult(op, types, i, input);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

/// Reads bounds from an attribute (opset 1) or an operand. Nothing if they are unknown.
static std::optional<ShapeValue> getBounds(Operation *op, StringRef attr, unsigned operand) {
  if (auto ints = op->getAttrOfType<DenseI64ArrayAttr>(attr))
    return ShapeValue(ints.asArrayRef().begin(), ints.asArrayRef().end());
  return evaluateShapeValue(getInputOrNull(op, operand));
}

static Dim sliceDim(const Dim &dim, const ShapeEntry &start, const ShapeEntry &end,
                    const ShapeEntry &step) {
  // Exporters write "to the end" as a bound of 2^31 - 1 or more.
  bool toEnd =
      (end.constant && *end.constant >= INT32_MAX) || (end.symbol && end.symbol == dim.name);
  if (start.is(0) && step.is(1) && !dim.isStatic() && toEnd)
    return dim;
  // Of N + 2 elements, N stand after the second one.
  if (start.constant && *start.constant > 0 && step.is(1) && dim.isSymbol() && toEnd) {
    std::optional<SizeSum> all = SizeSum::get(dim), front = SizeSum::get(Dim(*start.constant));
    std::optional<SizeSum> rest = all && front ? SizeSum::subtract(*all, *front) : std::nullopt;
    return rest ? rest->toDim() : Dim();
  }
  // For any size, a forward slice that ends at 0 is empty.
  if (step.constant && *step.constant > 0 && end.is(0))
    return 0;
  if (!dim.isStatic() || !start.constant || !end.constant || !step.constant)
    return {};
  return clampSlice(*start.constant, *end.constant, *step.constant, dim.size).length;
}

LogicalResult infer::slice(Operation *op, Types &types) {
  TensorInfo data = getInput(op, 0);
  setResult(op, types, 0, {data.element, std::nullopt});
  if (!data.hasRank())
    return success();
  auto starts = getBounds(op, "starts", 1), ends = getBounds(op, "ends", 2);
  IntList axes = getIntList(op, "axes", 3);
  bool hasSteps = bool(getInputOrNull(op, 4));
  auto steps = getBounds(op, "steps", 4);
  if (!starts || !ends || (axes.present && !axes.values) || (hasSteps && !steps)) {
    setResult(op, types, 0, {data.element, Dims(data.rank(), Dim())});
    return success();
  }
  size_t count = starts->size();
  if (!axes.present)
    axes.values = llvm::to_vector(llvm::seq<int64_t>(0, count));
  if (ends->size() != count || axes.values->size() != count || (hasSteps && steps->size() != count))
    return op->emitOpError("expected as many ends, axes and steps as starts, but got ")
           << ends->size() << ", " << axes.values->size() << " and "
           << (hasSteps ? steps->size() : count) << " for " << count;
  FailureOr<Ints> normal = normalizeAxes(op, *axes.values, data.rank());
  if (failed(normal))
    return failure();
  for (size_t i = 0; i < count; ++i) {
    ShapeEntry step = hasSteps ? (*steps)[i] : ShapeEntry(1);
    if (step.is(0))
      return op->emitOpError("expected steps other than 0, but got 0 at index ") << i;
    Dim &dim = (*data.dims)[(*normal)[i]];
    dim = sliceDim(dim, (*starts)[i], (*ends)[i], step);
  }
  setResult(op, types, 0, data);
  return success();
}

//===----------------------------------------------------------------------===//
// Pad, Tile
//===----------------------------------------------------------------------===//

LogicalResult infer::pad(Operation *op, Types &types) {
  TensorInfo data = getInput(op, 0);
  setResult(op, types, 0, data);
  if (!data.hasRank())
    return success();
  IntList pads = getIntList(op, op->hasAttr("paddings") ? "paddings" : "pads", 1);
  IntList axes = getIntList(op, "axes", 3);
  if (!pads.values || (axes.present && !axes.values)) {
    setResult(op, types, 0, {data.element, Dims(data.rank(), Dim())});
    return success();
  }
  if (!axes.present)
    axes.values = llvm::to_vector(llvm::seq<int64_t>(0, data.rank()));
  size_t count = axes.values->size();
  if (pads.values->size() != 2 * count)
    return op->emitOpError("expected ") << 2 * count << " pads, but got " << pads.values->size();
  FailureOr<Ints> normal = normalizeAxes(op, *axes.values, data.rank());
  if (failed(normal))
    return failure();
  for (size_t i = 0; i < count; ++i) {
    Dim &dim = (*data.dims)[(*normal)[i]];
    int64_t before = (*pads.values)[i], after = (*pads.values)[count + i], total;
    bool overflows = llvm::AddOverflow(before, after, total) ||
                     (dim.isStatic() && llvm::AddOverflow(dim.size, total, total));
    if (overflows || (!dim.isStatic() && (before != 0 || after != 0)))
      dim = Dim();
    else if (dim.isStatic() && total < 0)
      return op->emitOpError("expected pads that leave a size of at least 0, but got ")
             << total << " at axis " << (*normal)[i];
    else if (dim.isStatic())
      dim = total;
  }
  setResult(op, types, 0, data);
  return success();
}

LogicalResult infer::tile(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  // Before opset 6 Tile has a scalar count and one axis as operands.
  bool alongOneAxis = bool(getInputOrNull(op, 2));
  std::optional<ShapeValue> repeats;
  if (!alongOneAxis)
    repeats = evaluateShapeValue(getInputOrNull(op, 1));
  if (input.hasRank() && repeats && int64_t(repeats->size()) != input.rank())
    return op->emitOpError("expected ") << input.rank() << " repeats, but got " << repeats->size();
  if (input.hasRank())
    for (auto [i, dim] : llvm::enumerate(*input.dims))
      dim = repeats ? multiplyDims(dim, (*repeats)[i].toDim()) : Dim();
  else if (repeats)
    input.dims = Dims(repeats->size(), Dim());
  setResult(op, types, 0, input);
  return success();
}
