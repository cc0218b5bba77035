//===- ONNXOps.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/Dialect/ONNX/IR/TypedOps.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace basin::onnx;

//===----------------------------------------------------------------------===//
// NodeSchema
//===----------------------------------------------------------------------===//

NodeSchema::NodeSchema(StringRef opType, StringRef domain, std::initializer_list<StringRef> inputs,
                       std::initializer_list<StringRef> outputs,
                       std::initializer_list<StringRef> regions)
    : opType(opType), domain(domain), inputs(inputs), outputs(outputs), regions(regions) {
  for (StringRef name : this->inputs) {
    if (name.ends_with("*"))
      variadicInputs = true;
    else if (!name.ends_with("?"))
      ++minInputs;
  }
  // Operators with only a list of operands need at least one.
  if (variadicInputs && this->inputs.size() == 1)
    minInputs = 1;
  variadicOutputs = !this->outputs.empty() && this->outputs.back().ends_with("*");
}

/// Returns the number of results that an op must have. A list of results is never empty.
static size_t countRequiredOutputs(const NodeSchema &schema) {
  return llvm::count_if(schema.outputs, [](StringRef name) { return !name.ends_with("?"); });
}

bool NodeSchema::acceptsCounts(size_t numInputs, size_t numOutputs) const {
  if (numInputs < minInputs || (!variadicInputs && numInputs > inputs.size()))
    return false;
  return numOutputs >= countRequiredOutputs(*this) &&
         (variadicOutputs || numOutputs <= outputs.size());
}

std::optional<size_t> basin::onnx::findAbsentInput(const NodeSchema &schema, ValueRange operands) {
  for (size_t i = 0, e = std::min(schema.inputs.size(), operands.size()); i < e; ++i) {
    bool isRequired = !schema.inputs[i].ends_with("?") && !schema.inputs[i].ends_with("*");
    if (isRequired && isa<NoneType>(operands[i].getType()))
      return i;
  }
  return std::nullopt;
}

bool basin::onnx::fitsTypedOp(RegisteredOperationName name, const NodeSchema &schema,
                              size_t numInputs, size_t numOutputs, const NamedAttrList &attrs,
                              ArrayRef<Attribute> regionNames) {
  if (!schema.acceptsCounts(numInputs, numOutputs) || regionNames.size() != schema.regions.size())
    return false;
  for (auto [attr, expected] : llvm::zip_equal(regionNames, schema.regions))
    if (cast<StringAttr>(attr).getValue() != expected)
      return false;
  for (NamedAttribute attr : attrs)
    if (!llvm::is_contained(name.getAttributeNames(), attr.getName()))
      return false;
  NamedAttrList copy(attrs);
  auto silent = [&] {
    InFlightDiagnostic none = emitError(UnknownLoc::get(name.getContext()));
    none.abandon();
    return none;
  };
  return succeeded(name.verifyInherentAttrs(copy, silent));
}

//===----------------------------------------------------------------------===//
// Functions that typed ops share
//===----------------------------------------------------------------------===//

Value basin::onnx::getInputOrNull(Operation *op, unsigned index) {
  if (index >= op->getNumOperands())
    return {};
  Value value = op->getOperand(index);
  return isa<NoneType>(value.getType()) ? Value() : value;
}

Value basin::onnx::getOutputOrNull(Operation *op, unsigned index) {
  if (index >= op->getNumResults() || isa<NoneType>(op->getResult(index).getType()))
    return {};
  return op->getResult(index);
}

DictionaryAttr basin::onnx::getInherentNodeAttrs(Operation *op) {
  if (auto attrs = dyn_cast_or_null<DictionaryAttr>(op->getPropertiesAsAttribute()))
    return attrs;
  return DictionaryAttr::get(op->getContext());
}

SmallVector<StringAttr> basin::onnx::getSchemaRegionNames(Operation *op, const NodeSchema &schema) {
  Builder b(op->getContext());
  return llvm::map_to_vector<2>(schema.regions,
                                [&](StringRef name) { return b.getStringAttr(name); });
}

/// Each region of a node must be one block that ends in `onnx.return`.
static LogicalResult verifySubgraphs(Operation *op) {
  for (Region &region : op->getRegions())
    if (!region.hasOneBlock() || region.front().empty() || !isa<ReturnOp>(region.front().back()))
      return op->emitOpError("expected each subgraph to be one block that ends in "
                             "'onnx.return'");
  return success();
}

/// Returns "2", "3 to 5" or "1 or more".
static std::string describeCount(size_t least, size_t most, bool isOpen) {
  std::string text = std::to_string(least);
  if (isOpen)
    return text + " or more";
  return least == most ? text : text + " to " + std::to_string(most);
}

