//===- CompareForms.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowers each raised op twice or three times, over the same operands: its form,
// its decomposition (what recognition says that the form means), and the
// decomposition once more in f64. All become outputs of the graph; a line of
// metadata says which belong together, and why an op has none to compare.
//
// The f64 values tell rounding from a wrong meaning: where the decomposition
// itself is far from them, the numbers are badly conditioned, not misread.
//
// An op inside another one's form is reached after that form was inlined.
//
//===----------------------------------------------------------------------===//

#include "LowerOp.h"

#include "basin/Conversion/SinkToONNX/Passes.h"
#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/IR/AttentionScores.h"
#include "basin/Support/WhyNot.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
namespace json = llvm::json;

namespace basin {
#define GEN_PASS_DEF_COMPAREFORMSPASS
#include "basin/Conversion/SinkToONNX/Passes.h.inc"
} // namespace basin

static constexpr llvm::StringLiteral kMetadata = "basin.forms";

namespace {

/// Why an op has no values to compare. One whose types contradict its own
/// meaning is wrong; one without a decomposition may be right.
struct Reason {
  std::string text;
  bool isContradiction = false;
};

class CompareFormsPass : public basin::impl::CompareFormsPassBase<CompareFormsPass> {
public:
  using CompareFormsPassBase::CompareFormsPassBase;
  void runOnOperation() override;

private:
  WhyNot checkPlace(Operation *op, unsigned id) const;
  FailureOr<SmallVector<Value>> means(Operation *op, OpBuilder &b, bool isExact, Reason &reason);
  LogicalResult compare(Operation *op);
  json::Array publish(ArrayRef<Value> values, unsigned id, StringRef side, OpBuilder &b);
  void addOutputs();
  void addMetadata();

  GraphOp graph;
  SmallVector<Value> outputs;
  json::Array descriptions;
};

} // namespace

static bool isFloatTensor(Type type) {
  auto tensor = dyn_cast<TensorType>(type);
  return tensor && isa<Float16Type, BFloat16Type, Float32Type>(tensor.getElementType());
}

static Type asDouble(Type type) {
  if (!isFloatTensor(type))
    return type;
  return cast<TensorType>(type).clone(Float64Type::get(type.getContext()));
}

/// The narrowest float of 16 bits or more that the form computes in: its roundings
/// are the form's own, where the decomposition has others.
static StringRef findPrecision(Region &form) {
  unsigned width = 64;
  StringRef name = "float64";
  auto look = [&](Type type) {
    auto tensor = dyn_cast<TensorType>(type);
    auto element = tensor ? dyn_cast<FloatType>(tensor.getElementType()) : FloatType();
    if (!element || element.getWidth() < 16)
      return;
    // bf16 keeps fewer bits than f16.
    unsigned bits = element.isBF16() ? 15 : element.getWidth();
    if (bits >= width)
      return;
    width = bits;
    name = bits == 15 ? "bfloat16" : bits == 16 ? "float16" : "float32";
  };
  form.walk([&](Operation *inner) {
    llvm::for_each(inner->getOperandTypes(), look);
    llvm::for_each(inner->getResultTypes(), look);
  });
  return name;
}

/// What a layer norm centres, in f64. A runtime's operator may take the variance
/// from the mean of squares, which loses the digits that the mean's square takes.
static Value makeCentred(sink::LayerNormOp op, OpBuilder &b) {
  NodeBuilder n(b, op.getLoc());
  Type wide = b.getF64Type();
  Value sum = n.cast(op.getX(), wide);
  for (Value more : {op.getResidual(), op.getResidualBias()})
    if (more)
      sum = n.node<AddOp>({sum, n.cast(more, wide)});
  return op.getPreAffine() ? n.node<MulOp>({sum, n.cast(op.getPreAffine(), wide)}) : sum;
}

/// Results that the decomposition has: without inner values of the form.
static unsigned countResults(Operation *op) {
  if (auto attention = dyn_cast<sink::AttentionOp>(op))
    return attention.getHasPresent() ? 3 : 1;
  return op->getNumResults();
}

/// Whether the op's meaning is to be read off its form's operator.
static bool needsForm(Operation *op) {
  auto attention = dyn_cast<sink::AttentionOp>(op);
  return attention && sink::AttentionParts(attention).needsForm();
}

