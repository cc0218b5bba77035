//===- ScaleProof.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The proof walks the rewritten graph in its order. A node is the same as in the original if it has
// the same operator, the name of one of its outputs is that of the original's, and its operands
// stand for the original's operands. A rule then gives the exponents by which its results differ.
// All other nodes were inserted. A Mul by powers of two changes the exponents of its other operand,
// as does a Mul by a gate whose last matrix is zero. An Add may be the sum that a Skip operator of
// the original computes inside. Any other inserted node stands for nothing.
//
//===----------------------------------------------------------------------===//

#include "basin/Analysis/ScaleProof.h"

#include "Rules.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace {

/// The value of the original that a value of the rewritten graph stands for.
struct Standing {
  Value origin;
  Scale scale;
  /// Set for a sum that this Skip operator of the original computes inside. `origin` is the
  /// operator's output of that sum, or null if it has none. While `lacksBias`, the operator's bias
  /// is still to be added, and `origin` is null.
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
  Value findOriginal(StringRef name) const;
  Operation *findPartner(Operation *after) const;
  std::optional<Standing> standing(Value after) const;
  std::optional<Scale> relate(Value before, Value after) const;

  DenseMap<Value, Standing> known;
  /// Says why a value stands for nothing, if its node is in both models.
  DenseMap<Value, std::string> reasons;
  /// The values of the original by name, in the graph at hand and those around it.
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

/// Returns what `after` stands for. A constant stands for the original's constant of its name.
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

/// Returns the exponents by which `after` differs from `before`, or nothing if it does not stand
/// for `before`.
std::optional<Scale> ScaleProof::relate(Value before, Value after) const {
  if (auto it = known.find(after); it != known.end())
    return it->second.origin == before ? std::optional(it->second.scale) : std::nullopt;
  if (isConstantOp(before) && isConstantOp(after))
    return compareConstants(before, after);
  return std::nullopt;
}

/// Returns the original's value of this name. A product with a gate takes the name of the attention
/// that it follows, and the attention's result has the name `kUngated` behind its own.
Value ScaleProof::findOriginal(StringRef name) const {
  constexpr StringLiteral kUngated = "_ungated";
  Value found = originals.lookup(name);
  return !found && name.consume_back(kUngated) ? originals.lookup(name) : found;
}

Operation *ScaleProof::findPartner(Operation *after) const {
  for (Value result : after->getResults()) {
    Value before = findOriginal(getValueName(result));
    Operation *op = before ? before.getDefiningOp() : nullptr;
    auto index = op ? cast<OpResult>(before).getResultNumber() : 0;
    if (op && op->getName() == after->getName() && op->getNumResults() == after->getNumResults() &&
        index == cast<OpResult>(result).getResultNumber())
      return op;
  }
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Nodes that were inserted
//===----------------------------------------------------------------------===//

/// Returns the exponent of a gate that is the same power of two for every input: sigmoid(x W),
/// where all elements of W are zero, or twice that, in any shape. Returns nothing for other values.
static std::optional<int> getGateExponent(Value factor) {
  int exponent = -1;
  constexpr unsigned kMaxSteps = 8;
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    Operation *op = factor.getDefiningOp();
    if (isa_and_nonnull<SigmoidOp>(op)) {
      auto product = op->getOperand(0).getDefiningOp<MatMulOp>();
      return product && isZero(product->getOperand(1)) ? std::optional(exponent) : std::nullopt;
    }
    auto cast = dyn_cast_or_null<CastOp>(op);
    if (auto mul = dyn_cast_or_null<MulOp>(op); mul && getConstantScalar(mul.getB()) == 2.0)
      ++exponent;
    else if (!isa_and_nonnull<ReshapeOp, TransposeOp, UnsqueezeOp, ExpandOp>(op) &&
             !(cast && isScalable(getTensorInfo(cast->getResult(0)).element)))
      return std::nullopt;
    factor = op->getOperand(0);
  }
  return std::nullopt;
}

/// Returns whether the two are proven to have the same shape.
static bool isSameShape(Value a, Value b) {
  TensorInfo x = getTensorInfo(a), y = getTensorInfo(b);
  if (!x.hasRank() || !y.hasRank() || x.rank() != y.rank())
    return false;
  for (auto [i, j] : llvm::zip_equal(*x.dims, *y.dims))
    if (!i.provablyEquals(j))
      return false;
  return true;
}

/// Returns whether a product of `value` with powers of two is proven to have the shape of `value`.
static bool keepsShape(Value value, Value product, const Scale &factor) {
  TensorInfo from = getTensorInfo(value), to = getTensorInfo(product);
  if (!from.hasRank() || !to.hasRank() || from.rank() != to.rank())
    return false;
  return factor.isUniform() || from[from.rank() - 1].is(factor.size());
}

void ScaleProof::takeProduct(MulOp mul) {
  for (unsigned i : {0u, 1u}) {
    std::optional<Standing> value = standing(mul->getOperand(i));
    Value other = mul->getOperand(1 - i);
    std::optional<Scale> factor;
    if (isConstantOp(other))
      factor = getPowersOfTwo(other);
    else if (std::optional<int> exponent = getGateExponent(other);
             exponent && isSameShape(mul->getOperand(i), mul->getResult(0)))
      factor = Scale(*exponent);
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

/// Returns whether `after` is this Skip operator with its own sum as x, zeros as its skip, and no
/// bias. It then gives the same result.
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
// Nodes of both models
//===----------------------------------------------------------------------===//

WhyNot ScaleProof::proveSame(Operation *before, Operation *after) {
  NodePair pair{before, after, {}};
  std::string name = quote(getNodeName(after));
  if (before->getNumOperands() != after->getNumOperands())
    return "node " + name + " does not have as many operands as before";
  for (auto [i, a, b] : llvm::enumerate(before->getOperands(), after->getOperands())) {
    bool isAbsent = !getInputOrNull(before, i);
    if (isAbsent != !getInputOrNull(after, i))
      return "operand " + std::to_string(i) + " of node " + name +
             " is absent in one of the two models";
    // Rules compare the data of constants themselves, and those of a transposed weight.
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
    return "node " + quote(getNodeName(after)) + " does not have as many subgraphs as before";
  for (auto [a, b] : llvm::zip_equal(before->getRegions(), after->getRegions()))
    if (WhyNot why = proveBlocks(a.front(), b.front()))
      return why;
  return std::nullopt;
}

std::string ScaleProof::explain(Value after, StringRef otherwise) const {
  auto it = reasons.find(after);
  return it != reasons.end() ? it->second : otherwise.str();
}

/// Records why a node stands for nothing. This is no failure unless an output depends on the node.
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
    return "a graph does not have as many outputs as before";
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
  // Sibling subgraphs may use the same names, so each one restores the names that it hides.
  SmallVector<std::pair<StringRef, Value>> hidden;
  if (before.getNumArguments() != after.getNumArguments())
    return "a graph does not have as many inputs as before";
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
  // Rules do not look into the functions that are called, so the functions must be equal.
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
