//===- ScaleProof.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rewritten graph is walked in its order. A node whose output has the name of
// an output of the same operator in the original is that node, if its operands
// stand for the other's; a rule gives what its results differ by. Other nodes were
// put in: a Mul by powers of two changes the exponents of what it multiplies, an
// Add is what a Skip operator sums up. All else that was put in stands for nothing.
//
//===----------------------------------------------------------------------===//

#include "basin/Analysis/ScaleProof.h"

#include "Rules.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace {

/// What a value of the rewritten graph stands for.
struct Standing {
  Value origin;
  Scale scale;
  /// The sum inside of this Skip operator, of which `origin` is the output if it
  /// gives one; still without the operator's bias where it lacks that.
  Operation *sumOf = nullptr;
  bool lacksBias = false;
};

class ScaleProof {
public:
  WhyNot prove(ModuleOp before, ModuleOp after);

private:
  WhyNot proveBlocks(Block &before, Block &after);
  void proveNode(Operation *after);
  std::string explain(Value after, StringRef otherwise) const;
  WhyNot proveSame(Operation *before, Operation *after);
  WhyNot proveRegions(Operation *before, Operation *after);
  WhyNot proveOutputs(Operation *before, Operation *after);
  void takeProduct(MulOp mul);
  void takeSum(AddOp add);
  bool isSkipOfSum(Operation *before, Operation *after);
  Operation *findPartner(Operation *after) const;
  std::optional<Standing> standing(Value after) const;
  std::optional<Scale> relate(Value before, Value after) const;

  DenseMap<Value, Standing> known;
  /// Why a value stands for nothing, where a node of both models is the reason.
  DenseMap<Value, std::string> reasons;
  /// Values of the original, by name: those of the graphs around the one at hand.
  llvm::StringMap<Value> originals;
  DenseMap<std::pair<Value, Value>, Operation *> skips;
};

} // namespace

static std::string quote(StringRef name) { return ("'" + name + "'").str(); }

static bool isSkip(Operation *op) {
  return isa<MSSkipLayerNormalizationOp, MSSkipSimplifiedLayerNormalizationOp>(op);
}

static unsigned getSkipBiasIndex(Operation *skip) {
  return isa<MSSkipLayerNormalizationOp>(skip) ? 4 : 3;
}

/// What `after` stands for; a constant for the original's of its name.
std::optional<Standing> ScaleProof::standing(Value after) const {
  if (auto it = known.find(after); it != known.end())
    return it->second;
  if (!isConstantOp(after))
    return std::nullopt;
  Value before = originals.lookup(getValueName(after));
  std::optional<Scale> scale =
      before && isConstantOp(before) ? compareConstants(before, after) : std::nullopt;
  return scale ? std::optional(Standing{before, *scale}) : std::nullopt;
}

/// The exponents by which two operands differ that stand for each other.
std::optional<Scale> ScaleProof::relate(Value before, Value after) const {
  if (auto it = known.find(after); it != known.end())
    return it->second.origin == before ? std::optional(it->second.scale) : std::nullopt;
  if (isConstantOp(before) && isConstantOp(after))
    return compareConstants(before, after);
  return std::nullopt;
}

