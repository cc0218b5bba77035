//===- PointwiseMoves.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ops that move elements: the index of the result's element says which element of which operand it
// is.
//
//===----------------------------------------------------------------------===//

#include "PointwiseReader.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;
using Text = PointwiseReader::Text;

static std::string call(StringRef function, ArrayRef<std::string> operands) {
  return ("(" + function + " " + llvm::join(operands, " ") + ")").str();
}

/// Returns the sizes of a value, or fails at `op`.
static FailureOr<Sizes> requireSizes(Operation *op, Value value) {
  std::optional<Sizes> sizes = getSizes(value);
  if (!sizes)
    return op->emitOpError("expected operands and results of known sizes");
  return *sizes;
}

/// Returns the op's axis, counted from the front.
static FailureOr<size_t> readAxis(Operation *op, std::optional<uint64_t> axis, int64_t otherwise,
                                  size_t rank) {
  int64_t number = axis ? int64_t(*axis) : otherwise;
  number += number < 0 ? int64_t(rank) : 0;
  if (number < 0 || number >= int64_t(rank))
    return op->emitOpError("expected an axis of its operand");
  return size_t(number);
}

std::string PointwiseReader::wrapIndex(const std::string &index, const Size &size) {
  std::string v = newName(), n = getIndex(size).text;
  std::string last = call("sub", {n, "1"});
  std::string wrapped = call("if", {call("lt", {v, "0"}), call("add", {v, n}), v});
  return call("let",
              {"((" + v + " " + index + "))", call("max", {"0", call("min", {last, wrapped})})});
}

/// The index in a group of axes is split off from the number of the element in the group.
Text PointwiseReader::readReshaped(Operation *op, Value result, ArrayRef<Index> at) {
  FailureOr<Sizes> from = requireSizes(op, op->getOperand(0)), to = requireSizes(op, result);
  if (failed(from) || failed(to))
    return failure();
  std::optional<SmallVector<AxisGroup>> groups = groupAxes(*from, *to);
  if (!groups)
    return op->emitOpError("expected sizes whose products are provably equal");
  Indices own(from->size(), Index::of(0));
  for (const AxisGroup &group : *groups) {
    Index element = at[group.to.front()];
    for (unsigned axis : llvm::drop_begin(group.to))
      element = add(multiply(element, getIndex((*to)[axis])), at[axis]);
    for (unsigned axis : llvm::reverse(llvm::drop_begin(group.from))) {
      std::string size = getIndex((*from)[axis]).text;
      own[axis] = {call("mod", {element.text, size}), std::nullopt, std::nullopt};
      element = {call("div", {element.text, size}), std::nullopt, std::nullopt};
    }
    own[group.from.front()] = element;
  }
  return read(op->getOperand(0), own);
}

Text PointwiseReader::readSlice(onnx::SliceOp op, ArrayRef<Index> at) {
  std::optional<SmallVector<SlicedAxis>> axes = plan::readSlice(op);
  if (!axes)
    return op->emitOpError("expected starts that are constants or sizes");
  Indices own(at);
  for (const SlicedAxis &one : *axes)
    own[one.axis] = add(multiply(own[one.axis], Index::of(one.step)), getIndex(one.start));
  return read(op.getData(), own);
}

Text PointwiseReader::readSplit(onnx::SplitOp op, OpResult result, ArrayRef<Index> at) {
  FailureOr<size_t> axis = readAxis(op, op.getAxis(), 0, at.size());
  if (failed(axis))
    return failure();
  Size before;
  for (unsigned i = 0; i < result.getResultNumber(); ++i) {
    FailureOr<Sizes> sizes = requireSizes(op, op->getResult(i));
    if (failed(sizes))
      return failure();
    before = before + (*sizes)[*axis];
  }
  Indices own(at);
  own[*axis] = add(own[*axis], getIndex(before));
  return read(op.getInput(), own);
}

Text PointwiseReader::readGather(onnx::GatherOp op, ArrayRef<Index> at) {
  FailureOr<Sizes> data = requireSizes(op, op.getData());
  FailureOr<Sizes> indices = requireSizes(op, op.getIndices());
  if (failed(data) || failed(indices))
    return failure();
  FailureOr<size_t> axis = readAxis(op, op.getAxis(), 0, data->size());
  if (failed(axis))
    return failure();
  Text index = read(op.getIndices(), at.slice(*axis, indices->size()));
  if (failed(index))
    return failure();
  Indices own(at.take_front(*axis));
  own.push_back({wrapIndex(*index, (*data)[*axis]), std::nullopt, std::nullopt});
  own.append(at.begin() + *axis + indices->size(), at.end());
  return read(op.getData(), own);
}