/// The op over `operands`, without names, which the form's values keep, and without
/// a form, if it can do without.
static Operation *createBare(Operation *op, ValueRange operands, TypeRange results, OpBuilder &b) {
  OperationState state(op->getLoc(), op->getName(), operands, results,
                       llvm::to_vector(op->getDiscardableAttrs()));
  state.attributes.erase(kOutsAttr);
  state.propertiesAttr = op->getPropertiesAsAttribute();
  for (unsigned i = 0; i < op->getNumRegions(); ++i)
    state.addRegion();
  Operation *bare = b.create(state);
  if (!needsForm(op))
    return bare;
  IRMapping mapping;
  for (auto [from, to] : llvm::zip_equal(op->getRegions(), bare->getRegions()))
    from.cloneInto(&to, mapping);
  // It yields inner values, too.
  for (Region &form : bare->getRegions())
    for (Block &block : form)
      block.getTerminator()->eraseOperands(results.size(), block.getTerminator()->getNumOperands() -
                                                               results.size());
  return bare;
}

/// Rows of present keys and values in which no key stands have no meaning, and their
/// number is the operator's own: where the meaning has them, they are zeros.
static void keepUsedRows(sink::AttentionOp op, MutableArrayRef<Value> values,
                         ArrayRef<Value> meaning, OpBuilder &b) {
  if (!op || !op.getHasPresent() || !op.getLastKey())
    return;
  NodeBuilder n(b, op.getLoc());
  for (auto [present, meant] : llvm::zip_equal(values.slice(1, 2), meaning.slice(1, 2))) {
    present = n.slice(present, 2, n.constant({0}), n.dims(meant, 2, 3));
    present = sink::zeroUnusedRows(present, op.getLastKey(), n);
  }
}

/// Erases what was put before `op` after `last` (from the block's start if null).
static void eraseBack(Operation *op, Operation *last) {
  while (Operation *previous = op->getPrevNode()) {
    if (previous == last)
      return;
    previous->dropAllUses();
    previous->erase();
  }
}

/// Whether the op is one to compare, as far as its number and its place go.
WhyNot CompareFormsPass::checkPlace(Operation *op, unsigned id) const {
  if (only >= 0 && only != id)
    return "it was not asked for";
  Operation *parent = op->getParentOp();
  if (parent == graph)
    return std::nullopt;
  if (auto function = dyn_cast<FunctionOp>(parent))
    return ("it stands in function '" + function.getName() + "'").str();
  return "it stands in a subgraph";
}

/// The decomposition before `op`; a reason where there is none.
FailureOr<SmallVector<Value>> CompareFormsPass::means(Operation *op, OpBuilder &b, bool isExact,
                                                      Reason &reason) {
  Operation *last = op->getPrevNode();
  ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error && reason.text.empty())
      reason.text = diagnostic.str();
    return success();
  });
  NodeBuilder n(b, op->getLoc());
  SmallVector<Value> operands(op->getOperands());
  SmallVector<Type> types(op->getResults().take_front(countResults(op)).getTypes());
  if (isExact) {
    for (Value &operand : operands)
      if (isFloatTensor(operand.getType()))
        operand = n.cast(operand, b.getF64Type());
    for (Type &type : types)
      type = asDouble(type);
  }
  Operation *bare = createBare(op, operands, types, b);
  FailureOr<SmallVector<Value>> values = failure();
  reason.isContradiction = failed(mlir::verify(bare));
  if (!reason.isContradiction)
    values = cast<sink::DecomposableInterface>(bare).decompose(b);
  bare->erase();
  if (failed(values)) {
    eraseBack(op, last);
    if (reason.text.empty())
      reason.text = "it has no decomposition";
  }
  return values;
}

/// Outputs named after the op's number and the side.
json::Array CompareFormsPass::publish(ArrayRef<Value> values, unsigned id, StringRef side,
                                      OpBuilder &b) {
  json::Array names;
  for (auto [i, value] : llvm::enumerate(values)) {
    std::string name = llvm::formatv("basin.{0}.{1}.{2}", side, id, i);
    Value output = NodeBuilder(b, value.getLoc()).node<IdentityOp>({value});
    setValueName(cast<OpResult>(output), name);
    outputs.push_back(output);
    names.push_back(name);
  }
  return names;
}

