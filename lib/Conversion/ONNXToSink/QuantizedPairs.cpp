//===- QuantizedPairs.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The uses of each pair are kept while it is out. They say afterwards where it belongs:
//
//   use reads                              the pair goes
//   a value outside of forms               before the first use there
//   an argument that all uses in the
//     form read through the pair           outside, and the raised op's operand reads it
//   another value of a form                inside, before the first use
//
//===----------------------------------------------------------------------===//

#include "QuantizedPairs.h"

#include "Leaves.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/IR/Sink.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

//===----------------------------------------------------------------------===//
// Taking pairs out
//===----------------------------------------------------------------------===//

/// Returns whether both are absent or hold the same elements in each run.
static bool isSameConstant(Value a, Value b) {
  if (!a || !b || a == b)
    return a == b && (!a || isConstant(a));
  constexpr size_t kMostElements = 1 << 16;
  auto x = getConstantFloats(a, kMostElements), y = getConstantFloats(b, kMostElements);
  return x && y && a.getType() == b.getType() && *x == *y;
}

/// Returns whether `op` gives back what `quantize` took, rounded.
static bool isInverse(Operation *op, QuantizeLinearOp quantize) {
  auto dequantize = dyn_cast<DequantizeLinearOp>(op);
  return dequantize && op->getBlock() == quantize->getBlock() &&
         dequantize.getX() == quantize->getResult(0) &&
         dequantize.getAxis().value_or(1) == quantize.getAxis().value_or(1) &&
         dequantize.getBlockSize().value_or(0) == quantize.getBlockSize().value_or(0) &&
         isSameConstant(quantize.getYScale(), dequantize.getXScale()) &&
         isSameConstant(getInputOrNull(quantize, 2), getInputOrNull(op, 2)) &&
         getElementTypeOf(op->getResult(0)) == getElementTypeOf(quantize.getX());
}

/// Constants stay behind their pairs, because recognition uses their values. So do pairs behind
/// another one.
static bool isPair(QuantizeLinearOp quantize) {
  Value x = quantize.getX(), y = quantize->getResult(0);
  return isRealType(getElementTypeOf(x)) && !isConstant(x) &&
         !x.getDefiningOp<DequantizeLinearOp>() && !y.use_empty() &&
         llvm::all_of(y.getUsers(), [&](Operation *user) {
           return isInverse(user, quantize) && !user->use_empty();
         });
}

void QuantizedPairs::take(Operation *quantize) {
  Pair pair{.quantize = quantize, .dequantizes = {}, .uses = {}, .block = quantize->getBlock()};
  Value x = quantize->getOperand(0);
  for (Operation *user : quantize->getUsers())
    pair.dequantizes.push_back(user);
  for (Operation *dequantize : pair.dequantizes) {
    Value y = dequantize->getResult(0);
    auto &uses = pair.uses.emplace_back();
    for (OpOperand &use : y.getUses()) {
      uses.push_back(&use);
      taken.insert(&use);
    }
    y.replaceAllUsesWith(x);
    dequantize->remove();
  }
  // While it is out, nothing shall be seen to read x through it.
  quantize->setOperand(0, quantize->getOperand(1));
  quantize->remove();
  pairs.push_back(std::move(pair));
}

QuantizedPairs::QuantizedPairs(Operation *root) {
  SmallVector<Operation *> found;
  root->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<sink::RaisedInterface>(op))
      return WalkResult::skip();
    if (auto quantize = dyn_cast<QuantizeLinearOp>(op); quantize && isPair(quantize))
      found.push_back(op);
    return WalkResult::advance();
  });
  for (Operation *quantize : found)
    take(quantize);
}

//===----------------------------------------------------------------------===//
// Putting them back
//===----------------------------------------------------------------------===//

/// Returns the raised op in whose form `value` is an argument or computed, or null.
static Operation *getRaisedOp(Value value) {
  Operation *parent = value.getParentBlock()->getParentOp();
  return isa<sink::RaisedInterface>(parent) ? parent : nullptr;
}

