//===- InsertSinkKV.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gives each attention learnable rows of keys and values that every query sees. The mask has no
// columns for them, so the exporter's nodes cannot stay: the form is dropped. All attentions are
// examined before the first one is changed.
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"
#include "SinkParameters.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

using namespace mlir;
using namespace basin;

namespace basin::sink {
#define GEN_PASS_DEF_INSERTSINKKVPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {
class InsertSinkKVPass : public basin::sink::impl::InsertSinkKVPassBase<InsertSinkKVPass> {
public:
  using InsertSinkKVPassBase::InsertSinkKVPassBase;
  void runOnOperation() override;

private:
  LogicalResult checkOptions();
  void insert(sink::SinkPlace &place, sink::ParameterNames &names);
  SmallVector<double> drawRows(int64_t heads, int64_t dim);

  std::mt19937_64 generator;
};
} // namespace

LogicalResult InsertSinkKVPass::checkOptions() {
  constexpr int64_t kMostRows = 1 << 16;
  if (count < 1 || count > kMostRows)
    return getOperation().emitError("option 'count': expected an integer from 1 to ")
           << kMostRows << ", but got " << int64_t(count);
  if (init != "zeros" && init != "normal")
    return getOperation().emitError("option 'init': expected 'zeros' or 'normal', but got '")
           << init << "'";
  return success();
}

/// Returns whether a value is known to have that many heads, if its layout has an axis of them. The
/// products broadcast one head, but a Concat with rows does not.
static bool hasHeads(Value value, sink::Layout layout, int64_t heads) {
  std::optional<unsigned> axis = sink::getHeadAxis(layout);
  onnx::TensorInfo info = onnx::getTensorInfo(value);
  return !axis || (info.hasRank() && info.rank() > *axis && info[*axis].is(heads));
}

/// Returns why the attention cannot have rows.
static WhyNot checkRows(const sink::SinkPlace &place, int64_t count) {
  sink::AttentionOp op = place.op;
  if (WhyNot why = sink::checkDropsForm(op))
    return why;
  if (!place.keyDim || !place.valueDim ||
      !hasHeads(op.getKey(), op.getKeyLayout(), place.kvHeads) ||
      !hasHeads(op.getValue(), op.getValueLayout(), place.kvHeads))
    return "expected static numbers and sizes of heads to insert rows of keys and values";
  if (op.getScoreFactor()) {
    onnx::TensorInfo factor = onnx::getTensorInfo(op.getScoreFactor());
    if (!factor.hasRank() || (factor.rank() > 0 && !factor[factor.rank() - 1].is(1)))
      return "the tensor that multiplies its scores has no columns for rows";
  }
  constexpr int64_t kMostElements = 1 << 24;
  int64_t rowSize = place.kvHeads * std::max(*place.keyDim, *place.valueDim);
  if (count > kMostElements / rowSize)
    return (Twine(count) + " rows of " + Twine(rowSize) + " elements would have more than " +
            Twine(kMostElements))
        .str();
  return std::nullopt;
}

/// Returns zeros, or normal numbers of variance 1/dim.
SmallVector<double> InsertSinkKVPass::drawRows(int64_t heads, int64_t dim) {
  if (init == "zeros")
    return {0.0};
  return sink::drawNormal(generator, heads * count * dim, dim);
}

void InsertSinkKVPass::insert(sink::SinkPlace &place, sink::ParameterNames &names) {
  auto make = [&](StringRef part, int64_t dim) {
    return sink::makeSinkParameter(place, part, {place.kvHeads, count, dim},
                                   drawRows(place.kvHeads, dim), names);
  };
  Value key = make("sink_key", *place.keyDim), value = make("sink_value", *place.valueDim);
  place.op = sink::dropForm(place.op);
  place.op.getSinkKeyMutable().assign(key);
  place.op.getSinkValueMutable().assign(value);
  ++numInserted;
}

void InsertSinkKVPass::runOnOperation() {
  if (failed(checkOptions()))
    return signalPassFailure();
  auto places = sink::findSinkPlaces(getOperation(), attentions, [&](const sink::SinkPlace &place) {
    return checkRows(place, count);
  });
  if (failed(places))
    return signalPassFailure();
  generator.seed(static_cast<uint64_t>(seed));
  sink::ParameterNames names(getOperation());
  for (sink::SinkPlace &place : *places)
    insert(place, names);
}