LogicalResult CompareFormsPass::compare(Operation *op) {
  OpBuilder b(op);
  unsigned id = descriptions.size();
  json::Object entry{{"name", json::fixUTF8(sink::getResultName(op, 0))},
                     {"kind", op->getName().stripDialect()}};
  Reason reason, ignored;
  unsigned count = countResults(op);
  FailureOr<SmallVector<Value>> meaning = failure(), precise = failure();
  if (WhyNot why = checkPlace(op, id))
    reason.text = *why;
  else
    meaning = means(op, b, /*isExact=*/false, reason);
  if (succeeded(meaning) && exact)
    precise = means(op, b, /*isExact=*/true, ignored);
  if (failed(meaning)) {
    entry[reason.isContradiction ? "contradiction" : "reason"] = json::fixUTF8(reason.text);
    descriptions.push_back(std::move(entry));
    return replaceInline(op, b);
  }
  if (auto norm = dyn_cast<sink::LayerNormOp>(op); norm && succeeded(precise)) {
    entry["centred"] = publish(makeCentred(norm, b), id, "centred", b);
    entry["epsilon"] = norm.getEpsilon().convertToDouble();
  }
  entry["precision"] = findPrecision(cast<sink::RaisedInterface>(op).getFormRegion());
  FailureOr<SmallVector<Value>> form = lowerSinkOp(op, b);
  if (failed(form))
    return failure();
  SmallVector<Value> compared(ArrayRef(*form).take_front(count));
  keepUsedRows(dyn_cast<sink::AttentionOp>(op), compared, *meaning, b);
  entry["form"] = publish(compared, id, "form", b);
  entry["meaning"] = publish(*meaning, id, "meaning", b);
  if (succeeded(precise))
    entry["exact"] = publish(*precise, id, "exact", b);
  descriptions.push_back(std::move(entry));
  op->replaceAllUsesWith(*form);
  op->erase();
  return success();
}

/// Of no stated type: a runtime's own inference is not to be contradicted by ours.
void CompareFormsPass::addOutputs() {
  MLIRContext *ctx = &getContext();
  Operation *terminator = graph.getBody().front().getTerminator();
  terminator->insertOperands(terminator->getNumOperands(), outputs);
  GraphInfoAttr info = graph.getInfo();
  SmallVector<Attribute> list(info.getOutputs().begin(), info.getOutputs().end());
  for (Value output : outputs)
    list.push_back(ValueInfoAttr::get(ctx, StringAttr::get(ctx, getValueName(output)),
                                      UnknownType::get(ctx), DictionaryAttr::get(ctx)));
  graph.setInfoAttr(GraphInfoAttr::get(ctx, info.getInputs(), ArrayAttr::get(ctx, list),
                                       info.getValueInfo(), info.getInfo()));
}

void CompareFormsPass::addMetadata() {
  Builder b(&getContext());
  std::string text = llvm::formatv("{0}", json::Value(std::move(descriptions)));
  auto model = getOperation()->getAttrOfType<DictionaryAttr>(kModelAttr);
  SmallVector<Attribute> entries;
  NamedAttrList attrs;
  if (model) {
    attrs = NamedAttrList(model);
    if (auto old = model.getAs<ArrayAttr>("meta"))
      llvm::append_range(entries, old.getValue());
  }
  entries.push_back(b.getStrArrayAttr({kMetadata, text}));
  attrs.set("meta", b.getArrayAttr(entries));
  getOperation()->setAttr(kModelAttr, attrs.getDictionary(&getContext()));
}

void CompareFormsPass::runOnOperation() {
  auto graphs = getOperation().getOps<GraphOp>();
  if (!llvm::hasSingleElement(graphs))
    return;
  graph = *graphs.begin();
  outputs.clear();
  descriptions.clear();
  SmallVector<Operation *> ops;
  getOperation().walk<WalkOrder::PreOrder>([&](sink::RaisedInterface op) {
    if (!op.getFormRegion().empty())
      ops.push_back(op);
  });
  for (Operation *op : ops)
    if (failed(compare(op)))
      return signalPassFailure();
  addOutputs();
  addMetadata();
}
