//===- MaskElements.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Walks from a mask to its constants, through views, selections, sums and products with flags, and
// keeps bounds of the elements on the way back. An operator without a rule, and a value that only a
// run knows, ends the walk with a reason.
//
//===----------------------------------------------------------------------===//

#include "MaskElements.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Sink.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

MaskElements MaskElements::between(double low, double high) {
  MaskElements out;
  out.seen = {low, high};
  return out;
}

double MaskElements::getHighest() const {
  return std::max({changed.value_or(-kInfinity), hidden.value_or(-kInfinity),
                   seen ? seen->second : -kInfinity});
}

static std::optional<double> higher(std::optional<double> a, std::optional<double> b) {
  return a && b ? std::max(*a, *b) : a ? a : b;
}

MaskElements MaskElements::either(const MaskElements &a, const MaskElements &b) {
  MaskElements out;
  out.changed = higher(a.changed, b.changed);
  out.hidden = higher(a.hidden, b.hidden);
  out.isInfinite = a.isInfinite || b.isInfinite;
  out.seen = a.seen ? a.seen : b.seen;
  if (a.seen && b.seen)
    out.seen = {std::min(a.seen->first, b.seen->first), std::max(a.seen->second, b.seen->second)};
  return out;
}

/// Returns the sum of a kind's highest number and any element of `other`.
static std::optional<double> plus(std::optional<double> kind, double other) {
  return kind ? std::optional(*kind + other) : std::nullopt;
}

MaskElements MaskElements::sum(const MaskElements &a, const MaskElements &b) {
  // An element that stays is hidden if either summand hides, and neither is raised.
  auto highestKept = [](const MaskElements &x) {
    return std::max(x.hidden.value_or(-kInfinity), x.seen ? x.seen->second : -kInfinity);
  };
  MaskElements out;
  out.isInfinite = a.isInfinite || b.isInfinite;
  out.changed = higher(plus(a.changed, b.getHighest()), plus(b.changed, a.getHighest()));
  if (b.hidden || b.seen)
    out.hidden = plus(a.hidden, highestKept(b));
  if (a.hidden || a.seen)
    out.hidden = higher(out.hidden, plus(b.hidden, highestKept(a)));
  if (a.seen && b.seen)
    out.seen = {a.seen->first + b.seen->first, a.seen->second + b.seen->second};
  return out;
}