Operation *ScaleProof::findPartner(Operation *after) const {
  for (Value result : after->getResults()) {
    Value before = originals.lookup(getValueName(result));
    Operation *op = before ? before.getDefiningOp() : nullptr;
    auto index = op ? cast<OpResult>(before).getResultNumber() : 0;
    if (op && op->getName() == after->getName() && op->getNumResults() == after->getNumResults() &&
        index == cast<OpResult>(result).getResultNumber())
      return op;
  }
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Nodes that were put in
//===----------------------------------------------------------------------===//

/// Whether a product with powers of two has the shape of `value` for certain.
static bool keepsShape(Value value, Value product, const Scale &factor) {
  TensorInfo from = getTensorInfo(value), to = getTensorInfo(product);
  if (!from.hasRank() || !to.hasRank() || from.rank() != to.rank())
    return false;
  return factor.isUniform() || from[from.rank() - 1].is(factor.size());
}

void ScaleProof::takeProduct(MulOp mul) {
  for (unsigned i : {0u, 1u}) {
    std::optional<Standing> value = standing(mul->getOperand(i));
    std::optional<Scale> factor = isConstantOp(mul->getOperand(1 - i))
                                      ? getPowersOfTwo(mul->getOperand(1 - i))
                                      : std::nullopt;
    std::optional<Scale> product =
        value && factor ? Scale::combine(value->scale, *factor) : std::nullopt;
    if (!product || !keepsShape(mul->getOperand(i), mul->getResult(0), *factor))
      continue;
    known.insert({mul->getResult(0), {value->origin, *product, value->sumOf, value->lacksBias}});
    return;
  }
}

void ScaleProof::takeSum(AddOp add) {
  std::optional<Standing> a = standing(add.getA()), b = standing(add.getB());
  std::optional<Scale> both = a && b ? Scale::meet(a->scale, b->scale) : std::nullopt;
  if (!both)
    return;
  Operation *skip = nullptr;
  bool lacksBias = false;
  if (a->sumOf && a->lacksBias) {
    if (getInputOrNull(a->sumOf, getSkipBiasIndex(a->sumOf)) == b->origin)
      skip = a->sumOf;
  } else {
    skip = skips.lookup({a->origin, b->origin});
    lacksBias = skip && getInputOrNull(skip, getSkipBiasIndex(skip));
  }
  if (!skip)
    return;
  constexpr unsigned kSum = 3;
  Value origin = lacksBias ? Value() : getOutputOrNull(skip, kSum);
  known.insert({add->getResult(0), {origin, *both, skip, lacksBias}});
}

/// A Skip operator that got its own sum for x, and zeros for its skip and bias.
bool ScaleProof::isSkipOfSum(Operation *before, Operation *after) {
  auto it = known.find(after->getOperand(0));
  if (it == known.end() || it->second.sumOf != before || it->second.lacksBias ||
      !it->second.scale.isNone() || !isZero(after->getOperand(1)))
    return false;
  unsigned bias = getSkipBiasIndex(before);
  if (getInputOrNull(after, bias))
    return false;
  for (unsigned i = 2; i < bias; ++i) {
    Value a = getInputOrNull(before, i), b = getInputOrNull(after, i);
    std::optional<Scale> scale = a && b ? relate(a, b) : std::nullopt;
    if ((a || b) && !(scale && scale->isNone()))
      return false;
  }
  return cast<NodeInterface>(before).getNodeAttrs() == cast<NodeInterface>(after).getNodeAttrs();
}

//===----------------------------------------------------------------------===//
// Nodes of both
//===----------------------------------------------------------------------===//

WhyNot ScaleProof::proveSame(Operation *before, Operation *after) {
  NodePair pair{before, after, {}};
  std::string name = quote(getNodeName(after));
  if (before->getNumOperands() != after->getNumOperands())
    return "node " + name + " has another number of operands than before";
  for (auto [i, a, b] : llvm::enumerate(before->getOperands(), after->getOperands())) {
    bool isAbsent = !getInputOrNull(before, i);
    if (isAbsent != !getInputOrNull(after, i))
      return "operand " + std::to_string(i) + " of node " + name + " is absent in one of the two";
    // A rule compares what is in a constant, of a matrix in either direction.
    bool isMatrix = i == 1 && isa<MatMulOp>(after) && getTransposed(a) && getTransposed(b);
    if (isAbsent || (isConstantOp(a) && isConstantOp(b)) || isMatrix) {
      pair.operands.push_back(std::nullopt);
      continue;
    }
    std::optional<Scale> scale = relate(a, b);
    if (!scale)
      return explain(b, "operand " + std::to_string(i) + " of node " + name +
                            " is not proven to be the original times powers of two");
    pair.operands.push_back(scale);
  }
  ScaleResults results = applyRule(pair);
  if (!results)
    return "node " + name + " (" + cast<NodeInterface>(after).getOpType().str() +
           ") cannot take the scales of its operands";
  if (WhyNot why = proveRegions(before, after))
    return why;
  for (auto [a, b, scale] : llvm::zip_equal(before->getResults(), after->getResults(), *results))
    known.insert({b, {a, scale}});
  return std::nullopt;
}

WhyNot ScaleProof::proveRegions(Operation *before, Operation *after) {
  if (before->getNumRegions() != after->getNumRegions())
    return "node " + quote(getNodeName(after)) + " has another number of subgraphs than before";
  for (auto [a, b] : llvm::zip_equal(before->getRegions(), after->getRegions()))
    if (WhyNot why = proveBlocks(a.front(), b.front()))
      return why;
  return std::nullopt;
}

std::string ScaleProof::explain(Value after, StringRef otherwise) const {
  auto it = reasons.find(after);
  return it != reasons.end() ? it->second : otherwise.str();
}

/// A node that stands for nothing matters only where an output depends on it.
void ScaleProof::proveNode(Operation *after) {
  if (!isa<NodeInterface>(after) || isa<ConstantOp>(after))
    return;
  if (Operation *before = findPartner(after)) {
    if (isSkip(before) && isSkipOfSum(before, after)) {
      known.insert({after->getResult(0), {before->getResult(0), Scale()}});
      return;
    }
    if (WhyNot why = proveSame(before, after))
      for (Value result : after->getResults())
        reasons[result] = *why;
    return;
  }
  if (auto mul = dyn_cast<MulOp>(after))
    takeProduct(mul);
  else if (auto add = dyn_cast<AddOp>(after))
    takeSum(add);
}

WhyNot ScaleProof::proveOutputs(Operation *before, Operation *after) {
  if (before->getNumOperands() != after->getNumOperands())
    return "there is another number of outputs than before";
  for (auto [i, a, b] : llvm::enumerate(before->getOperands(), after->getOperands())) {
    std::optional<Scale> scale = relate(a, b);
    std::string name = quote(getValueName(a));
    if (!scale)
      return explain(b, "output " + name + " is not proven to equal the original");
    if (!scale->isNone())
      return "output " + name + " is scaled by powers of two";
  }
  return std::nullopt;
}

WhyNot ScaleProof::proveBlocks(Block &before, Block &after) {
  // Sibling subgraphs may use the same names: each takes its own back.
  SmallVector<std::pair<StringRef, Value>> hidden;
  if (before.getNumArguments() != after.getNumArguments())
    return "a graph has another number of inputs than before";
  for (auto [a, b] : llvm::zip_equal(before.getArguments(), after.getArguments()))
    known.insert({b, {a, Scale()}});
  for (Operation &op : before) {
    for (Value result : op.getResults())
      if (StringRef name = getValueName(result); !name.empty())
        hidden.push_back({name, std::exchange(originals[name], result)});
    if (isSkip(&op))
      skips.insert({{op.getOperand(0), op.getOperand(1)}, &op});
  }
  WhyNot why;
  for (Operation &op : after)
    if (isa<ReturnOp>(op))
      why = proveOutputs(before.getTerminator(), &op);
    else
      proveNode(&op);
  for (auto [name, value] : llvm::reverse(hidden))
    originals[name] = value;
  return why;
}

WhyNot ScaleProof::prove(ModuleOp before, ModuleOp after) {
  auto graph = [](ModuleOp module) -> GraphOp {
    auto graphs = module.getOps<GraphOp>();
    return graphs.empty() ? GraphOp() : *graphs.begin();
  };
  GraphOp a = graph(before), b = graph(after);
  if (!a || !b)
    return "expected a main graph in both models";
  // Calls are nodes without a rule: what they call must be what it was.
  SymbolTable functions(before);
  for (FunctionOp function : after.getOps<FunctionOp>()) {
    auto same = functions.lookup<FunctionOp>(function.getSymName());
    if (!same || !OperationEquivalence::isEquivalentTo(
                     same, function, OperationEquivalence::Flags::IgnoreLocations))
      return "function " + quote(function.getName()) + " differs from the original";
  }
  return proveBlocks(a.getBody().front(), b.getBody().front());
}

WhyNot basin::findScaleMismatch(ModuleOp before, ModuleOp after) {
  return ScaleProof().prove(before, after);
}
