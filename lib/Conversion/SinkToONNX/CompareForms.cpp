//===- CompareForms.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowers each raised op two or three times over the same operands: as its form, as its
// decomposition (what recognition takes the form to mean), and as its decomposition in f64. All
// results become outputs of the graph. An entry of metadata says which outputs belong together, or
// why an op has none to compare.
//
// The f64 values tell rounding from a wrong meaning. If the decomposition itself is far from them,
// the numbers are badly conditioned and not misread. An op inside another one's form is reached
// after that form was inlined.
//
//===----------------------------------------------------------------------===//

#include "LowerOp.h"
#include "WrittenSoftmax.h"

#include "basin/Conversion/SinkToONNX/Passes.h"
#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Imports.h"
#include "basin/Dialect/ONNX/Utils/Metadata.h"
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

/// Says why an op has no values to compare. If its types contradict its own meaning, recognition
/// was wrong. If it has no decomposition, it may be right.
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
  FailureOr<SmallVector<Value>> means(Operation *op, OpBuilder &b, bool isExact, Reason &reason,
                                      Value *largest = nullptr);
  LogicalResult compare(Operation *op);
  json::Array publish(ArrayRef<Value> values, unsigned id, StringRef side, OpBuilder &b);
  void addOutputs();

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

/// Returns the narrowest float type of 16 bits or more that the form computes in. The form may
/// differ by roundings of that type, because the decomposition rounds at other places.
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

/// Makes the readers of each pair of QuantizeLinear and DequantizeLinear in the form read the value
/// before it. Returns whether there is one.
static bool dropRounding(Region &form) {
  bool rounds = false;
  form.walk([&](DequantizeLinearOp dequantize) {
    auto quantize = dequantize.getX().getDefiningOp<QuantizeLinearOp>();
    if (!quantize || quantize->getParentRegion() != dequantize->getParentRegion())
      return;
    dequantize->getResult(0).replaceAllUsesWith(quantize.getX());
    rounds = true;
  });
  return rounds;
}

/// Returns the value that a layer norm centres, in f64. A runtime's operator may compute the
/// variance from the mean of squares, which loses as many digits as the square of the mean takes
/// up.
static Value makeCentred(sink::LayerNormOp op, OpBuilder &b) {
  NodeBuilder n(b, op.getLoc());
  Type wide = b.getF64Type();
  Value sum = n.cast(op.getX(), wide);
  for (Value more : {op.getResidual(), op.getResidualBias()})
    if (more)
      sum = n.node<AddOp>({sum, n.cast(more, wide)});
  return op.getPreAffine() ? n.node<MulOp>({sum, n.cast(op.getPreAffine(), wide)}) : sum;
}

/// Present keys and values may have rows without a key. Those rows have no meaning, and the
/// operator decides how many there are. The rows that the meaning has as well become zeros, and the
/// others are cut off.
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

/// Erases the ops between `last` and `op`, or from the start of the block if `last` is null.
static void eraseBack(Operation *op, Operation *last) {
  while (Operation *previous = op->getPrevNode()) {
    if (previous == last)
      return;
    previous->dropAllUses();
    previous->erase();
  }
}

/// Returns why the number or the place of the op prevents a comparison.
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

/// Returns the largest masked score of each row if the op adds something to its scores, or null. A
/// sum as large as -1e9, in a row that hides every key, leaves no digits of the scores. Neither do
/// the exponentials of a written softmax if they are below the normal range.
static Value makeLargestScores(Operation *op, OpBuilder &b) {
  auto attention = dyn_cast<sink::AttentionOp>(op);
  if (!attention || !(attention.getBias() || mayOverflow(attention) ||
                      attention.getMaskKind() == sink::MaskKind::additive))
    return {};
  FailureOr<Value> largest = sink::buildLargestScores(attention, b);
  return succeeded(largest) ? *largest : Value();
}

/// Puts the decomposition before `op` and returns its results. Sets `reason` if there is none, and
/// `largest`, if it is asked for, to the largest scores.
FailureOr<SmallVector<Value>> CompareFormsPass::means(Operation *op, OpBuilder &b, bool isExact,
                                                      Reason &reason, Value *largest) {
  Operation *last = op->getPrevNode();
  ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error && reason.text.empty())
      reason.text = diagnostic.str();
    return success();
  });
  NodeBuilder n(b, op->getLoc());
  SmallVector<Value> operands(op->getOperands());
  SmallVector<Type> types(op->getResults().take_front(countMeantResults(op)).getTypes());
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
  if (largest && succeeded(values))
    *largest = makeLargestScores(bare, b);
  bare->erase();
  if (failed(values)) {
    eraseBack(op, last);
    if (reason.text.empty())
      reason.text = "it has no decomposition";
  }
  return values;
}

/// Adds outputs named after the op's number and the side, and returns their names.
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
  Block &inside = cast<sink::RaisedInterface>(op).getFormRegion().front();
  if (auto node = dyn_cast<NodeInterface>(inside.front());
      node && inside.front().getNextNode() == inside.getTerminator() && node.getOpDomain().empty())
    entry["operator"] = json::fixUTF8(node.getOpType());
  Reason reason, ignored;
  unsigned count = countMeantResults(op);
  FailureOr<SmallVector<Value>> meaning = failure(), precise = failure();
  Value largest;
  if (WhyNot why = checkPlace(op, id))
    reason.text = *why;
  else
    meaning = means(op, b, /*isExact=*/false, reason);
  if (succeeded(meaning) && exact)
    precise = means(op, b, /*isExact=*/true, ignored, &largest);
  if (failed(meaning)) {
    entry[reason.isContradiction ? "contradiction" : "reason"] = json::fixUTF8(reason.text);
    descriptions.push_back(std::move(entry));
    return replaceInline(op, b);
  }
  if (auto norm = dyn_cast<sink::LayerNormOp>(op); norm && succeeded(precise)) {
    entry["centred"] = publish(makeCentred(norm, b), id, "centred", b);
    entry["epsilon"] = norm.getEpsilon().convertToDouble();
  }
  if (auto attention = dyn_cast<sink::AttentionOp>(op); attention && mayOverflow(attention))
    entry["overflows"] = true;
  if (largest)
    entry["largest"] = publish(largest, id, "largest", b);
  // What the op means is meant without rounding.
  entry["quantized"] = dropRounding(cast<sink::RaisedInterface>(op).getFormRegion());
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

/// Adds the outputs without types, so that our types cannot contradict the inference of a runtime.
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
  std::string text = llvm::formatv("{0}", json::Value(std::move(descriptions)));
  setMetadata(getOperation(), kMetadata, text);
  settleMadeOps(getOperation());
}
