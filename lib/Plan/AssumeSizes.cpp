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
// this before it runs.
//
//===----------------------------------------------------------------------===//

#include "Planner.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;

/// Each round may make the bounds of further slices known.
static constexpr unsigned kMaxRounds = 4;

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
    std::optional<Size> end = getKnownSize(entry.toDim(), symbols);
    if (getKnownSize(dim, symbols) || !size || !end || one.step != 1)
      continue;
    // The name of a difference would not be that of the sequence.
    std::optional<onnx::Dim> length = (*end - one.start).toDim(op.getContext());
    if (!length)
      continue;
    dim = *length;
    bool isNew = llvm::none_of(
        checks, [&](const SizeCheck &check) { return check.size == *end && check.limit == *size; });
    if (isNew)
      checks.push_back({*end, *size, onnx::getNodeName(op).str()});
    changed = true;
  }
  if (changed)
    op.getResult().setType(cast<Type>(onnx::makeTensorType(result)));
  return changed;
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
    graph.walk([&](onnx::SliceOp op) { changed |= assumeLengths(op, symbols, checks); });
    if (!changed)
      break;
  }
  return success();
}