/// Returns whether the form of `raised` reads `value` as often as that, in all.
static bool hasUsesInside(Value value, Operation *raised, size_t count) {
  return count == size_t(llvm::count_if(value.getUses(), [&](OpOperand &use) {
           return raised->isProperAncestor(use.getOwner());
         }));
}

QuantizedPairs::Groups QuantizedPairs::groupUses(const Pair &pair) {
  Groups inner, groups;
  for (auto [number, uses] : llvm::enumerate(pair.uses))
    for (OpOperand *use : uses)
      inner[use->get()].push_back({static_cast<unsigned>(number), use});
  for (auto &[value, uses] : inner) {
    auto argument = dyn_cast<BlockArgument>(value);
    Operation *raised = argument ? getRaisedOp(value) : nullptr;
    if (!raised || !hasUsesInside(value, raised, uses.size())) {
      llvm::append_range(groups[value], uses);
      continue;
    }
    OpOperand &operand = raised->getOpOperand(argument.getArgNumber());
    groups[operand.get()].push_back({uses.front().first, &operand});
  }
  return groups;
}

/// Adds the operands of raised ops that are no arguments, but `value`, if the form reads `value`
/// through the pair alone.
void QuantizedPairs::addCaptured(Value value, Uses &uses) {
  llvm::MapVector<Operation *, Uses> inForms;
  for (const Use &use : uses) {
    auto raised = use.second->getOwner()->getParentOfType<sink::RaisedInterface>();
    if (raised && !raised.getFormRegion().isAncestor(value.getParentRegion()))
      inForms[raised].push_back(use);
  }
  for (auto &[raised, inside] : inForms) {
    if (!hasUsesInside(value, raised, inside.size()))
      continue;
    unsigned arguments = raised->getRegion(0).getNumArguments();
    for (OpOperand &operand : raised->getOpOperands().drop_front(arguments))
      if (operand.get() == value)
        uses.push_back({inside.front().first, &operand});
  }
}

/// Adds the uses by ops that recognition made, which copy ops that read `value`, if all those read
/// it through pairs.
void QuantizedPairs::addMade(Value value, Uses &uses) const {
  Uses made;
  for (OpOperand &use : value.getUses()) {
    Operation *op = use.getOwner();
    if (taken.contains(&use) || isa<sink::RaisedInterface>(op))
      continue;
    if (!op->hasAttr(sink::kMadeAttr))
      return;
    made.push_back({uses.front().first, &use});
  }
  llvm::append_range(uses, made);
}

void QuantizedPairs::findPlaces(unsigned index, SmallVectorImpl<Place> &places) const {
  const Pair &pair = pairs[index];
  for (auto &[value, uses] : groupUses(pair)) {
    addCaptured(value, uses);
    addMade(value, uses);
    Operation *raised = getRaisedOp(value);
    bool isInside = raised && raised != pair.block->getParentOp();
    Block *block = isInside ? value.getParentBlock() : pair.block;
    Operation *before = nullptr;
    for (const Use &use : uses) {
      Operation *user = block->findAncestorOpInBlock(*use.second->getOwner());
      assert(user && "a use left the block of its pair");
      if (!before || user->isBeforeInBlock(before))
        before = user;
    }
    places.push_back({index, value, before, std::move(uses)});
  }
}

/// Removes the names that a copy may not have again.
static Operation *copyUnnamed(Operation *op, OpBuilder &b) {
  Operation *copy = b.clone(*op);
  copy->removeAttr(kNameAttr);
  copy->removeAttr(kOutsAttr);
  return copy;
}

void QuantizedPairs::put(const Place &place, bool isFirst) {
  const Pair &pair = pairs[place.pair];
  OpBuilder b(place.before);
  Operation *quantize = pair.quantize;
  if (isFirst)
    b.insert(quantize);
  else
    quantize = copyUnnamed(quantize, b);
  quantize->setOperand(0, place.value);
  llvm::SmallDenseMap<unsigned, Operation *> dequantizes;
  for (auto [number, use] : place.uses) {
    Operation *&dequantize = dequantizes[number];
    if (!dequantize) {
      dequantize = pair.dequantizes[number];
      // One that is back already has a block.
      if (dequantize->getBlock())
        dequantize = copyUnnamed(dequantize, b);
      else
        b.insert(dequantize);
      dequantize->setOperand(0, quantize->getResult(0));
    }
    use->set(dequantize->getResult(0));
  }
}

