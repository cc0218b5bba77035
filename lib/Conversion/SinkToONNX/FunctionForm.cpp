//===- FunctionForm.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The nodes of each op are built in a new function over the outer values that they use. Those
// values become the function's inputs, with the op's operands first. If an earlier function has the
// same nodes apart from names, the call uses it and the new function is dropped.
//
// ONNX Runtime 1.32 crashes on its own norms in a function (SimplifiedLayerNormalization and,
// before opset 17, LayerNormalization) if they leave stash_type to the default, so there the
// default is written out.
//
//===----------------------------------------------------------------------===//

#include "ExportForms.h"

#include "LowerOp.h"

#include "basin/Dialect/ONNX/Utils/Imports.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

static constexpr llvm::StringLiteral kDomain = "ai.basin";
/// The first version of the ONNX format that has functions.
static constexpr int64_t kMinIRVersion = 8;

namespace {

class FunctionMaker {
public:
  explicit FunctionMaker(ModuleOp module);
  LogicalResult replace(Operation *op);
  void importDomain();

private:
  FunctionOp create(Operation *op);
  FunctionOp findEqual(StringRef stem, FunctionOp function);
  ArrayAttr makeInfos(ArrayRef<std::string> names);
  NodeOp createCall(Operation *op, FunctionOp function, ValueRange inputs,
                    ArrayRef<std::string> outputs);

  ModuleOp module;
  OpBuilder b;
  SymbolTable symbols;
  llvm::StringMap<SmallVector<FunctionOp>> byStem;
};

} // namespace

FunctionMaker::FunctionMaker(ModuleOp module)
    : module(module), b(module.getContext()), symbols(module) {}

/// Returns the name of the op's functions for ONNX users: "sink.rms_norm" is RMSNorm. No operator
/// of ai.onnx has one of these names, because some readers drop a node's domain.
static StringRef getStem(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case([](sink::RMSNormOp) { return "RMSNorm"; })
      .Case([](sink::LayerNormOp) { return "LayerNorm"; })
      .Case([](sink::RotaryOp) { return "Rotary"; })
      .Case([](sink::AttentionOp) { return "SinkAttention"; })
      .Case([](sink::GateOp) { return "Gate"; })
      .Case([](sink::DyTOp dyt) { return dyt.getSquash() == sink::Squash::erf ? "Derf" : "DyT"; });
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

/// Returns the outer values that `body` uses. The op's operands come first, and others follow in
/// the order of their use. An absent operand is no input, but becomes an absent value in the body.
static SmallVector<Value> findInputs(Operation *op, Region &body) {
  llvm::SetVector<Value> used;
  body.walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (!body.isAncestor(operand.getParentRegion()))
        used.insert(operand);
  });
  llvm::SetVector<Value> inputs;
  for (auto [name, operand] : cast<sink::RaisedInterface>(op).getNamedOperands())
    if (operand && used.contains(operand))
      inputs.insert(operand);
  for (Value value : used)
    if (!value.getDefiningOp<AbsentOp>())
      inputs.insert(value);
    else {
      OpBuilder inner = OpBuilder::atBlockBegin(&body.front());
      Value absent = AbsentOp::create(inner, op->getLoc(), value.getType());
      value.replaceUsesWithIf(absent, [&](OpOperand &use) {
        return body.isAncestor(use.getOwner()->getParentRegion());
      });
    }
  return inputs.takeVector();
}

static SmallVector<std::string> nameInputs(Operation *op, ArrayRef<Value> inputs) {
  sink::NamedOperands named = cast<sink::RaisedInterface>(op).getNamedOperands();
  SmallVector<std::string> names;
  unsigned captured = 0;
  for (Value input : inputs) {
    auto *it = llvm::find_if(named, [&](auto &entry) { return entry.second == input; });
    names.push_back(it != named.end() ? it->first.str() : "captured_" + std::to_string(captured++));
  }
  return names;
}

/// Returns names for the function's outputs, which are those of the values in the model if they
/// have some.
static SmallVector<std::string> nameOutputs(ArrayRef<Value> values) {
  SmallVector<std::string> names;
  llvm::StringSet<> taken;
  for (auto [i, value] : llvm::enumerate(values)) {
    std::string name = isa<OpResult>(value) ? getValueName(value).str() : std::string();
    if (name.empty() || !taken.insert(name).second)
      name = "result_" + std::to_string(i);
    names.push_back(name);
  }
  return names;
}

//===----------------------------------------------------------------------===//
// Functions and calls
//===----------------------------------------------------------------------===//

ArrayAttr FunctionMaker::makeInfos(ArrayRef<std::string> names) {
  return b.getArrayAttr(llvm::map_to_vector(names, [&](const std::string &name) -> Attribute {
    return ValueInfoAttr::get(b.getContext(), b.getStringAttr(name),
                              UnknownType::get(b.getContext()), b.getDictionaryAttr({}));
  }));
}

