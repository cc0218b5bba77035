//===- RaiseOpset.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Raises the version of ai.onnx that a model imports. A table has, for each operator, the oldest
// version that means what versions 23 to 25 mean. Later versions only took more types, or have
// attributes and operands whose absence is the older meaning (test_opset_table.py compares the
// schemas). Reductions took their axes as an attribute before version 18, and Split needs the
// number of its outputs since then; both are rewritten. Other operators are not raised.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/RaiseOpset.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Functions.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace {
struct OpsetEntry {
  llvm::StringLiteral op;
  /// The oldest version with the meaning of version 25.
  int64_t since;
};
} // namespace

// The test reads this table.
static constexpr OpsetEntry kSameMeaning[] = {
    {"Abs", 7},
    {"Add", 7},
    {"And", 7},
    {"ArgMax", 12},
    {"ArgMin", 12},
    {"Attention", 23},
    {"BitwiseAnd", 18},
    {"BitwiseNot", 18},
    {"BitwiseOr", 18},
    {"BitwiseXor", 18},
    {"Cast", 13},
    {"Ceil", 7},
    {"Clip", 11},
    {"Concat", 7},
    {"Constant", 12},
    {"ConstantOfShape", 9},
    {"Conv", 7},
    {"Cos", 7},
    {"CumSum", 11},
    {"DequantizeLinear", 13},
    {"Div", 7},
    {"Dropout", 12},
    {"DynamicQuantizeLinear", 11},
    {"Einsum", 12},
    {"Elu", 7},
    {"Equal", 7},
    {"Erf", 9},
    {"Exp", 7},
    {"Expand", 8},
    {"Flatten", 7},
    {"Floor", 7},
    {"Gather", 7},
    {"GatherElements", 11},
    {"GatherND", 12},
    {"Gelu", 20},
    {"Gemm", 11},
    {"Greater", 7},
    {"GreaterOrEqual", 12},
    {"Identity", 7},
    {"If", 7},
    {"IsInf", 10},
    {"IsNaN", 9},
    {"LayerNormalization", 17},
    {"LeakyRelu", 7},
    {"Less", 7},
    {"LessOrEqual", 12},
    {"Log", 7},
    {"LogSoftmax", 13},
    {"MatMul", 7},
    {"MatMulInteger", 10},
    {"Max", 7},
    {"Mean", 7},
    {"Min", 7},
    {"Mod", 10},
    {"Mul", 7},
    {"Neg", 7},
    {"NonZero", 9},
    {"Not", 7},
    {"Or", 7},
    {"Pad", 13},
    {"Pow", 7},
    {"QLinearMatMul", 10},
    {"QuantizeLinear", 13},
    {"RMSNormalization", 23},
    {"Range", 11},
    {"Reciprocal", 7},
    {"ReduceL2", 13},
    {"ReduceLogSumExp", 18},
    {"ReduceMax", 13},
    {"ReduceMean", 13},
    {"ReduceMin", 13},
    {"ReduceProd", 13},
    {"ReduceSum", 13},
    {"ReduceSumSquare", 13},
    {"Relu", 7},
    {"Reshape", 13},
    {"RotaryEmbedding", 23},
    {"Round", 11},
    {"ScatterElements", 13},
    {"ScatterND", 13},
    {"Shape", 13},
    {"Sigmoid", 7},
    {"Sign", 9},
    {"Sin", 7},
    {"Size", 13},
    {"Slice", 10},
    {"Softmax", 13},
    {"Softplus", 7},
    {"Softsign", 7},
    {"Split", 13},
    {"Sqrt", 7},
    {"Squeeze", 13},
    {"Sub", 7},
    {"Sum", 7},
    {"Tanh", 7},
    {"Tile", 7},
    {"TopK", 11},
    {"Transpose", 7},
    {"Trilu", 14},
    {"Unsqueeze", 13},
    {"Where", 9},
    {"Xor", 7},
};

/// The first version of the file format that comes with an opset (onnx.helper.VERSION_TABLE).
static constexpr int64_t kFormats[][2] = {{19, 9}, {21, 10}, {23, 11}, {24, 12}, {25, 13}};

/// Operators whose axes are an operand since version 18.
static constexpr llvm::StringLiteral kReductions[] = {"ReduceMean", "ReduceMax", "ReduceMin",
                                                      "ReduceProd", "ReduceL2",  "ReduceSumSquare"};

static bool isStandardDomain(StringRef domain) { return domain.empty() || domain == "ai.onnx"; }

static bool isReduction(StringRef type) { return llvm::is_contained(kReductions, type); }

