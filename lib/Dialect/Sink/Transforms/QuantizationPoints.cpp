//===- QuantizationPoints.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "QuantizationPoints.h"

#include "Taps.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using sink::ProjectionPoint;

static bool isFloat(Value value) {
  Type element = getTensorInfo(value).element;
  return element && isa<FloatType>(element);
}

/// Returns whether the op looks rows of a table up: an embedding.
static bool isLookup(Operation *op) {
  if (!isa<GatherOp>(op))
    return false;
  TensorInfo table = getTensorInfo(op->getOperand(0));
  return isConstant(op->getOperand(0)) && table.hasRank() && table.rank() >= 2;
}

/// Returns whether a float input of the graph, or an embedding, is among what computes `value`.
/// Numbers that come from integers (positions, masks) are no activations.
static bool isActivation(Value value) {
  DenseSet<Value> seen;
  SmallVector<Value> work{value};
  while (!work.empty()) {
    Value one = work.pop_back_val();
    if (!isFloat(one) || !seen.insert(one).second || isConstant(one))
      continue;
    Operation *def = one.getDefiningOp();
    if (!def || isLookup(def))
      return true;
    llvm::append_range(work, def->getOperands());
    // A branch of an If reads values from outside of it.
    for (Region &region : def->getRegions())
      region.walk([&](Operation *inner) { llvm::append_range(work, inner->getOperands()); });
  }
  return false;
}

/// Returns the axis of the matrix that the product sums over, or nothing if the op is another one.
static std::optional<int64_t> getDepthAxis(Operation *op) {
  if (isa<MatMulOp>(op))
    return 0;
  if (auto gemm = dyn_cast<GemmOp>(op))
    return gemm.getTransB().value_or(0) != 0 ? 1 : 0;
  if (auto fused = dyn_cast<MSFusedMatMulOp>(op); fused && fused.getTransBatchB().value_or(0) == 0)
    return fused.getTransB().value_or(0) != 0 ? 1 : 0;
  return std::nullopt;
}

/// Returns the product as a point, or the reason why it is none in `why`.
static std::optional<ProjectionPoint> makePoint(const sink::Tap &tap,
                                                const sink::TapProduct &product, bool takesHeads,
                                                std::string &why) {
  Operation *op = product.op;
  if (op->getParentOfType<sink::RaisedInterface>()) {
    why = "it stands among the nodes of another op";
    return std::nullopt;
  }
  std::optional<int64_t> depthAxis = getDepthAxis(op);
  if (!depthAxis || !isFloat(op->getOperand(0))) {
    why = "it is quantized already";
    return std::nullopt;
  }
  sink::MatrixOrReason found = sink::findConstantMatrix(op->getOperand(1));
  if (!found.matrix) {
    why = found.reason;
    return std::nullopt;
  }
  if (!isActivation(op->getOperand(0))) {
    why = "what it multiplies is computed from positions alone";
    return std::nullopt;
  }
  if (product.role == "other") {
    why = "neither the residual stream nor an attention nor an output reads it";
    return std::nullopt;
  }
  if (product.role == "head" && !takesHeads) {
    why = "it writes an output of the model, which 'head' would quantize";
    return std::nullopt;
  }
  std::string name = getStreamValueName(op->getResult(0)).str();
  std::string measured = getStreamValueName(tap.value).str();
  return ProjectionPoint{op, *found.matrix, *depthAxis, product.role, tap.layer, name, measured};
}

sink::ProjectionPoints basin::sink::findProjections(ModuleOp module, bool takesHeads) {
  ProjectionPoints out;
  for (const auto &[block, taps] : findTaps(module))
    for (const Tap &tap : taps)
      for (const TapProduct &product : tap.products) {
        std::string why;
        if (auto point = makePoint(tap, product, takesHeads, why))
          out.points.push_back(std::move(*point));
        else
          out.skipped.push_back({getStreamValueName(product.op->getResult(0)).str(), why});
      }
  return out;
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

/// Returns the static size of a head, or why rows of this layout cannot be quantized.
static std::optional<int64_t> findHeadDim(Value rows, sink::Layout layout, int64_t heads,
                                          std::string &why) {
  TensorInfo info = getTensorInfo(rows);
  std::optional<int64_t> rank = sink::getRankOf(layout);
  if (!rank) {
    why = "its operator takes keys and values packed with the queries";
    return std::nullopt;
  }
  unsigned axis = sink::getHeadDimAxis(layout);
  if (!info.hasRank() || info.rank() != *rank || !info[axis].isStatic()) {
    why = "expected a static size of its heads to quantize keys and values";
    return std::nullopt;
  }
  if (layout != sink::Layout::bsd)
    return info[axis].size;
  if (info[axis].size % heads != 0) {
    why = "its keys and values are not known to have " + std::to_string(heads) + " heads";
    return std::nullopt;
  }
  return info[axis].size / heads;
}

LogicalResult basin::sink::findCaches(ModuleOp module, const quantization::Quantizer &quantizer,
                                      SmallVector<CachePlace> &places) {
  WalkResult walked = module.walk<WalkOrder::PreOrder>([&](AttentionOp op) {
    std::string why;
    int64_t heads = op.getKvNumHeads().value_or(op.getNumHeads().value_or(0));
    auto fail = [&](const Twine &why) {
      op.emitError("attention '") << getStreamValueName(op.getResult()) << "': " << why;
      return WalkResult::interrupt();
    };
    if (!op->getParentOfType<GraphOp>())
      return fail("it stands in a function; inline functions first");
    bool isFlat = op.getKeyLayout() == Layout::bsd || op.getValueLayout() == Layout::bsd;
    if (isFlat && heads == 0)
      return fail("expected a known number of heads to quantize keys and values");
    auto keyDim = findHeadDim(op.getKey(), op.getKeyLayout(), heads, why);
    auto valueDim = keyDim ? findHeadDim(op.getValue(), op.getValueLayout(), heads, why) : keyDim;
    if (!valueDim)
      return fail(why);
    for (Value rows : {op.getKey(), op.getValue()})
      if (WhyNot whyNot = checkQuantizable(rows, quantizer))
        return fail(*whyNot);
    places.push_back({op, *keyDim, *valueDim});
    return WalkResult::skip();
  });
  return failure(walked.wasInterrupted());
}
