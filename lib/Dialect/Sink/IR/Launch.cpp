//===- Launch.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Verifies a launch: that it is consistent, and that it fits its kernel.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Kernel/IR/Kernel.h"
#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Support/WhyNot.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace basin;
using namespace basin::sink;

/// Returns the tensor of an argument, or null if no tensor has that name.
static Value findTensor(LaunchOp op, StringRef name) {
  for (auto [attr, value] : llvm::zip(op.getInputs(), op.getTensors()))
    if (cast<StringAttr>(attr).getValue() == name)
      return value;
  for (auto [attr, value] : llvm::zip(op.getOutputs(), op.getResults()))
    if (cast<StringAttr>(attr).getValue() == name)
      return value;
  return {};
}

/// Returns what is wrong with a factor of a scalar.
static WhyNot checkFactor(LaunchOp op, Attribute factor) {
  if (isa<IntegerAttr>(factor))
    return std::nullopt;
  auto dict = dyn_cast<DictionaryAttr>(factor);
  auto of = dict ? dict.getAs<StringAttr>("of") : StringAttr();
  auto size = dict ? dict.getAs<IntegerAttr>("size") : IntegerAttr();
  auto stride = dict ? dict.getAs<IntegerAttr>("stride") : IntegerAttr();
  if (!of || dict.size() != 2 || !(size || stride))
    return "expected an integer or {of, size} or {of, stride}";
  Value tensor = findTensor(op, of.getValue());
  if (!tensor)
    return "unknown tensor '" + of.str() + "'";
  int64_t axis = (size ? size : stride).getInt();
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  if (axis < 0 || (type && axis >= type.getRank()))
    return "'" + of.str() + "' has no axis " + std::to_string(axis);
  return std::nullopt;
}

static WhyNot checkFactors(LaunchOp op, Attribute factors) {
  auto list = dyn_cast<ArrayAttr>(factors);
  if (!list)
    return "expected a list of factors";
  for (Attribute factor : list)
    if (WhyNot why = checkFactor(op, factor))
      return why;
  return std::nullopt;
}

/// Returns what is wrong with the entry of an output in `shapes`.
static WhyNot checkShape(LaunchOp op, StringRef name, Type type) {
  auto ranked = dyn_cast<RankedTensorType>(type);
  DictionaryAttr shapes = op.getShapes().value_or(DictionaryAttr());
  auto axes = shapes ? dyn_cast_or_null<ArrayAttr>(shapes.get(name)) : ArrayAttr();
  if (!axes && ranked && ranked.hasStaticShape())
    return std::nullopt;
  if (!axes)
    return "expected its shape in 'shapes'";
  if (ranked && axes.size() != static_cast<size_t>(ranked.getRank()))
    return "expected a shape of rank " + std::to_string(ranked.getRank());
  for (Attribute axis : axes)
    if (WhyNot why = checkFactors(op, axis))
      return why;
  return std::nullopt;
}

LogicalResult LaunchOp::verify() {
  if (getInputs().size() != getTensors().size() || getOutputs().size() != getResults().size())
    return emitOpError("expected names for ")
           << getTensors().size() << " operands and " << getResults().size() << " results, but got "
           << getInputs().size() << " and " << getOutputs().size();
  for (NamedAttribute scalar : getScalars())
    if (WhyNot why = checkFactors(*this, scalar.getValue()))
      return emitOpError("scalar '") << scalar.getName().strref() << "': " << *why;
  for (auto [name, type] : llvm::zip(getOutputs().getAsValueRange<StringAttr>(), getResultTypes()))
    if (WhyNot why = checkShape(*this, name, type))
      return emitOpError("output '") << name << "': " << *why;
  if (ArrayAttr names = getTransposed().value_or(ArrayAttr()))
    for (Attribute name : names)
      if (!llvm::is_contained(getInputs(), name))
        return emitOpError("expected 'transposed' to name inputs, but got ") << name;
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &tables) {
  Operation *target = tables.lookupNearestSymbolFrom(*this, getKernel());
  auto contract = target ? kernels::ContractAttr::of(target) : kernels::ContractAttr();
  if (!contract)
    return emitOpError("expected a kernel with a contract, but got ") << getKernel();
  size_t count = getInputs().size() + getOutputs().size() + getScalars().size();
  for (kernels::ArgumentAttr argument : contract.getArguments()) {
    StringAttr name = argument.getName();
    bool isOut = argument.getKind() == kernels::ArgumentKind::Out;
    bool has = argument.isScalar() ? getScalars().contains(name)
                                   : llvm::is_contained(isOut ? getOutputs() : getInputs(), name);
    if (!has)
      return emitOpError("expected a value for the kernel's argument '") << name.getValue() << "'";
  }
  if (size_t wanted = contract.getArguments().size(); count != wanted)
    return emitOpError("expected ") << wanted << " arguments, but got " << count;
  return success();
}
