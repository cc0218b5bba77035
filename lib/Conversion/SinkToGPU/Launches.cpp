//===- Launches.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Launches.h"

#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

using namespace mlir;
using namespace basin;

std::string basin::toString(Type type) {
  std::string text = "an unknown type";
  if (type) {
    text.clear();
    llvm::raw_string_ostream(text) << type;
  }
  return text;
}

bool LaunchBuilder::input(StringRef name, Value value, bool isTransposed) {
  if (!value)
    return false;
  operands.push_back(value);
  inputs.push_back(b.getStringAttr(name));
  if (isTransposed)
    transposed.push_back(inputs.back());
  return true;
}

bool LaunchBuilder::output(StringRef name, Value result, ArrayRef<Factors> shape) {
  if (!result)
    return false;
  replaced.push_back(result);
  outputs.push_back(b.getStringAttr(name));
  auto type = dyn_cast<RankedTensorType>(result.getType());
  if (type && type.hasStaticShape())
    return true;
  SmallVector<Attribute> axes;
  for (const Factors &factors : shape)
    axes.push_back(b.getArrayAttr(factors));
  shapes.set(name, b.getArrayAttr(axes));
  return true;
}

SmallVector<LaunchBuilder::Factors> LaunchBuilder::shapeOf(StringRef of, int64_t rank) {
  SmallVector<Factors> shape;
  for (int64_t axis = 0; axis < rank; ++axis)
    shape.push_back({size(of, axis)});
  return shape;
}

Attribute LaunchBuilder::factor(StringRef of, StringRef what, int64_t axis) {
  return b.getDictionaryAttr(
      {b.getNamedAttr("of", b.getStringAttr(of)), b.getNamedAttr(what, b.getI64IntegerAttr(axis))});
}

void LaunchBuilder::scalar(StringRef name, ArrayRef<Attribute> factors) {
  scalars.set(name, b.getArrayAttr(factors));
}

void LaunchBuilder::rows(StringRef of, int64_t rank) {
  Factors factors;
  for (int64_t axis = 0; axis + 1 < rank; ++axis)
    factors.push_back(size(of, axis));
  scalar("rows", factors);
}

/// Moves an operand of the launch to before `at` if it is defined later. It is a weight or a cast
/// of one, so nothing keeps it where it is.
static void hoist(Value operand, Operation *at) {
  Operation *def = operand.getDefiningOp();
  if (!def || def->getBlock() != at->getBlock() || !at->isBeforeInBlock(def))
    return;
  for (Value of : def->getOperands())
    hoist(of, at);
  def->moveBefore(at);
}

void LaunchBuilder::create(ArrayRef<Operation *> ops, gpu::GPUModuleOp kernels, StringRef kernel) {
  Operation *at = ops.front();
  for (Value operand : operands)
    hoist(operand, at);
  SmallVector<Attribute> names;
  SmallVector<Type> types;
  for (Value result : replaced) {
    names.push_back(b.getStringAttr(getStreamValueName(result)));
    types.push_back(result.getType());
  }
  OpBuilder builder(at);
  auto symbol =
      SymbolRefAttr::get(kernels.getNameAttr(), FlatSymbolRefAttr::get(b.getContext(), kernel));
  auto launch = sink::LaunchOp::create(
      builder, at->getLoc(), types, operands, symbol, b.getArrayAttr(inputs),
      b.getArrayAttr(outputs), scalars.getDictionary(b.getContext()),
      shapes.empty() ? DictionaryAttr() : shapes.getDictionary(b.getContext()),
      transposed.empty() ? ArrayAttr() : b.getArrayAttr(transposed));
  if (llvm::any_of(names, [](Attribute name) { return !cast<StringAttr>(name).empty(); }))
    launch->setAttr(onnx::kOutsAttr, b.getArrayAttr(names));
  for (auto [before, after] : llvm::zip(replaced, launch.getResults()))
    before.replaceAllUsesWith(after);
  for (Operation *op : llvm::reverse(ops))
    op->erase();
}
