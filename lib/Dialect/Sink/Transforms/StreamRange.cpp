//===- StreamRange.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A stream's writers are taken to write elements of magnitude one. Constants on
// the way multiply that: the gain of a value is the largest product of constants
// between a writer and it. Division by 2^k then leaves exact, per place,
//
//   a value           |x| >= 2^(least + k) / gain, least the type's least normal
//                     exponent, or for negative k |x| < 2^(most + k) / gain
//   a norm's squares  |x| >= 2^(least / 2 + k) / gain, and for negative k
//                     |x| < 2^((most - log2 d) / 2 + k) / gain, for the sum of d
//
// What changes lies between that limit and the one without a division (and the
// subnormal numbers below, where that one loses bits, too): smaller elements are
// lost either way. The place where most ordinary magnitudes lie between decides.
// It is refused where any do (in f16, of which the range is what a rescale is
// about, where all are lost), and warned of where some nearly do.
//
//===----------------------------------------------------------------------===//

#include "StreamRange.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Format.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

/// Magnitudes (as exponents) between which a stream's values are ordinary: limits
/// within these bounds are refused, in f32, bf16 and f64.
static constexpr double kSmallest = -10, kLargest = 10;
/// Limits within these bounds are warned of.
static constexpr double kWarnSmallest = -40, kWarnLargest = 30;

namespace {

/// Elements of a place that a division changes: those between two magnitudes.
struct Limit {
  enum Severity { Harmless, Warned, Refused };

  Value value;
  /// The norm that squares the value; null where the value itself is meant.
  Operation *norm;
  Type type;
  bool isLow;
  /// The limit for the value's own elements, and for writers' elements, as
  /// exponents; where elements of writers are lost without a division, too.
  double own, exponent, lost;
  /// The elements are lost without the division, and not with it.
  bool isOld = false;
  Severity severity() const;
};

class RangeCheck {
public:
  RangeCheck(const ResidualStream &stream, ArrayRef<int> exponents)
      : stream(stream), down(*llvm::max_element(exponents)), up(*llvm::min_element(exponents)) {}
  void measure(bool squares);
  LogicalResult report() const;

private:
  void findGains();
  void limitValue(Value value);
  void limitSquares(Operation *norm, Value value);
  double gainOf(Value value) const {
    auto found = gains.find(value);
    return found == gains.end() ? 0 : found->second;
  }
  void keep(const Limit &limit);
  void limitPlace(Value value, Operation *norm, Type type, double lowest, double highest,
                  double subnormal);
  InFlightDiagnostic describe(const Limit &limit) const;

  const ResidualStream &stream;
  /// The largest division and the largest multiplication, as exponents.
  int down, up;
  DenseMap<Value, double> gains;
  std::optional<Limit> worst;
};

} // namespace

Limit::Severity Limit::severity() const {
  bool isHalf = type.isF16();
  if (isLow) {
    if (exponent > (isHalf ? 16 : kSmallest) && lost < kLargest)
      return Refused;
    return exponent > kWarnSmallest && lost < kWarnLargest ? Warned : Harmless;
  }
  if (exponent < (isHalf ? -14 : kLargest) && lost > kSmallest)
    return Refused;
  return exponent < kWarnLargest && lost > kWarnSmallest ? Warned : Harmless;
}

/// The more severe, then the one that comes nearer to large (small) elements.
void RangeCheck::keep(const Limit &limit) {
  if (worst && worst->severity() != limit.severity()) {
    if (limit.severity() > worst->severity())
      worst = limit;
    return;
  }
  if (!worst || (limit.isLow ? limit.exponent > worst->exponent : limit.exponent < worst->exponent))
    worst = limit;
}

static std::pair<int, int> getNormalExponents(Type type) {
  if (type.isF16())
    return {-14, 16};
  return type.isF64() ? std::pair(-1022, 1024) : std::pair(-126, 128);
}

/// Bits of a type's significand.
static unsigned getPrecision(Type type) { return cast<FloatType>(type).getFPMantissaWidth(); }

static Type elementTypeOf(Value value) {
  auto type = dyn_cast<TensorType>(value.getType());
  return type ? type.getElementType() : Type();
}

static bool hasRange(Type type) {
  return type && (type.isF16() || type.isBF16() || type.isF32() || type.isF64());
}

/// log2 of the constant that the op multiplies its passed operand by; nothing
/// where that is zero or not finite, which no scale changes.
static std::optional<double> gainOfOp(Operation *op, OpOperand *passed) {
  if (!isa<MulOp, DivOp>(op))
    return 0;
  std::optional<double> factor = getConstantScalar(op->getOperand(1 - passed->getOperandNumber()));
  if (!factor || *factor == 0 || !std::isfinite(*factor))
    return std::nullopt;
  double gain = std::log2(std::abs(*factor));
  return isa<DivOp>(op) ? -gain : gain;
}