MaskElements MaskElements::times(double factor) const {
  MaskElements out = *this;
  for (std::optional<double> *kind : {&out.changed, &out.hidden})
    if (*kind)
      *kind = **kind * factor;
  if (seen)
    out.seen = {seen->first * factor, seen->second * factor};
  return out;
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

std::optional<double> MaskReader::getNumber(Type element) const {
  auto type = dyn_cast_or_null<FloatType>(element);
  if (!type)
    return std::nullopt;
  APFloat number(value);
  bool losesInfo;
  number.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
  if (!number.isFinite())
    return std::nullopt;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  return number.convertToDouble();
}

std::optional<MaskElements> MaskReader::fail(const Twine &reason) {
  if (why->empty())
    *why = reason.str();
  return std::nullopt;
}

std::string basin::sink::describeValue(Value value) {
  StringRef name = getStreamValueName(value);
  if (!name.empty())
    return ("'" + name + "'").str();
  Operation *op = value.getDefiningOp();
  return op ? ("the result of " + op->getName().getStringRef()).str() : "an argument";
}

std::optional<MaskElements> MaskReader::visitConstant(Value constant) {
  constexpr size_t kMostElements = 1 << 26;
  auto elements = getConstantFloats(constant, kMostElements);
  if (auto fill = constant.getDefiningOp<ConstantOfShapeOp>()) {
    // Without a value it is filled with zeros.
    elements = SmallVector<double>{0};
    if (std::optional<Attribute> attr = fill.getValue())
      elements = readFloatElements(*attr, fill, 1);
  }
  Type element = getTensorInfo(constant).element;
  if (!elements || !element)
    return fail("the numbers of " + describeValue(constant) + " cannot be read");
  std::optional<double> number = getNumber(element);
  MaskElements out;
  for (double x : *elements) {
    if (std::isnan(x) || x == kInfinity)
      return fail(describeValue(constant) + " has NaN or infinity");
    if (x > kHiddenScore) {
      out = MaskElements::either(out, MaskElements::between(x, x));
      continue;
    }
    if (!number)
      return fail("the option's value is no finite number of the type of " +
                  describeValue(constant));
    MaskElements one;
    (x < *number ? one.changed : one.hidden) = std::max(x, *number);
    one.isInfinite = x == -kInfinity;
    out = MaskElements::either(out, one);
  }
  // A constant without elements has no kind, and adds none.
  if (out.changed)
    cone->constants.insert(constant);
  return out;
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

/// Returns whether the op only moves, repeats or leaves out elements of its first operand.
static bool isView(Operation *op) {
  return isa<IdentityOp, ExpandOp, ReshapeOp, SqueezeOp, UnsqueezeOp, SliceOp, TransposeOp,
             GatherOp, GatherNDOp, TileOp, FlattenOp>(op);
}

/// Returns whether all elements are zeros and ones. A graph input of integers counts as such, and
/// is named in `flags`.
bool MaskReader::isZeroOne(Value value, unsigned depth) {
  if (depth == 0 || budget == 0)
    return false;
  --budget;
  Type element = getTensorInfo(value).element;
  if (element && element.isInteger(1))
    return true;
  constexpr size_t kMostElements = 1 << 26;
  if (isConstant(value)) {
    auto elements = getConstantFloats(value, kMostElements);
    return elements && llvm::all_of(*elements, [](double x) { return x == 0 || x == 1; });
  }
  Operation *op = value.getDefiningOp();
  if (!op) {
    auto argument = cast<BlockArgument>(value);
    bool isInput = isa<GraphOp>(argument.getOwner()->getParentOp());
    if (isInput && isa_and_nonnull<IntegerType>(element))
      cone->flags.insert(getValueName(value).str());
    return isInput && isa_and_nonnull<IntegerType>(element);
  }
  if (isView(op) || isa<CastOp, TriluOp>(op))
    return isZeroOne(op->getOperand(0), depth - 1);
  if (auto sub = dyn_cast<SubOp>(op))
    return getConstantScalar(sub.getA()) == 1.0 && isZeroOne(sub.getB(), depth - 1);
  if (isa<MulOp, ConcatOp>(op))
    return llvm::all_of(op->getOperands(), [&](Value one) { return isZeroOne(one, depth - 1); });
  return false;
}

std::optional<MaskElements> MaskReader::visitEach(ArrayRef<OpOperand *> uses, unsigned depth) {
  MaskElements out;
  for (OpOperand *use : uses) {
    std::optional<MaskElements> one = visitUse(*use, depth);
    if (!one)
      return std::nullopt;
    out = MaskElements::either(out, *one);
  }
  return out;
}

/// A product with flags has what is multiplied where the flags are one, and zero elsewhere. A zero
/// times -inf is NaN, and may be a number after the change.
std::optional<MaskElements> MaskReader::visitProduct(Operation *op, unsigned depth) {
  bool isQuotient = isa<DivOp>(op);
  for (unsigned i : {0u, 1u}) {
    if (i == 1 && isQuotient)
      break;
    OpOperand &use = op->getOpOperand(i);
    Value other = op->getOperand(1 - i);
    if (std::optional<double> factor = getConstantScalar(other); factor && *factor > 0) {
      std::optional<MaskElements> found = visitUse(use, depth);
      return found ? std::optional(found->times(isQuotient ? 1 / *factor : *factor)) : found;
    }
    if (isQuotient || !isZeroOne(other, depth))
      continue;
    std::optional<MaskElements> found = visitUse(use, depth);
    if (found && found->isInfinite)
      return fail("it multiplies -inf by zeros");
    return found ? std::optional(MaskElements::either(*found, MaskElements::between(0, 0))) : found;
  }
  return fail("the numbers of " + describeValue(op->getResult(0)) + " are not known");
}

std::optional<MaskElements> MaskReader::visitCast(Operation *op, unsigned depth) {
  Type to = getTensorInfo(op->getResult(0)).element;
  if (!isa_and_nonnull<FloatType>(getTensorInfo(op->getOperand(0)).element) ||
      !isa_and_nonnull<FloatType>(to))
    return fail("the numbers of " + describeValue(op->getResult(0)) + " are not known");
  std::optional<MaskElements> found = visitUse(op->getOpOperand(0), depth);
  if (!found)
    return std::nullopt;
  // Rounding keeps the order, so bounds are rounded like elements.
  for (std::optional<double> *kind : {&found->changed, &found->hidden})
    if (*kind)
      *kind = castNumber(**kind, to).value_or(-kInfinity);
  if (found->seen) {
    std::optional<double> low = castNumber(found->seen->first, to),
                          high = castNumber(found->seen->second, to);
    if (!low || !high || std::isinf(*low) || std::isinf(*high))
      return fail(describeValue(op->getResult(0)) + " may overflow");
    found->seen = {*low, *high};
  }
  return found;
}

std::optional<MaskElements> MaskReader::visitOp(Operation *op, unsigned depth) {
  auto operand = [&](unsigned i) { return visitUse(op->getOpOperand(i), depth); };
  if (isView(op))
    return operand(0);
  if (auto trilu = dyn_cast<TriluOp>(op)) {
    std::optional<MaskElements> found = operand(0);
    return found ? std::optional(MaskElements::either(*found, MaskElements::between(0, 0))) : found;
  }
  if (auto pad = dyn_cast<PadOp>(op)) {
    // Without a value, zeros are put around. The other modes repeat elements.
    Value filler = getInputOrNull(op, 2);
    if (filler && !isa<NoneType>(filler.getType()))
      return visitEach({&op->getOpOperand(0), &op->getOpOperand(2)}, depth);
    std::optional<MaskElements> found = op->hasAttr("value") ? std::nullopt : operand(0);
    return found ? std::optional(MaskElements::either(*found, MaskElements::between(0, 0)))
                 : fail("the numbers of " + describeValue(pad->getResult(0)) + " are not known");
  }
  if (isa<ConcatOp>(op)) {
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : op->getOpOperands())
      uses.push_back(&use);
    return visitEach(uses, depth);
  }
  if (isa<WhereOp>(op))
    return visitEach({&op->getOpOperand(1), &op->getOpOperand(2)}, depth);
  if (isa<ScatterNDOp, ScatterElementsOp>(op)) {
    auto reduction = op->getAttrOfType<StringAttr>("reduction");
    if (!reduction || reduction.getValue() == "none")
      return visitEach({&op->getOpOperand(0), &op->getOpOperand(2)}, depth);
  }
  if (isa<AddOp>(op)) {
    std::optional<MaskElements> a = operand(0), b = a ? operand(1) : std::nullopt;
    return a && b ? std::optional(MaskElements::sum(*a, *b)) : std::nullopt;
  }
  if (isa<MulOp, DivOp>(op))
    return visitProduct(op, depth);
  if (isa<CastOp>(op))
    return visitCast(op, depth);
  return fail("the numbers of " + describeValue(op->getResult(0)) + " are not known");
}

std::optional<MaskElements> MaskReader::visit(Value value, unsigned depth) {
  if (depth == 0 || budget == 0)
    return fail("it has too many nodes");
  --budget;
  Operation *op = value.getDefiningOp();
  if (op && (isa<ConstantOfShapeOp>(op) || getConstantAttr(value)))
    return isConstant(value) || isa<ConstantOfShapeOp>(op)
               ? visitConstant(value)
               : fail("a caller may give other numbers for " + describeValue(value));
  bool isFloat = isa_and_nonnull<FloatType>(getTensorInfo(value).element);
  if (op && isFloat && isZeroOne(value, depth))
    return MaskElements::between(0, 1);
  if (!op || op->getNumResults() == 0 || value != op->getResult(0) || !isFloat)
    return fail("the numbers of " + describeValue(value) + " are not known");
  return visitOp(op, depth - 1);
}

std::optional<MaskElements> MaskReader::visitUse(OpOperand &use, unsigned depth) {
  cone->uses.insert(&use);
  Value value = use.get();
  std::optional<MaskElements> found;
  auto argument = dyn_cast<BlockArgument>(value);
  auto raised =
      argument ? dyn_cast<RaisedInterface>(argument.getOwner()->getParentOp()) : RaisedInterface();
  if (raised)
    found = visitUse(raised->getOpOperand(argument.getArgNumber()), depth);
  else
    found = visit(value, depth);
  if (found && found->changed && !cone->constants.contains(value))
    cone->changed.insert(value);
  return found;
}

std::optional<MaskElements> MaskReader::read(OpOperand &use, Cone &into, std::string &reason) {
  constexpr unsigned kMostDepth = 48, kMostVisits = 1024;
  cone = &into;
  why = &reason;
  budget = kMostVisits;
  reason.clear();
  return visitUse(use, kMostDepth);
}