Text PointwiseReader::readGatherElements(onnx::GatherElementsOp op, ArrayRef<Index> at) {
  FailureOr<Sizes> data = requireSizes(op, op.getData());
  if (failed(data))
    return failure();
  FailureOr<size_t> axis = readAxis(op, op.getAxis(), 0, data->size());
  Text index = failed(axis) ? Text(failure()) : read(op.getIndices(), at);
  if (failed(index))
    return failure();
  Indices own(at);
  own[*axis] = {wrapIndex(*index, (*data)[*axis]), std::nullopt, std::nullopt};
  return read(op.getData(), own);
}

Text PointwiseReader::readGatherND(onnx::GatherNDOp op, ArrayRef<Index> at) {
  FailureOr<Sizes> data = requireSizes(op, op.getData());
  FailureOr<Sizes> indices = requireSizes(op, op.getIndices());
  if (failed(data) || failed(indices))
    return failure();
  int64_t batch = int64_t(op.getBatchDims().value_or(0));
  std::optional<int64_t> depth = indices->empty() ? std::nullopt : indices->back().getNumber();
  if (!depth || batch < 0 || batch + *depth > int64_t(data->size()))
    return op->emitOpError("expected indices whose last axis has a known size");
  Indices own(at.take_front(batch));
  for (int64_t i = 0; i < *depth; ++i) {
    Indices place(at.take_front(indices->size() - 1));
    place.push_back(Index::of(i));
    Text index = read(op.getIndices(), place);
    if (failed(index))
      return failure();
    own.push_back({wrapIndex(*index, (*data)[batch + i]), std::nullopt, std::nullopt});
  }
  own.append(at.begin() + indices->size() - 1, at.end());
  return read(op.getData(), own);
}

Text PointwiseReader::readConcat(onnx::ConcatOp op, ArrayRef<Index> at) {
  FailureOr<size_t> axis = readAxis(op, op.getAxis(), 1, at.size());
  if (failed(axis))
    return failure();
  FailureOr<Sizes> whole = requireSizes(op, op.getResult());
  if (failed(whole))
    return failure();
  SmallVector<std::string> texts;
  SmallVector<Size> ends;
  Size begin;
  for (Value input : op->getOperands()) {
    FailureOr<Sizes> sizes = requireSizes(op, input);
    if (failed(sizes))
      return failure();
    for (size_t i = 0; i < sizes->size(); ++i)
      if (i != *axis && !planner.agree((*sizes)[i], (*whole)[i], op))
        return op.emitOpError("expected operands of equal sizes off the joined axis");
    Indices own(at);
    own[*axis] = add(own[*axis], getIndex(begin * Size(-1)));
    Text text = read(input, own);
    if (failed(text))
      return failure();
    texts.push_back(*text);
    begin = begin + (*sizes)[*axis];
    ends.push_back(begin);
  }
  std::string text = texts.back();
  for (size_t i = texts.size() - 1; i-- > 0;)
    text = call("if", {call("lt", {at[*axis].text, getIndex(ends[i]).text}), texts[i], text});
  return text;
}

Text PointwiseReader::readTile(onnx::TileOp op, ArrayRef<Index> at) {
  FailureOr<Sizes> sizes = requireSizes(op, op.getInput());
  if (failed(sizes))
    return failure();
  Indices own(at);
  for (auto [index, size] : llvm::zip(own, *sizes))
    index = size.is(1)
                ? Index::of(0)
                : Index{call("mod", {index.text, getIndex(size).text}), std::nullopt, std::nullopt};
  return read(op.getInput(), own);
}

