//===- Recurrences.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   s[t + 1] = d[t] * s[t] + i[t]
//
// An exporter unrolls the loop over tokens if their number is fixed. Then each step is an Add of a
// Mul, which reads the step before. What makes it a recurrence over tokens is that step t reads
// position t of one tensor: a chain of additions to a residual stream does not. In a Loop or Scan,
// the state is an argument of the body, and the token is what the loop counts or scans.
//
// In RWKV d[t] = exp(m[t] - max(m[t], k[t])), where the maximum runs, too. A state that is summed
// over one of its axes at each token, with weights of that token, is that of a selective scan. If
// each step adds a product of two vectors, it is linear attention.
//
//===----------------------------------------------------------------------===//

#include "MixerParts.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

namespace {
/// One step: `sum = decay * state + input`.
struct Step {
  AddOp sum;
  Value decay, state, input;
};
} // namespace

/// Returns the ways in which `add` can be a step. Which factor is the state shows in the chain.
static SmallVector<Step, 4> matchSteps(AddOp add) {
  SmallVector<Step, 4> out;
  for (unsigned i : {0u, 1u})
    if (auto product = skipViews(add->getOperand(i)).getDefiningOp<MulOp>())
      for (unsigned k : {0u, 1u})
        out.push_back(
            {add, product->getOperand(1 - k), product->getOperand(k), add->getOperand(1 - i)});
  return out;
}

/// Returns whether `value` is exp(a - max(..)).
static bool isStabilized(Value value) {
  auto exp = skipViews(value).getDefiningOp<ExpOp>();
  auto sub = exp ? skipViews(exp->getOperand(0)).getDefiningOp<SubOp>() : SubOp();
  return sub && isa_and_nonnull<MaxOp>(skipViews(sub->getOperand(1)).getDefiningOp());
}

static bool isContraction(Operation *op) { return isa<MatMulOp, EinsumOp, MSFusedMatMulOp>(op); }

/// Returns whether the state is an operand of a product, or of a Mul that is summed.
static bool isContracted(Value state) {
  SmallVector<Value> work{state};
  for (unsigned i = 0; i < 16 && i < work.size(); ++i)
    for (Operation *user : work[i].getUsers()) {
      if (isContraction(user))
        return true;
      if (isElementView(user) && user->getOperand(0) == work[i])
        work.push_back(user->getResult(0));
      if (isa<MulOp>(user) && llvm::any_of(user->getResult(0).getUsers(),
                                           [](Operation *next) { return isa<ReduceSumOp>(next); }))
        return true;
    }
  return false;
}

/// Returns whether `value` is the product of a column and a row.
static bool isOuterProduct(Value value) {
  Operation *def = skipViews(value).getDefiningOp();
  if (auto product = dyn_cast_or_null<MulOp>(def))
    // A rate may scale the product.
    return llvm::any_of(product->getOperands(), [](Value factor) {
      Operation *inner = skipViews(factor).getDefiningOp();
      return isa_and_nonnull<MatMulOp, EinsumOp>(inner);
    });
  return isa_and_nonnull<MatMulOp, EinsumOp>(def);
}

static StringRef kindOf(Value decay, Value input, bool contracted) {
  if (decay && isStabilized(decay))
    return "wkv";
  if (!contracted)
    return "linear_recurrence";
  return isOuterProduct(input) ? "linear_attention" : "selective_scan";
}

//===----------------------------------------------------------------------===//
// Unrolled loops
//===----------------------------------------------------------------------===//

namespace {
/// A tensor and an axis, on which Gathers take positions.
using Place = std::pair<Value, int64_t>;

class ChainFinder {
public:
  ChainFinder(Block &block, SmallVectorImpl<Mixer> &mixers) : block(block), mixers(mixers) {}
  void find();

private:
  void link(AddOp add);
  void report(ArrayRef<Step> chain);

  Block &block;
  SmallVectorImpl<Mixer> &mixers;
  /// The longest chain that ends with an Add: its last step, and the number of steps.
  DenseMap<Operation *, Step> lastStep;
  DenseMap<Operation *, unsigned> lengths;
  /// The last decays of weighted means.
  DenseSet<Value> decays;
};
} // namespace

