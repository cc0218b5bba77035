//===- PointwiseReductions.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reductions and cumulative sums: a loop of one thread for each result. They are stored, because
// others read them for many elements.
//
//===----------------------------------------------------------------------===//

#include "PointwiseReader.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;
using Text = PointwiseReader::Text;

bool plan::isReduction(Operation *op) {
  return isa<onnx::ReduceSumOp, onnx::ReduceMeanOp, onnx::ReduceMaxOp, onnx::ReduceMinOp,
             onnx::CumSumOp>(op);
}

/// Returns the axes that are reduced, in order, or nothing if they are not known.
static std::optional<SmallVector<int64_t>> findAxes(Operation *op, int64_t rank) {
  std::optional<SmallVector<int64_t>> axes = onnx::getAxes(op, rank);
  bool areGiven = onnx::getInputOrNull(op, 1) || op->hasAttr("axes");
  if (areGiven && !axes)
    return std::nullopt;
  auto noop = op->getAttrOfType<IntegerAttr>("noop_with_empty_axes");
  if (!axes || axes->empty()) {
    axes.emplace();
    for (int64_t axis = 0; axis < rank && !(noop && noop.getInt() != 0); ++axis)
      axes->push_back(axis);
  }
  llvm::sort(*axes);
  axes->erase(llvm::unique(*axes), axes->end());
  return axes;
}

static std::string writeLoop(StringRef join, StringRef name, StringRef count, StringRef body) {
  return ("(reduce " + join + " (" + name + " " + count + ") " + body + ")").str();
}

Text PointwiseReader::readReduction(Operation *op, ArrayRef<Index> at) {
  std::optional<Sizes> sizes = getSizes(op->getOperand(0));
  std::optional<SmallVector<int64_t>> axes =
      sizes ? findAxes(op, int64_t(sizes->size())) : std::nullopt;
  if (!axes)
    return op->emitOpError("expected an operand of known sizes and constant axes");
  Type element = onnx::getTensorInfo(op->getOperand(0)).element;
  bool isMean = isa<onnx::ReduceMeanOp>(op);
  if (getValueKind(element) == ValueKind::Boolean ||
      (isMean && getValueKind(element) != ValueKind::Real))
    return op->emitOpError("expected numbers to reduce, but got ") << element;
  auto keeps = op->getAttrOfType<IntegerAttr>("keepdims");
  bool keepsAxes = !keeps || keeps.getInt() != 0;
  Indices own;
  size_t next = 0;
  for (size_t axis = 0; axis < sizes->size(); ++axis) {
    bool isReduced = llvm::is_contained(*axes, int64_t(axis));
    own.push_back(isReduced ? Index{newName(), std::nullopt, std::nullopt} : at[next]);
    next += !isReduced || keepsAxes;
  }
  Text text = read(op->getOperand(0), own);
  if (failed(text))
    return failure();
  StringRef join = isa<onnx::ReduceMaxOp>(op) ? "max" : isa<onnx::ReduceMinOp>(op) ? "min" : "add";
  Size count = 1;
  for (int64_t axis : llvm::reverse(*axes)) {
    *text = writeLoop(join, own[axis].text, getIndex((*sizes)[axis]).text, *text);
    count = count * (*sizes)[axis];
  }
  return isMean ? Text("(div " + *text + " (real " + getIndex(count).text + "))") : text;
}

/// The sum goes over the elements up to this one, without it if `exclusive`, or from the end on.
Text PointwiseReader::readCumSum(onnx::CumSumOp op, ArrayRef<Index> at) {
  std::optional<Sizes> sizes = getSizes(op.getX());
  std::optional<SmallVector<int64_t>> number = onnx::getConstantInts(op.getAxis());
  int64_t rank = sizes ? int64_t(sizes->size()) : 0;
  if (!number || number->size() != 1 || number->front() < -rank || number->front() >= rank)
    return op.emitOpError("expected an operand of known sizes and a constant axis");
  int64_t axis = number->front() + (number->front() < 0 ? rank : 0);
  std::string name = newName(), place = at[axis].text;
  std::string last = "(sub " + getIndex((*sizes)[axis]).text + " 1)";
  bool isReverse = op.getReverse().value_or(0) != 0;
  std::string before = isReverse ? "(sub " + last + " " + place + ")" : place;
  std::string count = op.getExclusive().value_or(0) != 0 ? before : "(add " + before + " 1)";
  Indices own(at);
  own[axis] = {isReverse ? "(sub " + last + " " + name + ")" : name, std::nullopt, std::nullopt};
  Text text = read(op.getX(), own);
  return failed(text) ? text : Text(writeLoop("add", name, count, *text));
}
