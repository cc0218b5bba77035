//===- AssumeSizes.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the lengths of slices that shape inference cannot know. An exporter cuts a table of
// positions or a mask to the sequence: the length of `table[:seq]` is the smaller of the table's
// and the sequence's. Any use of it beside the sequence is an error unless the sequence is not
// longer than the table. So the length is taken to be that of the sequence, and the plan checks
// this before it runs. Sizes of different names that meet in an op are taken to be equal, and are
// checked as well.
//
//===----------------------------------------------------------------------===//

#include "Planner.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Transforms/Passes.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;

/// Each round may make the bounds of further slices known.
static constexpr unsigned kMaxRounds = 8;

static llvm::StringSet<> findSymbols(onnx::GraphOp graph) {
  llvm::StringSet<> symbols;
  for (Value input : graph.getBody().getArguments())
    if (std::optional<Sizes> sizes = getSizes(input))
      for (const Size &size : *sizes)
        size.visitSymbols([&](StringRef symbol) { symbols.insert(symbol); });
  return symbols;
}

static std::optional<Size> getKnownSize(const onnx::Dim &dim, const llvm::StringSet<> &symbols) {
  std::optional<Size> size = Size::of(dim);
  bool isKnown = size.has_value();
  if (size)
    size->visitSymbols([&](StringRef symbol) { isKnown &= symbols.contains(symbol); });
  return isKnown ? size : std::nullopt;
}

/// Forgets the names of dims that no input has, such as "Min(64, seq)".
static void forgetUnknownNames(onnx::GraphOp graph, const llvm::StringSet<> &symbols) {
  graph.walk([&](Operation *op) {
    for (Value result : op->getResults()) {
      onnx::TensorInfo info = onnx::getTensorInfo(result);
      if (!info.hasRank())
        continue;
      for (onnx::Dim &dim : *info.dims)
        if (!getKnownSize(dim, symbols))
          dim = onnx::Dim();
      if (Type type = onnx::makeTensorType(info))
        result.setType(type);
    }
  });
}

static std::optional<onnx::ShapeValue> readBounds(Operation *op, unsigned operand) {
  Value value = onnx::getInputOrNull(op, operand);
  return value ? onnx::evaluateShapeValue(value) : std::nullopt;
}

/// Returns the end of a sliced axis: a size, or a constant that counts from the axis's end.
static std::optional<Size> findEnd(const onnx::ShapeEntry &entry, const Size &size,
                                   const llvm::StringSet<> &symbols) {
  if (!entry.constant)
    return getKnownSize(entry.toDim(), symbols);
  if (*entry.constant < 0)
    return *entry.constant < -std::numeric_limits<int32_t>::max()
               ? std::nullopt
               : std::optional(size + Size(*entry.constant));
  if (*entry.constant >= std::numeric_limits<int32_t>::max())
    return size;
  bool isInside = *entry.constant <= size.getLeast().value_or(-1);
  return isInside ? std::optional(Size(*entry.constant)) : std::nullopt;
}

/// Gives the axes of a slice that have no known length the distance of their bounds. Returns
/// whether there was one.
static bool assumeLengths(onnx::SliceOp op, const llvm::StringSet<> &symbols,
                          std::vector<SizeCheck> &checks) {
  onnx::TensorInfo data = onnx::getTensorInfo(op.getData());
  onnx::TensorInfo result = onnx::getTensorInfo(op.getResult());
  std::optional<SmallVector<SlicedAxis>> axes = readSlice(op);
  std::optional<onnx::ShapeValue> ends = readBounds(op, 2);
  if (!axes || !ends || ends->size() != axes->size() || !result.hasRank())
    return false;
  bool changed = false;
  for (auto [one, entry] : llvm::zip(*axes, *ends)) {
    onnx::Dim &dim = (*result.dims)[one.axis];
    std::optional<Size> size = getKnownSize(data[one.axis], symbols);
    std::optional<Size> end = size ? findEnd(entry, *size, symbols) : std::nullopt;
    if (getKnownSize(dim, symbols) || !end || one.step != 1)
      continue;
    // The name of a difference would not be that of the sequence.
    std::optional<onnx::Dim> length = (*end - one.start).toDim(op.getContext());
    if (!length)
      continue;
    dim = *length;
    // A length with the symbols of the axis, and fewer elements, needs no check.
    if (!entry.constant)
      addCheck(checks, *end, *size, op);
    changed = true;
  }
  if (changed)
    op.getResult().setType(cast<Type>(onnx::makeTensorType(result)));
  return changed;
}

