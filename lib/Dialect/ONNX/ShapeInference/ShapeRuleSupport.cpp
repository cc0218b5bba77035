//===- ShapeRuleSupport.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

void infer::setResult(Operation *op, Types &types, unsigned index, const TensorInfo &info) {
  types.resize(op->getNumResults());
  if (index < types.size())
    types[index] = makeTensorType(info);
}

int64_t infer::getIntAttr(Operation *op, StringRef name, int64_t otherwise) {
  auto attr = op->getAttrOfType<IntegerAttr>(name);
  return attr ? attr.getInt() : otherwise;
}

IntList infer::getIntList(Operation *op, StringRef attr, unsigned operand) {
  IntList list;
  if (auto ints = op->getAttrOfType<DenseI64ArrayAttr>(attr)) {
    list.values = Ints(ints.asArrayRef());
    list.present = true;
  } else if (Value value = getInputOrNull(op, operand)) {
    list.present = true;
    list.values = evaluateInts(value);
    TensorInfo info = getTensorInfo(value);
    if (info.hasRank() && info.rank() == 0)
      list.size = 1;
    else if (info.hasRank() && info.rank() == 1 && info[0].isStatic())
      list.size = info[0].size;
  }
  if (list.values)
    list.size = list.values->size();
  return list;
}

FailureOr<int64_t> infer::normalizeAxis(Operation *op, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    op->emitOpError("expected an axis from ")
        << -rank << " to " << rank - 1 << ", but got " << axis;
    return failure();
  }
  return axis < 0 ? axis + rank : axis;
}

FailureOr<Ints> infer::normalizeAxes(Operation *op, ArrayRef<int64_t> axes, int64_t rank) {
  Ints result;
  llvm::SmallDenseSet<int64_t> seen;
  for (int64_t axis : axes) {
    FailureOr<int64_t> normal = normalizeAxis(op, axis, rank);
    if (failed(normal))
      return failure();
    if (!seen.insert(*normal).second) {
      op->emitOpError("expected distinct axes, but got ") << axis << " twice";
      return failure();
    }
    result.push_back(*normal);
  }
  return result;
}

FailureOr<Type> infer::getCommonElement(Operation *op, unsigned first, unsigned last) {
  Type common;
  for (unsigned i = first; i <= last && i < op->getNumOperands(); ++i) {
    Type element = getInput(op, i).element;
    if (common && element && element != common) {
      op->emitOpError("expected operands of one element type, but got ")
          << common << " and " << element;
      return failure();
    }
    common = common ? common : element;
  }
  return common;
}

FailureOr<Dim> infer::requireEqual(Operation *op, const Dim &a, const Dim &b, const Twine &what) {
  std::optional<Dim> merged = mergeDim(a, b);
  if (merged)
    return *merged;
  op->emitOpError("expected equal ")
      << what << ", but got " << toString(a) << " and " << toString(b);
  return failure();
}

FailureOr<std::optional<Dims>> infer::broadcastAll(Operation *op, ArrayRef<TensorInfo> operands) {
  std::optional<Dims> result;
  bool everyRankKnown = true;
  for (const TensorInfo &operand : operands) {
    everyRankKnown &= operand.hasRank();
    if (!operand.hasRank())
      continue;
    if (!result) {
      result = operand.dims;
      continue;
    }
    std::optional<Dims> joint = broadcastDims(*result, *operand.dims);
    if (!joint) {
      op->emitOpError("expected shapes that broadcast, but got ")
          << toString(*result) << " and " << toString(*operand.dims);
      return failure();
    }
    result = joint;
  }
  return everyRankKnown ? result : std::nullopt;
}

LogicalResult infer::requireRank(Operation *op, const TensorInfo &info, int64_t rank,
                                 const Twine &what) {
  if (!info.hasRank() || info.rank() == rank)
    return success();
  return op->emitOpError("expected ")
         << what << " of rank " << rank << ", but got " << toString(*info.dims);
}