/// Collects the constant positions that `value` reads, up to an Add of the chain.
static void collectPlaces(Value value, const llvm::SmallPtrSetImpl<Operation *> &chain,
                          DenseMap<Place, SmallVector<int64_t, 2>> &places) {
  llvm::SmallPtrSet<Operation *, 16> seen;
  SmallVector<Operation *> work{value.getDefiningOp()};
  for (unsigned i = 0; i < 48 && i < work.size(); ++i) {
    Operation *op = work[i];
    if (!op || chain.contains(op) || !seen.insert(op).second)
      continue;
    if (auto gather = dyn_cast<GatherOp>(op)) {
      auto index = getConstantInts(gather.getIndices());
      if (index && index->size() == 1)
        places[{gather.getData(), gather.getAxis().value_or(0)}].push_back(index->front());
      continue;
    }
    if (isElementView(op) || isa<MulOp, AddOp, SubOp, ExpOp, MaxOp, NegOp, MatMulOp>(op))
      for (Value operand : op->getOperands())
        work.push_back(operand.getDefiningOp());
  }
}

/// Returns how many steps, from the first one, read consecutive positions of one tensor on one
/// axis.
/// `sums` are the Adds of all steps.
static size_t countTokens(ArrayRef<Step> chain, const llvm::SmallPtrSetImpl<Operation *> &sums) {
  // The first position that each tensor could have been read at.
  DenseMap<Place, llvm::SmallDenseSet<int64_t, 4>> firsts;
  for (auto [t, step] : llvm::enumerate(chain)) {
    DenseMap<Place, SmallVector<int64_t, 2>> places;
    collectPlaces(step.decay, sums, places);
    collectPlaces(step.input, sums, places);
    DenseMap<Place, llvm::SmallDenseSet<int64_t, 4>> kept;
    for (auto &[place, positions] : places)
      for (int64_t position : positions) {
        int64_t first = position - static_cast<int64_t>(t);
        auto it = firsts.find(place);
        if (t == 0 || (it != firsts.end() && it->second.contains(first)))
          kept[place].insert(first);
      }
    if (kept.empty())
      return t;
    firsts = std::move(kept);
  }
  return chain.size();
}

/// Extends the longest chain that ends with what `add` reads.
void ChainFinder::link(AddOp add) {
  unsigned longest = 0;
  for (const Step &step : matchSteps(add)) {
    Operation *before = skipViews(step.state).getDefiningOp();
    unsigned length = 1 + lengths.lookup(before);
    if (length > longest) {
      longest = length;
      lastStep[add] = step;
    }
  }
  if (longest > 0)
    lengths[add] = longest;
}

void ChainFinder::report(ArrayRef<Step> chain) {
  Step last = chain.back();
  bool contracted =
      llvm::all_of(chain, [](Step step) { return isContracted(step.sum.getResult()); });
  StringRef kind = kindOf(last.decay, last.input, contracted);
  // The weights' sum has the same decay as the weighted sum, and comes after it.
  if (kind == "wkv" && !decays.insert(last.decay).second)
    return;
  mixers.push_back({last.sum, last.sum.getResult(), kind, "unrolled", true, {}, false});
}

void ChainFinder::find() {
  SmallVector<AddOp> adds(block.getOps<AddOp>());
  for (AddOp add : adds)
    link(add);
  llvm::erase_if(adds, [&](AddOp add) { return lengths.lookup(add) < 2; });
  llvm::sort(adds, [&](AddOp a, AddOp b) {
    unsigned first = lengths.lookup(a), second = lengths.lookup(b);
    return first != second ? first > second : a->isBeforeInBlock(b);
  });
  // What is read of a state may be a sum like a step. The longest chain has all states, so it takes
  // them first. Each Add is in one chain, which keeps the time linear.
  DenseSet<Operation *> taken;
  for (AddOp add : adds) {
    SmallVector<Step> chain;
    for (Operation *op = add; lengths.contains(op) && taken.insert(op).second;) {
      chain.push_back(lastStep[op]);
      op = skipViews(chain.back().state).getDefiningOp();
    }
    std::reverse(chain.begin(), chain.end());
    llvm::SmallPtrSet<Operation *, 16> sums;
    for (const Step &step : chain)
      sums.insert(step.sum);
    for (ArrayRef<Step> rest(chain); !rest.empty();) {
      size_t steps = countTokens(rest, sums);
      if (steps >= 2)
        report(rest.take_front(steps));
      rest = rest.drop_front(std::max<size_t>(steps, 1));
    }
  }
}

