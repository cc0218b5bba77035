//===- ZeroOneMasks.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Masks by arithmetic with zeros and ones, as GPT-1, XLNet and Megatron write them.
//
//===----------------------------------------------------------------------===//

#include "AttentionWalk.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;
namespace sink = basin::sink;
using basin::sink::MaskKind;

/// Returns whether all elements are certainly 0 or 1.
static bool isZeroOne(Value value) {
  for (unsigned depth = 0; depth < 16; ++depth) {
    Operation *op = value.getDefiningOp();
    if (getElementTypeOf(value) && getElementTypeOf(value).isInteger(1))
      return true;
    if (isConstant(value)) {
      constexpr size_t kMaxElements = 1 << 24;
      auto elements = getConstantFloats(value, kMaxElements);
      return elements && llvm::all_of(*elements, [](double x) { return x == 0 || x == 1; });
    }
    if (!op || !isa<CastOp, IdentityOp, SliceOp, ExpandOp, ReshapeOp, UnsqueezeOp, SqueezeOp,
                    TransposeOp, TriluOp>(op))
      return false;
    value = op->getOperand(0);
  }
  return false;
}

/// Returns the other factor of a Mul if one of its factors is `factor`, or null.
static Value matchOther(Value product, llvm::function_ref<bool(Value)> isFactor) {
  auto mul = product.getDefiningOp<MulOp>();
  for (unsigned i : {0u, 1u})
    if (mul && isFactor(mul->getOperand(i)))
      return mul->getOperand(1 - i);
  return {};
}

namespace {

/// Constants f b and c (1 - b), of a b of zeros and ones.
struct Complement {
  double factor = 1, hidden;
};

} // namespace

/// Returns the numbers f and c if `b` is the constant f b and `folded` the constant c (1 - b).
static std::optional<Complement> evaluateComplement(Value b, Value folded) {
  constexpr size_t kMaxElements = 1 << 24;
  if (!isConstant(b) || !isConstant(folded) || b.getType() != folded.getType())
    return std::nullopt;
  auto flags = getConstantFloats(b, kMaxElements),
       numbers = getConstantFloats(folded, kMaxElements);
  std::optional<double> factor, hidden;
  if (!flags || !numbers || flags->size() != numbers->size())
    return std::nullopt;
  for (auto [flag, number] : llvm::zip_equal(*flags, *numbers)) {
    bool isSeen = flag > 0;
    if (isSeen ? number != 0 || flag != factor.value_or(flag)
               : flag != 0 || number != hidden.value_or(number))
      return std::nullopt;
    (isSeen ? factor : hidden) = isSeen ? flag : number;
  }
  return factor && hidden ? std::optional(Complement{*factor, *hidden}) : std::nullopt;
}

/// Takes the mask b from s b + (1 - b) low or s b - (1 - b) high, with b of zeros and ones: what
/// GPT-1 and Megatron write for where(b, s, low). An optimizer may have put a factor of the scores
/// into b.
bool AttentionWalk::takeZeroOneMask(Operation *op) {
  if (!isa<AddOp, SubOp>(op) || m.parts.mask || m.parts.bias || sawScale)
    return false;
  for (unsigned i : {0u, 1u}) {
    if (i == 1 && isa<SubOp>(op))
      return false;
    Value kept = op->getOperand(i), hidden = op->getOperand(1 - i), flags;
    auto isComplement = [&](Value value) {
      auto sub = value.getDefiningOp<SubOp>();
      if (!sub || evaluateScalar(sub.getA()) != 1.0)
        return false;
      flags = sub.getB();
      return true;
    };
    Value low = matchOther(hidden, isComplement);
    std::optional<double> number = low ? evaluateScalar(low) : std::nullopt;
    std::optional<Complement> folded;
    auto isFolded = [&](Value value) {
      folded = evaluateComplement(value, hidden);
      flags = folded ? value : Value();
      return folded.has_value();
    };
    Value source = number ? matchOther(kept, [&](Value value) { return value == flags; })
                          : matchOther(kept, isFolded);
    if (folded)
      number = folded->hidden;
    double fill = number ? (isa<SubOp>(op) ? -*number : *number) : 0;
    if (!source || !isScores(source) || !(fill <= sink::kHiddenScore) ||
        !(folded || isZeroOne(flags)))
      continue;
    m.idiom.inside.insert(kept.getDefiningOp());
    if (low)
      m.idiom.inside.insert(hidden.getDefiningOp());
    m.parts.mask = flags;
    m.parts.maskKind = MaskKind::keep;
    if (std::isfinite(fill))
      m.parts.maskFill = fill;
    if (folded && folded->factor != 1) {
      sawScale = true;
      *m.parts.scale *= folded->factor;
    }
    cur = source;
    return true;
  }
  return false;
}
