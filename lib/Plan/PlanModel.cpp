//===- PlanModel.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Plan/PlanModel.h"

#include "Planner.h"

#include "basin/Conversion/SinkToGPU/SinkToGPU.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;

/// Returns whether only the form of an attention has all of its results.
static bool needsForm(sink::RaisedInterface op) {
  auto attention = dyn_cast<sink::AttentionOp>(op.getOperation());
  if (!attention || !sink::Form(op))
    return false;
  return attention->getNumResults() > (attention.getHasPresent() ? 3u : 1u);
}

/// Replaces an op that has no kernel by what it means.
static LogicalResult decompose(sink::RaisedInterface op) {
  OpBuilder b(op);
  FailureOr<SmallVector<Value>> values = failure();
  if (needsForm(op))
    if (std::optional<SmallVector<Value>> inlined = sink::Form(op).inlineAt(b))
      values = std::move(*inlined);
  if (failed(values))
    values = op.decompose(b);
  if (failed(values))
    return failure();
  op->replaceAllUsesWith(*values);
  op->erase();
  return success();
}

static LogicalResult decomposeRest(onnx::GraphOp graph) {
  SmallVector<sink::RaisedInterface> ops(graph.getBody().front().getOps<sink::RaisedInterface>());
  for (sink::RaisedInterface op : ops) {
    if (sink::Form(op).rounds())
      return op->emitOpError("has no GPU lowering: its nodes round to quantized types");
    if (failed(decompose(op)))
      return failure();
  }
  for (auto parameter :
       llvm::make_early_inc_range(graph.getBody().front().getOps<sink::ParameterOp>())) {
    parameter->getResult(0).replaceAllUsesWith(parameter->getOperand(0));
    parameter->erase();
  }
  return success();
}

/// Converts the ops that have kernels. The remarks about others are not for users, because those
/// ops are decomposed.
static LogicalResult convertKernels(ModuleOp module, gpu::GPUModuleOp kernels,
                                    const kernels::KernelTarget &target) {
  ScopedDiagnosticHandler quiet(module.getContext(), [](Diagnostic &diagnostic) {
    return success(diagnostic.getSeverity() == DiagnosticSeverity::Remark);
  });
  return convertSinkToGPU(module, kernels, target, /*partial=*/true);
}

FailureOr<Plan> plan::planModel(ModuleOp module, gpu::GPUModuleOp kernels,
                                const kernels::KernelTarget &target) {
  auto graphs = module.getOps<onnx::GraphOp>();
  if (graphs.empty())
    return module.emitOpError("expected a graph");
  onnx::GraphOp graph = *graphs.begin();
  // Launches keep the types of the ops that they replace, so sizes come first. Decomposition makes
  // new ops, among them slices.
  std::vector<SizeCheck> checks;
  if (failed(assumeSizes(graph, checks)) || failed(convertKernels(module, kernels, target)) ||
      failed(decomposeRest(graph)) || failed(assumeSizes(graph, checks)))
    return failure();
  FailureOr<Plan> plan = Planner(graph, kernels, target).run();
  if (succeeded(plan))
    plan->checks.insert(plan->checks.begin(), checks.begin(), checks.end());
  return plan;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// Exchanges the last two axes of matrices with elements of `bytes` bytes.
static std::string transpose(ArrayRef<char> from, int64_t rows, int64_t columns, int64_t bytes) {
  std::string out(from.size(), '\0');
  for (int64_t base = 0; base < int64_t(from.size()); base += rows * columns * bytes)
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < columns; ++column)
        std::copy_n(from.data() + base + (row * columns + column) * bytes, bytes,
                    out.data() + base + (column * rows + row) * bytes);
  return out;
}

FailureOr<WrittenPlan> plan::writePlan(const Plan &plan) {
  constexpr uint64_t kAlignment = 256;
  WrittenPlan out;
  std::vector<std::pair<uint64_t, uint64_t>> places(plan.buffers.size());
  for (auto [i, buffer] : llvm::enumerate(plan.buffers)) {
    if (buffer.kind != Buffer::Constant)
      continue;
    FailureOr<onnx::TensorBytes> data = onnx::getTensorBytes(buffer.elements, buffer.from);
    if (failed(data))
      return failure();
    out.weights.resize(llvm::alignTo(out.weights.size(), kAlignment), '\0');
    places[i] = {out.weights.size(), data->bytes.size()};
    if (buffer.isTransposed) {
      size_t rank = buffer.shape.size();
      out.weights +=
          transpose(data->bytes, *buffer.shape[rank - 1].getNumber(),
                    *buffer.shape[rank - 2].getNumber(), buffer.type.getIntOrFloatBitWidth() / 8);
    } else {
      out.weights.append(data->bytes.data(), data->bytes.size());
    }
  }
  out.json = toJSON(plan, [&](unsigned buffer) { return places[buffer]; });
  return std::move(out);
}