/// Creates an empty function with a name that is free. It imports what the model imports.
FunctionOp FunctionMaker::create(Operation *op) {
  StringRef stem = getStem(op);
  std::string name = stem.str();
  auto symbol = [&] { return (kDomain + "::" + name + "::").str(); };
  for (unsigned i = 2; symbols.lookup(symbol()); ++i)
    name = (stem + "_" + Twine(i)).str();
  auto model = module->getAttrOfType<DictionaryAttr>(kModelAttr);
  auto opsets = model ? model.getAs<ArrayAttr>("opset_import") : ArrayAttr();
  auto none = b.getArrayAttr({});
  auto info = GraphInfoAttr::get(b.getContext(), none, none, none, b.getDictionaryAttr({}));
  b.setInsertionPointToEnd(module.getBody());
  auto function = FunctionOp::create(b, op->getLoc(), symbol(), name, b.getStringAttr(kDomain),
                                     StringAttr(), none, none, opsets ? opsets : none, info);
  function.getBody().emplaceBlock();
  symbols.insert(function);
  return function;
}

/// Returns an earlier function with equal nodes, or null. Their names and documentation may differ.
FunctionOp FunctionMaker::findEqual(StringRef stem, FunctionOp function) {
  auto flags = static_cast<OperationEquivalence::Flags>(
      OperationEquivalence::IgnoreLocations | OperationEquivalence::IgnoreDiscardableAttrs);
  for (FunctionOp other : byStem[stem])
    if (OperationEquivalence::isRegionEquivalentTo(&function.getBody(), &other.getBody(), flags))
      return other;
  return {};
}

NodeOp FunctionMaker::createCall(Operation *op, FunctionOp function, ValueRange inputs,
                                 ArrayRef<std::string> outputs) {
  b.setInsertionPoint(op);
  auto call = NodeOp::create(b, op->getLoc(), op->getResultTypes(), inputs, function.getNameAttr(),
                             b.getStringAttr(kDomain), StringAttr(), b.getDictionaryAttr({}),
                             ArrayAttr(), /*subgraphsCount=*/0);
  SmallVector<StringRef> names(outputs.begin(), outputs.end());
  call->setAttr(kOutsAttr, b.getStrArrayAttr(names));
  if (!names.front().empty())
    call->setAttr(kNameAttr, b.getStringAttr(names.front() + "_" + getStem(op)));
  return call;
}

LogicalResult FunctionMaker::replace(Operation *op) {
  SmallVector<std::string> results;
  for (unsigned i = 0; i < op->getNumResults(); ++i)
    results.push_back(sink::getResultName(op, i).str());
  FunctionOp function = create(op);
  Region &region = function.getBody();
  OpBuilder inner = OpBuilder::atBlockEnd(&region.front());
  FailureOr<SmallVector<Value>> values = lowerSinkOp(op, inner);
  if (failed(values))
    return failure();
  ReturnOp::create(inner, op->getLoc(), *values);
  auto stateStashType = [](auto norm) {
    if (!norm.getStashType())
      norm.setStashType(1);
  };
  region.walk([&](SimplifiedLayerNormalizationOp norm) { stateStashType(norm); });
  region.walk([&](LayerNormalizationOp norm) { stateStashType(norm); });
  SmallVector<Value> inputs = findInputs(op, region);
  SmallVector<std::string> inputNames = nameInputs(op, inputs);
  SmallVector<std::string> outputNames = nameOutputs(*values);
  for (Value input : inputs) {
    Value argument = region.front().addArgument(input.getType(), input.getLoc());
    input.replaceUsesWithIf(argument, [&](OpOperand &use) {
      return region.isAncestor(use.getOwner()->getParentRegion());
    });
  }
  function.setInfoAttr(GraphInfoAttr::get(b.getContext(), makeInfos(inputNames),
                                          makeInfos(outputNames), b.getArrayAttr({}),
                                          b.getDictionaryAttr({})));
  if (FunctionOp equal = findEqual(getStem(op), function)) {
    symbols.erase(function);
    function = equal;
  } else {
    byStem[getStem(op)].push_back(function);
  }
  op->replaceAllUsesWith(createCall(op, function, inputs, results));
  op->erase();
  return success();
}

/// Adds the functions' domain to the imports of the model and of each function that calls one, and
/// raises the format's version to one that has functions.
void FunctionMaker::importDomain() {
  basin::importDomain(module, kDomain, /*version=*/1);
  auto model = module->getAttrOfType<DictionaryAttr>(kModelAttr);
  if (!model)
    return;
  auto version = model.getAs<IntegerAttr>("ir_version");
  if (version && version.getInt() >= kMinIRVersion)
    return;
  NamedAttrList attrs(model);
  attrs.set("ir_version", b.getI64IntegerAttr(kMinIRVersion));
  module->setAttr(kModelAttr, attrs.getDictionary(b.getContext()));
}

LogicalResult basin::convertToFunctions(ModuleOp module, ArrayRef<Operation *> ops) {
  if (ops.empty())
    return success();
  FunctionMaker maker(module);
  for (Operation *op : ops)
    if (failed(maker.replace(op)))
      return failure();
  maker.importDomain();
  return success();
}
