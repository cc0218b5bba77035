//===- StreamRange.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The check assumes that a stream's writers write elements of magnitude one. Constants on the way
// multiply them: the gain of a value is the largest product of constants between a writer and the
// value. At each place, a division by 2^k then leaves these elements exact:
//
//   a value           |x| >= 2^(least + k) / gain, where least is the type's least normal
//                     exponent; for negative k, |x| < 2^(most + k) / gain
//   a norm's squares  |x| >= 2^(least / 2 + k) / gain; for negative k,
//                     |x| < 2^((most - log2 d) / 2 + k) / gain, because d squares are added
//
// The elements that change lie between this limit and the limit without a division. Elements
// beyond both are lost either way. (The limit without a division lies below the subnormal numbers,
// which keep some of their bits.) The place with the most ordinary magnitudes between its limits
// decides. The division is refused if any ordinary magnitudes lie there. In f16, whose range is
// the reason for a rescale, it is refused only if all of them are lost. It is warned of if some
// magnitudes that are nearly ordinary lie there.
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

/// A stream's values are ordinary between these magnitudes, given as exponents. In f32, bf16 and
/// f64 a limit between them is refused.
static constexpr double kSmallest = -10, kLargest = 10;
/// A limit between these is warned of.
static constexpr double kWarnSmallest = -40, kWarnLargest = 30;

namespace {

/// The elements of a place that a division changes: those between two magnitudes.
struct Limit {
  enum Severity { Harmless, Warned, Refused };

  Value value;
  /// The norm that squares the value, or null if the limit is for the value itself.
  Operation *norm;
  Type type;
  bool isLow;
  /// Exponents: the limit for the value's own elements, the limit for writers' elements, and the
  /// magnitude at which writers' elements are lost without a division, too.
  double own, exponent, lost;
  /// Whether the elements are lost without the division, and not with it.
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
  /// The exponents of the largest division and of the largest multiplication.
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

/// Keeps the more severe limit, then the one that reaches further into ordinary magnitudes.
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

/// Returns the number of bits of a type's significand.
static unsigned getPrecision(Type type) { return cast<FloatType>(type).getFPMantissaWidth(); }

static Type elementTypeOf(Value value) {
  auto type = dyn_cast<TensorType>(value.getType());
  return type ? type.getElementType() : Type();
}

static bool hasRange(Type type) {
  return type && (type.isF16() || type.isBF16() || type.isF32() || type.isF64());
}

/// Returns log2 of the constant that the op multiplies its passed operand by, or nothing if the
/// constant is zero or not finite: then no scale changes the product.
static std::optional<double> gainOfOp(Operation *op, OpOperand *passed) {
  if (!isa<MulOp, DivOp>(op))
    return 0;
  std::optional<double> factor = getConstantScalar(op->getOperand(1 - passed->getOperandNumber()));
  if (!factor || *factor == 0 || !std::isfinite(*factor))
    return std::nullopt;
  double gain = std::log2(std::abs(*factor));
  return isa<DivOp>(op) ? -gain : gain;
}

/// Finds the gains, in program order. The gain of a sum is the largest gain of its summands.
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

/// Adds the limits of one place. Without a division the place holds magnitudes from `lowest` to
/// `highest`, and keeps some bits of those that are up to `subnormal` below. All are exponents.
void RangeCheck::limitPlace(Value value, Operation *norm, Type type, double lowest, double highest,
                            double subnormal) {
  double gain = gainOf(value);
  if (down > 0)
    keep({value, norm, type, /*isLow=*/true, lowest + down, lowest + down - gain,
          lowest - subnormal - gain});
  // A multiplication brings elements into the range that were below it.
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
