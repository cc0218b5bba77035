//===- Describe.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Describes launches in the JSON of a kernel object, for programs that run them.
//
//===----------------------------------------------------------------------===//

#include "basin/Conversion/SinkToGPU/SinkToGPU.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace basin;
using sink::LaunchOp;
namespace json = llvm::json;

static std::string nameOf(Value value) {
  if (StringRef name = onnx::getValueName(value); !name.empty())
    return json::fixUTF8(name);
  std::string text;
  llvm::raw_string_ostream os(text);
  value.printAsOperand(os, OpPrintingFlags());
  return text;
}

static std::string typeOf(Value value) {
  std::string text;
  if (Type element = onnx::getTensorInfo(value).element)
    llvm::raw_string_ostream(text) << element;
  return text == "i1" ? "i8" : text;
}

namespace {
/// Writes one launch. `names` has the value's name for each argument.
class LaunchWriter {
public:
  explicit LaunchWriter(LaunchOp op) : op(op) {
    for (auto [name, value] :
         llvm::zip(op.getInputs().getAsValueRange<StringAttr>(), op.getTensors()))
      names[name] = nameOf(value);
    for (auto [name, value] :
         llvm::zip(op.getOutputs().getAsValueRange<StringAttr>(), op.getResults()))
      names[name] = nameOf(value);
  }

  json::Object write();

private:
  json::Array writeFactors(Attribute factors);
  json::Array writeShape(StringRef name, Value result);

  LaunchOp op;
  llvm::StringMap<std::string> names;
};
} // namespace

json::Array LaunchWriter::writeFactors(Attribute factors) {
  json::Array out;
  for (Attribute factor : cast<ArrayAttr>(factors)) {
    if (auto number = dyn_cast<IntegerAttr>(factor)) {
      out.push_back(number.getInt());
      continue;
    }
    json::Object one;
    for (NamedAttribute part : cast<DictionaryAttr>(factor)) {
      if (auto of = dyn_cast<StringAttr>(part.getValue()))
        one["value"] = names[of.getValue()];
      else
        one[part.getName().strref()] = cast<IntegerAttr>(part.getValue()).getInt();
    }
    out.push_back(std::move(one));
  }
  return out;
}

json::Array LaunchWriter::writeShape(StringRef name, Value result) {
  json::Array axes;
  if (auto shapes = op.getShapes())
    if (auto shape = dyn_cast_or_null<ArrayAttr>(shapes->get(name))) {
      for (Attribute factors : shape)
        axes.push_back(writeFactors(factors));
      return axes;
    }
  for (int64_t size : cast<RankedTensorType>(result.getType()).getShape())
    axes.push_back(json::Array{size});
  return axes;
}

json::Object LaunchWriter::write() {
  json::Array inputs, outputs;
  json::Object scalars;
  ArrayAttr transposed = op.getTransposed().value_or(ArrayAttr());
  for (Attribute name : op.getInputs()) {
    StringRef argument = cast<StringAttr>(name).getValue();
    json::Object one{{"argument", argument}, {"value", names[argument]}};
    if (transposed && llvm::is_contained(transposed, name))
      one["transposed"] = true;
    inputs.push_back(std::move(one));
  }
  for (auto [name, result] :
       llvm::zip(op.getOutputs().getAsValueRange<StringAttr>(), op.getResults()))
    outputs.push_back(json::Object{{"argument", name},
                                   {"value", names[name]},
                                   {"type", typeOf(result)},
                                   {"shape", writeShape(name, result)}});
  for (NamedAttribute scalar : op.getScalars())
    scalars[scalar.getName().strref()] = writeFactors(scalar.getValue());
  return json::Object{{"kernel", op.getKernel().getLeafReference().getValue()},
                      {"inputs", std::move(inputs)},
                      {"outputs", std::move(outputs)},
                      {"scalars", std::move(scalars)}};
}

/// Returns the values that launches read and do not make: arguments in their order, then others.
static SmallVector<Value> findInputs(Block &body, ArrayRef<LaunchOp> launches) {
  llvm::SetVector<Value> found;
  for (LaunchOp op : launches)
    for (Value value : op.getTensors())
      if (!value.getDefiningOp<LaunchOp>())
        found.insert(value);
  SmallVector<Value> inputs;
  llvm::copy_if(body.getArguments(), std::back_inserter(inputs),
                [&](Value argument) { return found.contains(argument); });
  llvm::copy_if(found, std::back_inserter(inputs),
                [](Value value) { return !isa<BlockArgument>(value); });
  return inputs;
}

/// Returns the values that launches make and other ops read: first those that are returned, in
/// their order, then the others.
static SmallVector<Value> findOutputs(Block &body, ArrayRef<LaunchOp> launches) {
  llvm::SetVector<Value> found;
  for (Value value : body.getTerminator()->getOperands())
    if (value.getDefiningOp<LaunchOp>())
      found.insert(value);
  for (LaunchOp op : launches)
    for (Value value : op.getResults())
      if (llvm::any_of(value.getUsers(), [](Operation *user) { return !isa<LaunchOp>(user); }))
        found.insert(value);
  return found.takeVector();
}

static json::Object describe(StringRef name, Block &body, ArrayRef<LaunchOp> launches) {
  json::Array steps, inputs, outputs;
  for (LaunchOp op : launches)
    steps.push_back(LaunchWriter(op).write());
  for (Value value : findInputs(body, launches))
    inputs.push_back(json::Object{{"value", nameOf(value)}, {"type", typeOf(value)}});
  for (Value value : findOutputs(body, launches))
    outputs.push_back(nameOf(value));
  return json::Object{{"name", name},
                      {"inputs", std::move(inputs)},
                      {"outputs", std::move(outputs)},
                      {"steps", std::move(steps)}};
}

json::Array basin::describeFunctions(Operation *root) {
  json::Array out;
  root->walk([&](Operation *op) {
    if (!isa<onnx::GraphOp, onnx::FunctionOp, func::FuncOp>(op) || op->getRegion(0).empty())
      return;
    Block &body = op->getRegion(0).front();
    SmallVector<LaunchOp> launches(body.getOps<LaunchOp>());
    if (!launches.empty())
      out.push_back(describe(SymbolTable::getSymbolName(op), body, launches));
  });
  return out;
}