LogicalResult basin::onnx::verifyNode(Operation *op, const NodeSchema &schema) {
  if (!schema.acceptsCounts(op->getNumOperands(), op->getNumResults()))
    return op->emitOpError("expected ")
           << describeCount(schema.minInputs, schema.inputs.size(), schema.variadicInputs)
           << " operands and "
           << describeCount(countRequiredOutputs(schema), schema.outputs.size(),
                            schema.variadicOutputs)
           << " results, but got " << op->getNumOperands() << " and " << op->getNumResults();
  if (std::optional<size_t> absent = findAbsentInput(schema, op->getOperands()))
    return op->emitOpError("expected operand '")
           << schema.inputs[*absent] << "' to be there, but it is absent";
  if (op->getNumRegions() != schema.regions.size())
    return op->emitOpError("expected ")
           << schema.regions.size() << " subgraphs, but got " << op->getNumRegions();
  return verifySubgraphs(op);
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

StringRef basin::onnx::getValueName(Value value) {
  if (auto result = dyn_cast<OpResult>(value)) {
    Operation *op = result.getOwner();
    if (auto init = dyn_cast<InitializerOp>(op))
      return init.getName();
    auto outs = op->getAttrOfType<ArrayAttr>(kOutsAttr);
    if (!outs || result.getResultNumber() >= outs.size())
      return {};
    auto name = dyn_cast<StringAttr>(outs[result.getResultNumber()]);
    return name ? name.getValue() : StringRef();
  }
  auto arg = cast<BlockArgument>(value);
  Operation *parent = arg.getOwner()->getParentOp();
  GraphInfoAttr info;
  if (auto graph = dyn_cast_or_null<GraphOp>(parent))
    info = graph.getInfo();
  else if (auto function = dyn_cast_or_null<FunctionOp>(parent))
    info = function.getInfo();
  else if (auto infos = parent ? parent->getAttrOfType<ArrayAttr>(kSubgraphsAttr) : nullptr) {
    unsigned region = arg.getOwner()->getParent()->getRegionNumber();
    if (region < infos.size())
      info = dyn_cast<GraphInfoAttr>(infos[region]);
  }
  if (!info || arg.getArgNumber() >= info.getInputs().size())
    return {};
  return cast<ValueInfoAttr>(info.getInputs()[arg.getArgNumber()]).getName();
}

void basin::onnx::setValueName(OpResult result, StringRef name) {
  Operation *op = result.getOwner();
  Builder b(op->getContext());
  SmallVector<Attribute> names(op->getNumResults(), b.getStringAttr(""));
  if (auto outs = op->getAttrOfType<ArrayAttr>(kOutsAttr))
    llvm::copy(outs.getValue().take_front(names.size()), names.begin());
  names[result.getResultNumber()] = b.getStringAttr(name);
  op->setAttr(kOutsAttr, b.getArrayAttr(names));
}

StringRef basin::onnx::getNodeName(Operation *op) {
  if (auto name = op->getAttrOfType<StringAttr>(kNameAttr); name && !name.empty())
    return name.getValue();
  for (Value result : op->getResults())
    if (StringRef name = getValueName(result); !name.empty())
      return name;
  return {};
}

//===----------------------------------------------------------------------===//
// Opset versions
//===----------------------------------------------------------------------===//

static int64_t findVersion(ArrayAttr opsets, StringRef domain) {
  for (auto entry : opsets.getAsRange<DictionaryAttr>()) {
    auto name = entry.getAs<StringAttr>("domain");
    StringRef imported = name ? name.getValue() : "";
    if (imported == "ai.onnx")
      imported = "";
    if (imported == domain)
      if (auto version = entry.getAs<IntegerAttr>("version"))
        return version.getInt();
  }
  return 0;
}

int64_t basin::onnx::getOpsetVersion(Operation *op, StringRef domain) {
  for (Operation *parent = op; parent; parent = parent->getParentOp()) {
    if (auto function = dyn_cast<FunctionOp>(parent))
      return findVersion(function.getOpsets(), domain);
    if (auto model = parent->getAttrOfType<DictionaryAttr>(kModelAttr))
      if (auto opsets = model.getAs<ArrayAttr>("opset_import"))
        return findVersion(opsets, domain);
  }
  return 0;
}

//===----------------------------------------------------------------------===//
// Graph, function, initializer, node
//===----------------------------------------------------------------------===//

static LogicalResult verifyBody(Operation *op, Block &body, GraphInfoAttr info) {
  auto ret = body.empty() ? ReturnOp() : dyn_cast<ReturnOp>(body.back());
  if (!ret)
    return op->emitOpError("expected its body to end in 'onnx.return'");
  if (body.getNumArguments() != info.getInputs().size())
    return op->emitOpError("expected ")
           << info.getInputs().size() << " block arguments as 'info' says, but got "
           << body.getNumArguments();
  if (ret.getNumOperands() != info.getOutputs().size())
    return op->emitOpError("expected ")
           << info.getOutputs().size() << " outputs as 'info' says, but got "
           << ret.getNumOperands();
  for (Attribute attr :
       llvm::concat<const Attribute>(info.getInputs().getValue(), info.getOutputs().getValue(),
                                     info.getValueInfo().getValue()))
    if (!isa<ValueInfoAttr>(attr))
      return op->emitOpError("expected '#onnx.value' in 'info', but got ") << attr;
  return success();
}

LogicalResult GraphOp::verify() { return verifyBody(*this, getBody().front(), getInfo()); }

LogicalResult FunctionOp::verify() { return verifyBody(*this, getBody().front(), getInfo()); }

LogicalResult InitializerOp::verify() {
  Attribute value = getValue();
  if (isa<SparseAttr>(value))
    return success();
  auto typed = dyn_cast<TypedAttr>(value);
  if (!typed)
    return emitOpError("expected a typed value, but got ") << value;
  auto valueType = dyn_cast<ShapedType>(typed.getType());
  auto resultType = dyn_cast<ShapedType>(getResult().getType());
  if (!valueType || !resultType || !resultType.hasRank() ||
      valueType.getElementType() != resultType.getElementType() ||
      valueType.getShape() != resultType.getShape())
    return emitOpError("expected a result of type ")
           << typed.getType() << ", but got " << getResult().getType();
  return success();
}

StringRef NodeOp::getOpType() { return getTypeName(); }
StringRef NodeOp::getOpDomain() { return getDomain().value_or(""); }
StringRef NodeOp::getOverload() { return getOverloadName().value_or(""); }
DictionaryAttr NodeOp::getNodeAttrs() { return getAttrsAttr(); }
SmallVector<StringAttr> NodeOp::getRegionAttrNames() {
  if (!getRegionNames())
    return {};
  return llvm::to_vector<2>(getRegionNames()->getAsRange<StringAttr>());
}
LogicalResult NodeOp::inferResultTypes(SmallVectorImpl<Type> &types) {
  return infer::unknown(*this, types);
}

LogicalResult NodeOp::verify() {
  if (getRegionAttrNames().size() != getNumRegions())
    return emitOpError("expected a name for each of ")
           << getNumRegions() << " subgraphs, but got " << getRegionAttrNames().size();
  return verifySubgraphs(*this);
}

void basin::onnx::toTypedOp(NodeOp node) {
  const NodeSchema *schema = nullptr;
  StringRef domain = node.getOpDomain() == "ai.onnx" ? "" : node.getOpDomain();
  std::optional<RegisteredOperationName> typed =
      lookupTypedOp(node.getContext(), domain, node.getOpType(), schema);
  NamedAttrList attrs(node.getAttrs());
  ArrayRef<Attribute> regions =
      node.getRegionNames() ? node.getRegionNames()->getValue() : ArrayRef<Attribute>();
  if (!typed || node.getOverloadName() ||
      !fitsTypedOp(*typed, *schema, node->getNumOperands(), node->getNumResults(), attrs,
                   regions) ||
      findAbsentInput(*schema, node->getOperands()))
    return;
  OpBuilder b(node);
  OperationState state(node.getLoc(), *typed);
  state.addOperands(node.getInputs());
  state.addTypes(node->getResultTypes());
  state.addAttributes(attrs);
  state.addAttributes(node->getDiscardableAttrDictionary().getValue());
  if (StringAttr given = node.getDomainAttr(); given && given.getValue() != schema->domain)
    state.addAttribute(kDomainAttr, given);
  for (Region &region : node->getRegions())
    state.addRegion()->takeBody(region);
  Operation *op = b.create(state);
  node->replaceAllUsesWith(op);
  node.erase();
}

Operation *basin::onnx::toGenericOpIfIncomplete(Operation *op) {
  auto node = dyn_cast<NodeInterface>(op);
  const NodeSchema *schema = nullptr;
  if (!node || isa<NodeOp>(op) ||
      !lookupTypedOp(op->getContext(), node.getOpDomain(), node.getOpType(), schema) ||
      !findAbsentInput(*schema, op->getOperands()))
    return op;
  OpBuilder b(op);
  OperationState state(op->getLoc(), NodeOp::getOperationName());
  state.addOperands(op->getOperands());
  state.addTypes(op->getResultTypes());
  state.addAttribute("type_name", b.getStringAttr(node.getOpType()));
  NamedAttrList kept(op->getDiscardableAttrDictionary());
  if (Attribute given = kept.erase(kDomainAttr))
    state.addAttribute("domain", given);
  else if (!node.getOpDomain().empty())
    state.addAttribute("domain", b.getStringAttr(node.getOpDomain()));
  state.addAttribute("attrs", node.getNodeAttrs());
  SmallVector<StringAttr> names = node.getRegionAttrNames();
  if (!names.empty())
    state.addAttribute("region_names",
                       b.getArrayAttr(SmallVector<Attribute>(names.begin(), names.end())));
  state.addAttributes(kept);
  for (Region &region : op->getRegions())
    state.addRegion()->takeBody(region);
  Operation *made = b.create(state);
  op->replaceAllUsesWith(made);
  op->erase();
  return made;
}

#include "basin/Dialect/ONNX/IR/ONNXInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "basin/Dialect/ONNX/IR/ONNXOps.cpp.inc"