/// Returns whether an Attention hides the same keys in opsets 23 and 25. For one query and several
/// new keys, ONNX Runtime 1.32 hides none of them in opset 25.
static bool hidesAlike(AttentionOp op) {
  TensorInfo query = getTensorInfo(op.getQ()), key = getTensorInfo(op.getK());
  auto isKnown = [](const TensorInfo &info) { return info.hasRank() && info.rank() >= 3; };
  return op.getIsCausal().value_or(0) == 0 ||
         (isKnown(query) && isKnown(key) &&
          query[query.rank() - 2].provablyEquals(key[key.rank() - 2]));
}

/// Returns why the node of `version` may mean something else in `opset`.
static WhyNot checkNode(NodeInterface node, int64_t version, int64_t opset) {
  StringRef type = node.getOpType();
  std::string name = ("node '" + getNodeName(node) + "'").str();
  // ONNX Runtime registers these operators in ai.onnx of any version, with one meaning.
  if (isa<SimplifiedLayerNormalizationOp, LayerNormalizationOp>(node))
    return std::nullopt;
  const auto *entry =
      llvm::find_if(kSameMeaning, [&](const OpsetEntry &e) { return e.op == type; });
  if (entry == std::end(kSameMeaning) || version < entry->since)
    return (name + ": " + type + " of opset " + Twine(version) +
            " is not known to mean the same in opset " + Twine(opset))
        .str();
  if (auto attention = dyn_cast<AttentionOp>(*node); attention && !hidesAlike(attention))
    return (name +
            ": its numbers of queries and keys are not known to be equal, and is_causal of " +
            "opset " + Twine(version) + " may hide other keys in opset " + Twine(opset))
        .str();
  if ((isReduction(type) || type == "Split") && isa<NodeOp>(node))
    return (name + ": its attributes are not those of " + type).str();
  return std::nullopt;
}

/// Writes the node as versions 23 and later do.
static void adapt(NodeInterface node, int64_t version) {
  if (version >= 18)
    return;
  Operation *op = node;
  OpBuilder b(op);
  if (node.getOpType() == "Split" && op->getNumOperands() == 1) {
    op->setAttr("num_outputs", b.getI64IntegerAttr(op->getNumResults()));
    return;
  }
  auto axes = op->getAttrOfType<DenseI64ArrayAttr>("axes");
  if (!isReduction(node.getOpType()) || !axes)
    return;
  op->insertOperands(1, NodeBuilder(b, op->getLoc()).constant(axes.asArrayRef()));
  op->removeAttr("axes");
}

static int64_t findVersion(ArrayAttr opsets) {
  for (Attribute one : opsets ? opsets.getValue() : ArrayRef<Attribute>()) {
    auto entry = cast<DictionaryAttr>(one);
    auto domain = entry.getAs<StringAttr>("domain");
    auto version = entry.getAs<IntegerAttr>("version");
    if (version && (!domain || isStandardDomain(domain.getValue())))
      return version.getInt();
  }
  return 0;
}

static ArrayAttr withVersion(Builder &b, ArrayAttr opsets, int64_t opset) {
  SmallVector<Attribute> entries;
  for (auto entry : opsets.getAsRange<DictionaryAttr>()) {
    auto domain = entry.getAs<StringAttr>("domain");
    auto version = entry.getAs<IntegerAttr>("version");
    NamedAttrList attrs(entry);
    if (version && version.getInt() < opset && (!domain || isStandardDomain(domain.getValue())))
      attrs.set("version", b.getI64IntegerAttr(opset));
    entries.push_back(attrs.getDictionary(b.getContext()));
  }
  return b.getArrayAttr(entries);
}

WhyNot basin::raiseOpset(ModuleOp module, int64_t opset) {
  auto model = module->getAttrOfType<DictionaryAttr>(kModelAttr);
  auto opsets = model ? model.getAs<ArrayAttr>("opset_import") : ArrayAttr();
  if (!opsets || findVersion(opsets) == 0)
    return "it imports no version of ai.onnx";
  FunctionTable functions(module);
  SmallVector<std::pair<NodeInterface, int64_t>> older;
  WhyNot why;
  module.walk([&](NodeInterface node) {
    int64_t version = getOpsetVersion(node);
    if (why || !isStandardDomain(node.getOpDomain()) || version >= opset || functions.lookup(node))
      return;
    why = checkNode(node, version, opset);
    older.push_back({node, version});
  });
  if (why)
    return why;
  for (auto [node, version] : older)
    adapt(node, version);
  Builder b(module.getContext());
  for (auto function : module.getOps<FunctionOp>())
    if (ArrayAttr own = function.getOpsets())
      function.setOpsetsAttr(withVersion(b, own, opset));
  NamedAttrList attrs(model);
  attrs.set("opset_import", withVersion(b, opsets, opset));
  auto format = model.getAs<IntegerAttr>("ir_version");
  for (auto [since, needed] : kFormats)
    if (format && opset >= since && format.getInt() < needed)
      attrs.set("ir_version", b.getI64IntegerAttr(needed));
  module->setAttr(kModelAttr, attrs.getDictionary(module.getContext()));
  return std::nullopt;
}