/// Element (i, j) is kept where j - i is at least k, or at most k for the lower triangle.
Text PointwiseReader::readTrilu(onnx::TriluOp op, ArrayRef<Index> at) {
  Text x = read(op.getInput(), at);
  Text k = std::string("0");
  if (Value diagonal = op.getK()) {
    Indices own(onnx::getTensorInfo(diagonal).rank(), Index::of(0));
    k = read(diagonal, own);
  }
  if (failed(x) || failed(k))
    return failure();
  ValueKind kind = *getValueKind(onnx::getTensorInfo(op.getResult()).element);
  std::string distance = call("sub", {at.back().text, at[at.size() - 2].text});
  return call("if", {call(int64_t(op.getUpper().value_or(1)) ? "ge" : "le", {distance, *k}), *x,
                     writeNumber(0, kind)});
}

Text PointwiseReader::readRange(onnx::RangeOp op, ArrayRef<Index> at) {
  SmallVector<std::string> texts;
  for (Value operand : {op.getStart(), op.getDelta()}) {
    Indices own(onnx::getTensorInfo(operand).rank(), Index::of(0));
    Text text = read(operand, own);
    if (failed(text))
      return failure();
    texts.push_back(*text);
  }
  if (getValueKind(onnx::getTensorInfo(op.getResult()).element) == ValueKind::Real)
    return call("add", {texts[0], call("mul", {call("real", {at[0].text}), texts[1]})});
  auto toIndex = [](const std::string &text) {
    int64_t number;
    return StringRef(text).getAsInteger(10, number) ? Index{text, std::nullopt, std::nullopt}
                                                    : Index::of(number);
  };
  return add(toIndex(texts[0]), multiply(at[0], toIndex(texts[1]))).text;
}

Text PointwiseReader::readFill(onnx::ConstantOfShapeOp op) {
  ValueKind kind = *getValueKind(onnx::getTensorInfo(op.getResult()).element);
  Attribute value = op->getAttr("value");
  if (!value)
    return writeNumber(0, kind);
  if (kind == ValueKind::Real) {
    auto number = onnx::readFloatElements(value, op, 1);
    if (number && number->size() == 1)
      return writeNumber(number->front(), kind);
  } else if (auto number = onnx::readIntElements(value, op, 1); number && number->size() == 1) {
    return kind == ValueKind::Boolean ? writeNumber(double(number->front()), kind)
                                      : std::to_string(number->front());
  }
  return op->emitOpError("expected a value of one element");
}

Text PointwiseReader::readMoved(OpResult value, ArrayRef<Index> at, bool &known) {
  Operation *op = value.getOwner();
  known = true;
  return llvm::TypeSwitch<Operation *, Text>(op)
      .Case([&](onnx::IdentityOp typed) { return read(typed.getInput(), at); })
      .Case([&](onnx::TransposeOp typed) -> Text {
        ArrayRef<int64_t> perm = typed.getPerm().value_or(ArrayRef<int64_t>());
        Indices own(at);
        for (size_t i = 0, e = at.size(); i < e; ++i)
          own[perm.empty() ? e - 1 - i : size_t(perm[i])] = at[i];
        return read(typed.getData(), own);
      })
      .Case<onnx::ReshapeOp, onnx::FlattenOp, onnx::UnsqueezeOp, onnx::SqueezeOp>(
          [&](auto typed) { return readReshaped(typed, value, at); })
      .Case([&](onnx::ExpandOp typed) { return readBroadcast(typed, 0, value, at); })
      .Case([&](onnx::SliceOp typed) { return readSlice(typed, at); })
      .Case([&](onnx::SplitOp typed) { return readSplit(typed, value, at); })
      .Case([&](onnx::GatherOp typed) { return readGather(typed, at); })
      .Case([&](onnx::GatherElementsOp typed) { return readGatherElements(typed, at); })
      .Case([&](onnx::GatherNDOp typed) { return readGatherND(typed, at); })
      .Case([&](onnx::ConcatOp typed) { return readConcat(typed, at); })
      .Case([&](onnx::TileOp typed) { return readTile(typed, at); })
      .Case([&](onnx::TriluOp typed) { return readTrilu(typed, at); })
      .Case([&](onnx::RangeOp typed) { return readRange(typed, at); })
      .Case([&](onnx::ConstantOfShapeOp typed) { return readFill(typed); })
      .Case([&](onnx::CumSumOp typed) { return readCumSum(typed, at); })
      .Case<onnx::ReduceSumOp, onnx::ReduceMeanOp, onnx::ReduceMaxOp, onnx::ReduceMinOp>(
          [&](auto typed) { return readReduction(typed, at); })
      .Default([&](Operation *) -> Text {
        known = false;
        return failure();
      });
}
