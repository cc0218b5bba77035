//===- Decompose.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::sink;

static constexpr int64_t kMinOpset = 13;

FailureOr<NodeBuilder> basin::sink::startDecomposition(Operation *op, OpBuilder &b) {
  NodeBuilder n(b, op->getLoc(), getResultName(op, 0));
  if (n.getOpset() < kMinOpset)
    return op->emitOpError("expected opset ")
           << kMinOpset << " or later to be decomposed, but got " << n.getOpset();
  return n;
}

FailureOr<Type> basin::sink::requireElementType(Operation *op, Value value, StringRef what) {
  if (auto type = dyn_cast<TensorType>(value.getType()))
    return type.getElementType();
  return op->emitOpError("expected ") << what << " of known element type to be decomposed, but got "
                                      << value.getType() << "; run onnx-infer-shapes first";
}

std::optional<int64_t> basin::sink::getRank(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type ? std::optional(type.getRank()) : std::nullopt;
}

std::optional<int64_t> basin::sink::getStaticDim(Value value, int64_t axis) {
  std::optional<int64_t> rank = getRank(value);
  if (rank && axis < 0)
    axis += *rank;
  if (!rank || axis < 0 || axis >= *rank)
    return std::nullopt;
  int64_t size = cast<RankedTensorType>(value.getType()).getDimSize(axis);
  return ShapedType::isDynamic(size) ? std::nullopt : std::optional(size);
}

StringRef basin::sink::getResultName(Operation *op, unsigned index) {
  if (StringRef name = getValueName(op->getResult(index)); !name.empty())
    return name;
  if (auto raised = dyn_cast<RaisedInterface>(op); raised && !raised.getFormRegion().empty())
    return getValueName(raised.getFormRegion().front().getTerminator()->getOperand(index));
  return {};
}