static bool broadcasts(Operation *op) {
  return isa<onnx::AddOp, onnx::SubOp, onnx::MulOp, onnx::DivOp, onnx::PowOp, onnx::ModOp,
             onnx::AndOp, onnx::OrOp, onnx::XorOp, onnx::MinOp, onnx::MaxOp, onnx::EqualOp,
             onnx::LessOp, onnx::GreaterOp, onnx::LessOrEqualOp, onnx::GreaterOrEqualOp,
             onnx::WhereOp>(op);
}

/// Gives an axis of a result that two sizes of different names meet at the first of them. Whoever
/// reads the operands checks that they are equal. Returns whether there was one.
static bool assumeEqual(Operation *op, const llvm::StringSet<> &symbols) {
  onnx::TensorInfo result = onnx::getTensorInfo(op->getResult(0));
  if (!result.hasRank())
    return false;
  bool changed = false;
  for (int64_t axis = 0; axis < result.rank(); ++axis) {
    if (getKnownSize(result[axis], symbols))
      continue;
    for (Value operand : op->getOperands()) {
      onnx::TensorInfo info = onnx::getTensorInfo(operand);
      int64_t own = info.hasRank() ? axis - result.rank() + info.rank() : -1;
      if (own < 0 || info[own].is(1) || !getKnownSize(info[own], symbols))
        continue;
      (*result.dims)[axis] = info[own];
      changed = true;
      break;
    }
  }
  if (changed)
    op->getResult(0).setType(cast<Type>(onnx::makeTensorType(result)));
  return changed;
}

/// A constant place in an axis, from its beginning or its end, must be in it. The place in an axis
/// that is too short would be that of another row.
static void checkPlace(const onnx::Dim &dim, int64_t count, std::vector<SizeCheck> &checks,
                       Operation *op) {
  if (std::optional<Size> size = Size::of(dim); size && size->getLeast().value_or(0) < count)
    addCheck(checks, Size(count), *size, op);
}

static void checkPlaces(onnx::GraphOp graph, std::vector<SizeCheck> &checks) {
  graph.walk([&](onnx::SliceOp op) {
    onnx::TensorInfo data = onnx::getTensorInfo(op.getData());
    std::optional<SmallVector<SlicedAxis>> axes = readSlice(op);
    for (const SlicedAxis &one : axes.value_or(SmallVector<SlicedAxis>()))
      if (std::optional<Size> size = Size::of(data[one.axis]))
        if (std::optional<int64_t> fromEnd = (*size - one.start).getNumber();
            fromEnd && !size->getNumber())
          checkPlace(data[one.axis], *fromEnd, checks, op);
  });
  graph.walk([&](onnx::GatherOp op) {
    onnx::TensorInfo data = onnx::getTensorInfo(op.getData());
    std::optional<SmallVector<int64_t>> places = onnx::getConstantInts(op.getIndices());
    int64_t axis = int64_t(op.getAxis().value_or(0));
    axis += axis < 0 && data.hasRank() ? data.rank() : 0;
    if (!places || !data.hasRank() || axis < 0 || axis >= data.rank())
      return;
    for (int64_t place : *places)
      checkPlace(data[axis], place < 0 ? -place : place + 1, checks, op);
  });
}

LogicalResult plan::assumeSizes(onnx::GraphOp graph, std::vector<SizeCheck> &checks) {
  llvm::StringSet<> symbols = findSymbols(graph);
  for (unsigned round = 0; round < kMaxRounds; ++round) {
    forgetUnknownNames(graph, symbols);
    // Launches name kernels of another module, which the verifier would look for in this one.
    PassManager pm(graph.getContext());
    pm.enableVerifier(false);
    pm.addPass(onnx::createInferShapesPass());
    if (failed(pm.run(graph->getParentOfType<ModuleOp>())))
      return failure();
    bool changed = false;
    graph.walk([&](Operation *op) {
      if (auto slice = dyn_cast<onnx::SliceOp>(op))
        changed |= assumeLengths(slice, symbols, checks);
      else if (broadcasts(op))
        changed |= assumeEqual(op, symbols);
    });
    if (!changed)
      break;
  }
  checkPlaces(graph, checks);
  return success();
}