void basin::findUnrolledRecurrences(Block &block, SmallVectorImpl<Mixer> &mixers) {
  ChainFinder(block, mixers).find();
}

//===----------------------------------------------------------------------===//
// Loop and Scan
//===----------------------------------------------------------------------===//

/// Returns whether `value` depends on one of `tokens` inside of the body.
static bool dependsOn(Value value, const DenseSet<Value> &tokens) {
  llvm::SmallPtrSet<Operation *, 16> seen;
  SmallVector<Value> work{value};
  for (unsigned i = 0; i < 256 && i < work.size(); ++i) {
    if (tokens.contains(work[i]))
      return true;
    Operation *def = work[i].getDefiningOp();
    if (def && seen.insert(def).second)
      llvm::append_range(work, def->getOperands());
  }
  return false;
}

/// Matches `next = decay * state + input` or `next = state + input`.
static std::optional<Step> matchNext(Value next, Value state) {
  auto add = skipViews(next).getDefiningOp<AddOp>();
  if (!add)
    return std::nullopt;
  for (const Step &step : matchSteps(add))
    if (skipViews(step.state) == state)
      return step;
  for (unsigned i : {0u, 1u})
    if (skipViews(add->getOperand(i)) == state)
      return Step{add, Value(), state, add->getOperand(1 - i)};
  return std::nullopt;
}

std::optional<Mixer> basin::matchLoop(Operation *op) {
  bool isScan = isa<ScanOp>(op);
  if (!isScan && !isa<LoopOp>(op))
    return std::nullopt;
  if (op->getNumRegions() != 1 || op->getRegion(0).empty())
    return std::nullopt;
  Block &body = op->getRegion(0).front();
  Operation *yield = body.getTerminator();
  auto scanInputs = op->getAttrOfType<IntegerAttr>("num_scan_inputs");
  unsigned numArgs = body.getNumArguments(), numTokens = 1;
  if (isScan && (!scanInputs || scanInputs.getInt() < 0 || scanInputs.getInt() > numArgs))
    return std::nullopt;
  if (isScan)
    numTokens = scanInputs.getInt();
  // A Scan has states, then tokens. A Loop has its count, its condition, then states.
  unsigned begin = isScan ? 0 : 2, end = isScan ? numArgs - numTokens : numArgs;
  DenseSet<Value> tokens;
  for (unsigned i = isScan ? end : 0; i < (isScan ? numArgs : std::min(1u, numArgs)); ++i)
    tokens.insert(body.getArgument(i));
  for (unsigned i = begin; i < end; ++i) {
    unsigned yielded = isScan ? i : i - 1;
    if (yielded >= yield->getNumOperands())
      return std::nullopt;
    std::optional<Step> step = matchNext(yield->getOperand(yielded), body.getArgument(i));
    if (!step || !dependsOn(step->input, tokens))
      continue;
    bool contracted = isContracted(step->sum.getResult());
    // A running sum over the tokens is a mixer only if each token reads the sum.
    if (!step->decay && !(contracted && isOuterProduct(step->input)))
      continue;
    Value output =
        op->getNumResults() > 0 ? Value(op->getResult(op->getNumResults() - 1)) : Value();
    if (!output)
      return std::nullopt;
    return Mixer{
        op, output, kindOf(step->decay, step->input, contracted), isScan ? "Scan" : "Loop", true,
        {}, false};
  }
  return std::nullopt;
}
