//===- ShapeRulesControlFlow.cpp --------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rules of ops with subgraphs. A value that a Loop or Scan carries may change its shape from one
// iteration to the next, so the body only knows its element type and what the model states. The
// other results of an iteration are stacked along a new axis.
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

static OperandRange getYields(Operation *op, unsigned region = 0) {
  return op->getRegion(region).front().getTerminator()->getOperands();
}

//===----------------------------------------------------------------------===//
// If
//===----------------------------------------------------------------------===//

/// The results of an If have what is known about the results of both branches, or of the one that
/// is taken if the condition is known.
LogicalResult infer::subgraphs(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  if (op->getNumRegions() != 2)
    return success();
  OperandRange first = getYields(op, 0), second = getYields(op, 1);
  for (OperandRange branch : {first, second})
    if (branch.size() != op->getNumResults())
      return op->emitOpError("expected ")
             << op->getNumResults() << " results of each branch, but got " << branch.size();
  auto condition = op->getNumOperands() == 1 ? evaluateInts(op->getOperand(0)) : std::nullopt;
  bool isKnown = condition && condition->size() == 1;
  for (auto [i, a, b] : llvm::enumerate(first.getTypes(), second.getTypes())) {
    Type elementA = getTensorInfo(a).element, elementB = getTensorInfo(b).element;
    if (elementA && elementB && elementA != elementB)
      return op->emitOpError("expected branches of one element type, but got ")
             << elementA << " and " << elementB << " for result " << i;
    types[i] = !isKnown ? joinTypes(a, b) : condition->front() ? a : b;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Functions that Loop and Scan share
//===----------------------------------------------------------------------===//

static Type getUnranked(Type element) {
  return element ? UnrankedTensorType::get(element) : Type();
}

/// Returns the shape of a carried value after any number of iterations.
static std::optional<Dims> joinCarried(const TensorInfo &initial, const TensorInfo &input,
                                       const TensorInfo &output) {
  if (!initial.hasRank() || !output.hasRank() || initial.rank() != output.rank())
    return std::nullopt;
  bool inputKnown = input.hasRank() && input.rank() == output.rank();
  Dims dims;
  for (int64_t i = 0; i < output.rank(); ++i) {
    // If no iteration changes a dim, it keeps its initial size.
    bool invariant = inputKnown && input[i].isSymbol() && input[i].provablyEquals(output[i]);
    dims.push_back(invariant ? initial[i] : joinDim(initial[i], output[i]));
  }
  return dims;
}

static FailureOr<Type> inferCarried(Operation *op, unsigned index, Type initial, Type input,
                                    Type output) {
  TensorInfo first = getTensorInfo(initial), next = getTensorInfo(output);
  if (first.element && next.element && first.element != next.element) {
    op->emitOpError("expected carried value ") << index << " to be of one element type, but got "
                                               << first.element << " and " << next.element;
    return failure();
  }
  if (!first.element && !next.element)
    return joinTypes(initial, output);
  Type element = first.element ? first.element : next.element;
  return makeTensorType(element, joinCarried(first, getTensorInfo(input), next));
}

/// Returns the type of an output that is stacked along a new axis. Without any iteration, runtimes
/// make up the sizes that the model does not state, so names of dims cannot be kept.
static FailureOr<Type> stackOutputs(Operation *op, Type output, int64_t axis, const Dim &length) {
  TensorInfo info = getTensorInfo(output);
  if (!info.hasRank())
    return getUnranked(info.element);
  FailureOr<int64_t> normal = normalizeAxis(op, axis, info.rank() + 1);
  if (failed(normal))
    return failure();
  for (Dim &dim : *info.dims)
    dim.name = {};
  info.dims->insert(info.dims->begin() + *normal, length);
  return makeTensorType(info);
}

static LogicalResult checkBody(Operation *op, size_t numInputs, size_t numOutputs) {
  size_t inputs = op->getRegion(0).getNumArguments(), outputs = getYields(op).size();
  if (inputs == numInputs && outputs == numOutputs)
    return success();
  return op->emitOpError("expected a body of ")
         << numInputs << " inputs and " << numOutputs << " outputs, but got " << inputs << " and "
         << outputs;
}

static LogicalResult checkResults(Operation *op, size_t carried) {
  if (op->getNumResults() >= carried)
    return success();
  return op->emitOpError("expected a result for each of ")
         << carried << " carried values, but got " << op->getNumResults();
}

//===----------------------------------------------------------------------===//
// Loop
//===----------------------------------------------------------------------===//

/// A body takes the number of the iteration, the condition and the carried values. It yields a
/// condition, the carried values and the values to stack.
static OperandRange getInitials(LoopOp op) {
  return op->getOperands().drop_front(std::min(op->getNumOperands(), 2u));
}

void LoopOp::inferArgumentTypes(Types &types) {
  Builder b(getContext());
  types.assign({makeTensorType(b.getI64Type(), Dims()), makeTensorType(b.getI1Type(), Dims())});
  for (Type initial : getInitials(*this).getTypes())
    types.push_back(getUnranked(getTensorInfo(initial).element));
}

LogicalResult infer::loop(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  OperandRange initials = getInitials(cast<LoopOp>(op));
  size_t carried = initials.size();
  if (failed(checkResults(op, carried)) ||
      failed(checkBody(op, 2 + carried, 1 + op->getNumResults())))
    return failure();
  OperandRange yields = getYields(op).drop_front();
  for (auto [i, output] : llvm::enumerate(yields.getTypes())) {
    FailureOr<Type> type = i < carried
                               ? inferCarried(op, i, initials[i].getType(),
                                              op->getRegion(0).getArgument(2 + i).getType(), output)
                               : stackOutputs(op, output, 0, Dim());
    if (failed(type))
      return failure();
    types[i] = *type;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Scan
//===----------------------------------------------------------------------===//

/// Before opset 9 a Scan has a batch axis and lengths of sequences.
static bool isBatchedScan(Operation *op) { return getOpsetVersion(op) < 9; }

/// Returns the number of states, or nothing if the attributes are wrong.
static std::optional<size_t> countStates(Operation *op) {
  int64_t inputs = op->getNumOperands(), scanned = getIntAttr(op, "num_scan_inputs", 0);
  return scanned < 1 || scanned > inputs ? std::nullopt : std::optional<size_t>(inputs - scanned);
}

/// Returns entry `index` of the list of axes, 0 if there is no list, or nothing if it is too short.
static std::optional<int64_t> getScanAxis(Operation *op, StringRef name, size_t index) {
  auto axes = op->getAttrOfType<DenseI64ArrayAttr>(name);
  if (!axes)
    return 0;
  return int64_t(index) < axes.size() ? std::optional(axes[index]) : std::nullopt;
}

void ScanOp::inferArgumentTypes(Types &types) {
  std::optional<size_t> states = countStates(*this);
  if (isBatchedScan(*this) || !states)
    return;
  for (auto [i, operand] : llvm::enumerate(getOperandTypes())) {
    TensorInfo info = getTensorInfo(operand);
    if (i < *states || !info.hasRank()) {
      types.push_back(getUnranked(info.element));
      continue;
    }
    // The shape rule reports an axis that is out of range.
    std::optional<int64_t> axis = getScanAxis(*this, "scan_input_axes", i - *states);
    if (!axis || *axis < -info.rank() || *axis >= info.rank()) {
      types.push_back(getUnranked(info.element));
      continue;
    }
    info.dims->erase(info.dims->begin() + (*axis < 0 ? *axis + info.rank() : *axis));
    types.push_back(makeTensorType(info));
  }
}

static LogicalResult checkScan(Operation *op) {
  std::optional<size_t> states = countStates(op);
  if (!states)
    return op->emitOpError("expected num_scan_inputs from 1 to ")
           << op->getNumOperands() << ", but got " << getIntAttr(op, "num_scan_inputs", 0);
  if (failed(checkResults(op, *states)) ||
      failed(checkBody(op, op->getNumOperands(), op->getNumResults())))
    return failure();
  for (auto [name, count] :
       {std::pair<StringRef, int64_t>("scan_input_axes", op->getNumOperands() - *states),
        std::pair<StringRef, int64_t>("scan_output_axes", op->getNumResults() - *states)})
    if (auto axes = op->getAttrOfType<DenseI64ArrayAttr>(name); axes && axes.size() != count)
      return op->emitOpError("expected ") << count << " " << name << ", but got " << axes.size();
  return success();
}

/// Returns the length that all scanned inputs share.
static FailureOr<Dim> readLength(Operation *op, size_t states) {
  Dim length;
  for (size_t i = states; i < op->getNumOperands(); ++i) {
    TensorInfo info = getInput(op, i);
    if (!info.hasRank())
      continue;
    FailureOr<int64_t> axis =
        normalizeAxis(op, *getScanAxis(op, "scan_input_axes", i - states), info.rank());
    if (failed(axis))
      return failure();
    FailureOr<Dim> merged = requireEqual(op, length, info[*axis], "lengths of scanned inputs");
    if (failed(merged))
      return failure();
    length = *merged;
  }
  return length;
}

LogicalResult infer::scan(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  if (isBatchedScan(op))
    return success();
  if (failed(checkScan(op)))
    return failure();
  size_t states = *countStates(op);
  FailureOr<Dim> length = readLength(op, states);
  if (failed(length))
    return failure();
  for (auto [i, output] : llvm::enumerate(getYields(op).getTypes())) {
    FailureOr<Type> type =
        i < states
            ? inferCarried(op, i, op->getOperand(i).getType(),
                           op->getRegion(0).getArgument(i).getType(), output)
            : stackOutputs(op, output, *getScanAxis(op, "scan_output_axes", i - states), *length);
    if (failed(type))
      return failure();
    types[i] = *type;
  }
  return success();
}