void QuantizedPairs::restore() {
  SmallVector<Place> places;
  for (unsigned index = 0; index < pairs.size(); ++index)
    findPlaces(index, places);
  llvm::DenseSet<unsigned> seen;
  for (const Place &place : places)
    put(place, seen.insert(place.pair).second);
  pairs.clear();
  taken.clear();
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

/// Returns the numbers that an integer type of a QuantizeLinear goes down to.
static std::optional<double> getLowest(Type type) {
  auto integer = dyn_cast_or_null<IntegerType>(type);
  if (!integer || integer.getWidth() > 16)
    return std::nullopt;
  return integer.isUnsigned() ? 0.0 : -std::ldexp(1.0, integer.getWidth() - 1);
}

/// Returns whether a pair leaves 0 as it is, which each does, and every hidden score hidden: its
/// range goes down to one, and its steps are small beside one.
static bool hides(DequantizeLinearOp dequantize) {
  auto quantize = dequantize.getX().getDefiningOp<QuantizeLinearOp>();
  if (!quantize || !isInverse(dequantize, quantize))
    return false;
  Value zero = getInputOrNull(dequantize, 2);
  std::optional<double> scale = getConstantScalar(dequantize.getXScale()),
                        zeroPoint = zero ? getConstantScalar(zero) : 0.0,
                        lowest = getLowest(getElementTypeOf(dequantize.getX()));
  return scale && zeroPoint && lowest && *scale > 0 &&
         (*lowest - *zeroPoint) * *scale <= sink::kHiddenScore && *scale <= -sink::kHiddenScore / 2;
}

namespace {

/// Goes up from a mask. A value that is `additive` holds 0 for what is seen, and a hidden score for
/// what is not.
class PairSearch {
public:
  /// Returns whether every pair that is met leaves the mask as good as it was.
  bool check(Value value, bool additive);

private:
  bool checkOp(Operation *op, bool additive);

  /// The values that were met, without and with `additive`.
  llvm::DenseSet<Value> seen[2];
};

} // namespace

bool PairSearch::checkOp(Operation *op, bool additive) {
  if (isa<ShapeOp, SizeOp, InitializerOp, ConstantOp>(op))
    return true;
  if (auto dequantize = dyn_cast<DequantizeLinearOp>(op)) {
    if (isConstant(op->getResult(0)))
      return true;
    return additive && hides(dequantize) &&
           check(dequantize.getX().getDefiningOp()->getOperand(0), additive);
  }
  bool isMove = isa<SliceOp, UnsqueezeOp, SqueezeOp, ReshapeOp, ExpandOp, TransposeOp, IdentityOp,
                    TileOp, CastOp>(op);
  bool isSum = isa<AddOp, ConcatOp>(op);
  for (OpOperand &operand : op->getOpOperands()) {
    unsigned number = operand.getOperandNumber();
    bool keeps = isSum || (isMove && number == 0) || (isa<WhereOp>(op) && number > 0);
    if (!check(operand.get(), additive && keeps))
      return false;
  }
  return true;
}

bool PairSearch::check(Value value, bool additive) {
  constexpr size_t kMostValues = 4096;
  Operation *op = value.getDefiningOp();
  if (!op || !seen[additive].insert(value).second)
    return true;
  return seen[additive].size() <= kMostValues && op->getNumRegions() == 0 && checkOp(op, additive);
}

bool basin::onnx::keepsHidden(Value mask) { return PairSearch().check(mask, /*additive=*/true); }

bool basin::onnx::isExact(Value value) { return PairSearch().check(value, /*additive=*/false); }