/// In program order: the largest gain among what a value is the sum of.
void RangeCheck::findGains() {
  for (Value value : stream.values) {
    Operation *op = value.getDefiningOp();
    if (!op)
      continue;
    if (OpOperand *passed = getPassedThrough(op)) {
      if (std::optional<double> gain = gainOfOp(op, passed))
        gains[value] = gainOf(passed->get()) + *gain;
    } else if (isa<AddOp, SubOp, SumOp>(op)) {
      double largest = gainOf(op->getOperand(0));
      for (Value operand : op->getOperands())
        largest = std::max(largest, gainOf(operand));
      gains[value] = largest;
    }
  }
}

/// `lowest` and `highest` are what the place holds without a division, `subnormal`
/// how far below it keeps some bits.
void RangeCheck::limitPlace(Value value, Operation *norm, Type type, double lowest, double highest,
                            double subnormal) {
  double gain = gainOf(value);
  if (down > 0)
    keep({value, norm, type, /*isLow=*/true, lowest + down, lowest + down - gain,
          lowest - subnormal - gain});
  // What fell below the range before does so no more.
  if (up < 0)
    keep({value, norm, type, /*isLow=*/true, lowest, lowest - gain, lowest + up - subnormal - gain,
          /*isOld=*/true});
  if (up < 0)
    keep({value, norm, type, /*isLow=*/false, highest + up, highest + up - gain, highest - gain});
}

void RangeCheck::limitValue(Value value) {
  Type type = elementTypeOf(value);
  if (!hasRange(type))
    return;
  auto [least, most] = getNormalExponents(type);
  limitPlace(value, nullptr, type, least, most, getPrecision(type));
}

Type basin::sink::getSquareType(Operation *norm, Type valueType) {
  Type type;
  cast<RaisedInterface>(norm).getFormRegion().walk(
      [&](ReduceMeanOp mean) { type = elementTypeOf(mean.getData()); });
  if (hasRange(type))
    return type;
  return valueType.isF64() ? valueType : Float32Type::get(norm->getContext());
}

void RangeCheck::limitSquares(Operation *norm, Value value) {
  Type valueType = elementTypeOf(value);
  if (!hasRange(valueType))
    return;
  Type type = getSquareType(norm, valueType);
  auto [least, most] = getNormalExponents(type);
  double size = std::log2(static_cast<double>(std::max<int64_t>(stream.dim.value_or(4096), 1)));
  limitPlace(value, norm, type, least / 2.0, (most - size) / 2, getPrecision(type) / 2.0);
}

void RangeCheck::measure(bool squares) {
  findGains();
  for (Value value : stream.values)
    limitValue(value);
  for (const StreamReader &reader : stream.readers)
    if (squares && reader.kind == StreamReader::Norm)
      limitSquares(reader.use->getOwner(), reader.use->get());
}

InFlightDiagnostic RangeCheck::describe(const Limit &limit) const {
  Value at = limit.norm ? Value(limit.norm->getResult(0)) : limit.value;
  InFlightDiagnostic diag =
      limit.severity() == Limit::Refused ? emitError(at.getLoc()) : emitWarning(at.getLoc());
  diag << (limit.norm ? "norm '" : "residual stream value '") << getStreamValueName(at) << "' "
       << (limit.norm ? "squares in " : "is stored in ") << limit.type;
  llvm::SmallString<16> magnitude;
  llvm::raw_svector_ostream(magnitude) << llvm::format("%.2g", std::exp2(limit.own));
  int scale = limit.isLow && !limit.isOld ? -down : -up;
  if (limit.isOld)
    return std::move(diag << ": elements below " << magnitude
                          << " in magnitude fall below its normal "
                          << "range, and no more when scaled by 2^" << scale);
  diag << ": scaled by 2^" << scale << ", elements " << (limit.isLow ? "below " : "above ")
       << magnitude << " in magnitude " << (limit.isLow ? "fall below" : "leave")
       << " its normal range";
  return diag;
}

LogicalResult RangeCheck::report() const {
  if (!worst || worst->severity() == Limit::Harmless)
    return success();
  if (worst->severity() == Limit::Warned) {
    describe(*worst) << ", where the result may differ";
    return success();
  }
  describe(*worst) << "; choose a smaller scale";
  return failure();
}

LogicalResult basin::sink::checkStreamRange(const ResidualStream &stream, ArrayRef<int> exponents,
                                            bool squares) {
  RangeCheck check(stream, exponents);
  check.measure(squares);
  return check.report();
}
