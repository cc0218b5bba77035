//===- NarrowMask.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Raises the numbers with which masks hide keys. A hidden key has the probability 0 before and
// after, so no bit of a row changes that sees a key. The steps:
// 1. Find what is added to the scores of each attention, or replaces them (ScoreSteps.cpp).
// 2. Read the elements of these values down to their constants (MaskElements.cpp).
// 3. Leave an attention as it is if a value that would change is read by something else, or if a
//    query may see no key.
// 4. Refuse a number that does not hide every score by the bound.
// 5. Change the constants, or copies of them if others read them.
//
//===----------------------------------------------------------------------===//

#include "MaskElements.h"
#include "NormRewrites.h"
#include "ScoreSteps.h"
#include "Statistics.h"
#include "WeightScaling.h"

#include "basin/Conversion/ONNXToSink/MaskParts.h"
#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Parts.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Format.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_NARROWMASKPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

using sink::MaskElements;
using sink::MaskKind;
using sink::MaskReader;
using sink::ScoreStep;

namespace {

/// What changes for one attention.
struct Plan {
  sink::AttentionOp op;
  MaskReader::Cone cone;
  /// What happens to the scores, in order.
  SmallVector<std::pair<ScoreStep, MaskElements>> steps;
  /// The new number that replaces hidden scores, if one does.
  std::optional<double> fill;
  bool rowsSeeKeys = true;
};

class NarrowMaskPass : public basin::sink::impl::NarrowMaskPassBase<NarrowMaskPass> {
public:
  using NarrowMaskPassBase::NarrowMaskPassBase;
  void runOnOperation() override;

private:
  LogicalResult checkOptions();
  WhyNot read(Plan &plan, MaskReader &reader);
  WhyNot findPlan(Plan &plan);
  void dropEscaping(std::vector<Plan> &plans);
  void leave(sink::AttentionOp op, StringRef why);
  LogicalResult checkBound(const Plan &plan);
  std::optional<double> findBound(sink::AttentionOp op);
  LogicalResult changeConstants(ArrayRef<Plan> plans);
  void report(ArrayRef<Plan> plans);

  /// The attentions that keep their masks, by the reason: the first one, and how many there are.
  llvm::MapVector<StringRef, std::pair<sink::AttentionOp, unsigned>> left;
  llvm::StringSet<> reasons;
  llvm::StringMap<double> scoreBounds;
};

} // namespace

static std::string nameOf(sink::AttentionOp op) {
  return ("attention '" + getStreamValueName(op.getResult()) + "'").str();
}

/// Returns the number in as many digits as tell what it is.
static std::string write(double number) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.10g", number);
  return text;
}

LogicalResult NarrowMaskPass::checkOptions() {
  ModuleOp module = getOperation();
  if (!(value < 0) || std::isinf(value))
    return module.emitError("option 'value': expected a negative number, but got ") << write(value);
  if (!(bound >= 0) || std::isinf(bound))
    return module.emitError("option 'bound': expected a positive number, but got ") << bound;
  if (bound > 0 && !stats.empty())
    return module.emitError("options 'bound' and 'stats' both bound the scores: expected one");
  left.clear();
  reasons.clear();
  scoreBounds.clear();
  if (stats.empty())
    return success();
  auto bounds = sink::readScoreBounds(stats);
  if (!bounds)
    return module.emitError(llvm::toString(bounds.takeError()));
  scoreBounds = std::move(*bounds);
  return success();
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

/// Reads the steps of the scores, and the operands of the op, which may be made from others.
WhyNot NarrowMaskPass::read(Plan &plan, MaskReader &reader) {
  SmallVector<ScoreStep> steps;
  SmallVector<OpOperand *> others;
  if (WhyNot why = findScoreSteps(plan.op, steps, others))
    return why;
  std::string why;
  for (OpOperand *use : others)
    if (!reader.read(*use, plan.cone, why))
      return why;
  for (const ScoreStep &step : steps) {
    std::optional<MaskElements> found = reader.read(*step.use, plan.cone, why);
    if (!found)
      return why;
    if (step.replaces && found->changed && (found->hidden || found->seen))
      return "the numbers that replace its hidden scores are not one";
    if (step.replaces && found->changed)
      plan.fill = found->changed;
    plan.steps.emplace_back(step, found->times(step.factor));
  }
  sink::AttentionParts parts(plan.op);
  auto showsRows = [&](MutableOperandRange range, MaskKind kind, double scale) -> WhyNot {
    if (range.empty())
      return std::nullopt;
    bool hides = kind != MaskKind::additive;
    if (!hides) {
      std::optional<MaskElements> found = reader.read(range[0], plan.cone, why);
      if (!found)
        return why;
      if (!(scale > 0))
        return "its mask is multiplied by a number that is not positive";
      hides = found->hides();
    }
    plan.rowsSeeKeys &= !hides || showsOwnKey(plan.op, range[0].get(), kind, scale);
    return std::nullopt;
  };
  if (WhyNot not_ = showsRows(plan.op.getMaskMutable(), parts.maskKind.value_or(MaskKind::additive),
                              parts.maskScale.value_or(1)))
    return not_;
  return showsRows(plan.op.getBiasMutable(), MaskKind::additive, parts.biasScale.value_or(1));
}

/// Finds what changes for the attention. Returns why it keeps its mask. Nothing changes if the plan
/// has no constant and no fill.
WhyNot NarrowMaskPass::findPlan(Plan &plan) {
  sink::AttentionParts parts(plan.op);
  if (!parts.mask && !parts.bias)
    return std::nullopt;
  MaskReader reader(value);
  if (WhyNot why = read(plan, reader))
    return why;
  // Without a form, the op itself says what replaces hidden scores.
  bool isFlags =
      parts.mask && (parts.maskKind == MaskKind::keep || parts.maskKind == MaskKind::drop);
  if (plan.op.getFormRegion().empty() && isFlags) {
    std::optional<double> number = reader.getNumber(getTensorInfo(plan.op.getQuery()).element);
    constexpr double kLowest = -std::numeric_limits<double>::infinity();
    if (number && parts.maskFill.value_or(kLowest) < *number) {
      plan.fill = number;
      MaskElements filled;
      filled.changed = number;
      plan.steps.push_back({{nullptr, /*replaces=*/true}, filled});
    }
  }
  bool changes = !plan.cone.constants.empty() || plan.fill;
  if (changes && !plan.rowsSeeKeys && !padding)
    return "a query may see no key, and its row would get other numbers; padding=true allows that";
  return std::nullopt;
}

void NarrowMaskPass::leave(sink::AttentionOp op, StringRef why) {
  StringRef reason = reasons.insert(why).first->getKey();
  auto [entry, isNew] = left.insert({reason, {op, 0}});
  ++entry->second.second;
  ++numLeft;
}

/// Returns whether a use sees the same before and after the change.
static bool seesNoChange(OpOperand &use) {
  Operation *op = use.getOwner();
  if (isa<ShapeOp, SizeOp>(op))
    return true;
  // What hides a key is not zero, before and after.
  auto cast = dyn_cast<CastOp>(op);
  Type to = cast ? getTensorInfo(cast.getResult()).element : Type();
  return to && to.isInteger(1);
}

/// Drops plans that would change a value which something besides the masks of other plans reads.
/// With each plan that goes, others that share its values may go.
void NarrowMaskPass::dropEscaping(std::vector<Plan> &plans) {
  for (bool dropped = true; dropped;) {
    dropped = false;
    DenseSet<OpOperand *> known;
    for (const Plan &plan : plans)
      known.insert(plan.cone.uses.begin(), plan.cone.uses.end());
    llvm::erase_if(plans, [&](const Plan &plan) {
      for (Value changed : plan.cone.changed)
        for (OpOperand &use : changed.getUses())
          if (!known.contains(&use) && !seesNoChange(use)) {
            leave(plan.op,
                  sink::describeValue(changed) + ", a part of its mask, is read by something else");
            dropped = true;
            return true;
          }
      return false;
    });
  }
}

//===----------------------------------------------------------------------===//
// The bound
//===----------------------------------------------------------------------===//

std::optional<double> NarrowMaskPass::findBound(sink::AttentionOp op) {
  std::optional<double> found;
  auto take = [&](double number) { found = std::min(found.value_or(number), number); };
  if (std::optional<APFloat> cap = op.getSoftcap())
    take(cap->convertToDouble());
  if (bound > 0)
    take(bound);
  auto entry = scoreBounds.find(getStreamValueName(op.getResult()));
  if (entry != scoreBounds.end())
    take(entry->second);
  return found;
}

/// Returns the numbers of the masked scores, if those before are at most `bound` from zero.
static MaskElements maskScores(const Plan &plan, double bound) {
  MaskElements scores = MaskElements::between(-bound, bound);
  for (const auto &[step, elements] : plan.steps)
    scores = step.replaces ? MaskElements::either(scores, elements)
                           : MaskElements::sum(scores, elements);
  return scores;
}

/// The exponential of a number below this is 0: it is less than half of the type's least number
/// above 0. Runtimes compute the Softmax of narrower types in f32.
static double findUnderflow(Type element) { return element && element.isF64() ? -746 : -104; }

/// Returns how much the rounding of a few sums of such numbers can change one.
static double boundRounding(Type element, double largest) {
  constexpr int kSums = 4;
  auto type = dyn_cast_or_null<FloatType>(element);
  int precision =
      type ? static_cast<int>(APFloat::semanticsPrecision(type.getFloatSemantics())) : 8;
  return kSums * std::ldexp(largest, -precision);
}

LogicalResult NarrowMaskPass::checkBound(const Plan &plan) {
  sink::AttentionOp op = plan.op;
  std::optional<double> scores = findBound(op);
  if (!scores)
    return op.emitError(nameOf(op))
           << ": expected the option 'bound' or 'stats', because nothing else bounds its scores";
  MaskElements masked = maskScores(plan, *scores);
  assert(masked.changed && masked.seen && "scores are seen, and a plan changes something");
  Type element = sink::findScoreType(op);
  double lowest = masked.seen->first, hidden = *masked.changed;
  double needed = lowest + findUnderflow(element) -
                  boundRounding(element, std::max(std::abs(lowest), std::abs(hidden)));
  if (hidden <= needed)
    return success();
  return op.emitError(nameOf(op)) << ": option 'value': expected at most "
                                  << write(std::floor(value - (hidden - needed)))
                                  << ", so that scores from -" << write(*scores) << " to "
                                  << write(*scores) << " leave hidden keys hidden, but got "
                                  << write(value);
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// Returns the elements of the constant with `number` in place of those below it that hide a key.
static FailureOr<TypedAttr> raiseNumbers(Value constant, double number) {
  Operation *op = constant.getDefiningOp();
  Attribute attr = isa<ConstantOfShapeOp>(op) ? op->getAttr("value") : getConstantAttr(constant);
  RankedTensorType type = getElementsType(attr);
  auto elements = readFloatElements(attr, op, std::numeric_limits<size_t>::max());
  FailureOr<TensorBytes> data = getTensorBytes(attr, op);
  if (failed(data) || !elements || !type)
    return op->emitError("the data of '") << getValueName(constant) << "' cannot be read";
  APFloat bits(number);
  bool losesInfo;
  bits.convert(cast<FloatType>(type.getElementType()).getFloatSemantics(),
               APFloat::rmNearestTiesToEven, &losesInfo);
  uint64_t word = bits.bitcastToAPInt().getZExtValue();
  size_t size = type.getElementType().getIntOrFloatBitWidth() / 8;
  auto bytes = std::make_shared<std::vector<char>>(data->bytes.begin(), data->bytes.end());
  for (auto [i, x] : llvm::enumerate(*elements))
    if (x < number && x <= sink::kHiddenScore)
      for (size_t k = 0; k < size; ++k)
        (*bytes)[i * size + k] = static_cast<char>(word >> (8 * k));
  return makeElements(type, *bytes, bytes, getValueName(constant));
}

/// Changes the constants in place if masks alone read them, and else copies for the masks.
LogicalResult NarrowMaskPass::changeConstants(ArrayRef<Plan> plans) {
  llvm::SetVector<Value> constants;
  DenseSet<OpOperand *> known;
  for (const Plan &plan : plans) {
    constants.insert(plan.cone.constants.begin(), plan.cone.constants.end());
    known.insert(plan.cone.uses.begin(), plan.cone.uses.end());
  }
  sink::ParameterNames names(getOperation());
  MaskReader reader(value);
  for (Value constant : constants) {
    FailureOr<TypedAttr> raised =
        raiseNumbers(constant, *reader.getNumber(getTensorInfo(constant).element));
    if (failed(raised))
      return failure();
    ++numConstants;
    auto isOfMask = [&](OpOperand &use) { return known.contains(&use); };
    if (llvm::all_of(constant.getUses(), isOfMask)) {
      sink::setWeightData(constant, *raised);
      continue;
    }
    std::string name = names.make((getValueName(constant) + ".narrow").str());
    Value copy = sink::copyWeight(constant, *raised, name);
    constant.replaceUsesWithIf(copy, isOfMask);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

void NarrowMaskPass::report(ArrayRef<Plan> plans) {
  auto more = [](size_t count) {
    return count > 1 ? " (and " + std::to_string(count - 1) + " more)" : std::string();
  };
  for (auto &[why, entry] : left)
    entry.first.emitWarning(nameOf(entry.first))
        << more(entry.second) << " keeps its mask: " << why;
  if (plans.empty())
    return;
  SmallVector<sink::AttentionOp> unseen;
  std::set<std::string> flags;
  for (const Plan &plan : plans) {
    if (!plan.rowsSeeKeys)
      unseen.push_back(plan.op);
    flags.insert(plan.cone.flags.begin(), plan.cone.flags.end());
  }
  if (!unseen.empty())
    unseen.front().emitRemark(nameOf(unseen.front()))
        << more(unseen.size()) << ": rows that see no key get other numbers";
  for (const std::string &name : flags)
    getOperation().emitRemark("input '") << name << "' is taken to have zeros and ones alone";
  // Recognition reads a number above this one as a bias, which hides nothing.
  if (value > sink::kHiddenScore)
    getOperation().emitWarning("the new masks hide keys with ")
        << write(value) << ": read again, the model has biases there and no causal masks";
}

void NarrowMaskPass::runOnOperation() {
  if (failed(checkOptions()))
    return signalPassFailure();
  FailureOr<llvm::GlobPattern> pattern =
      sink::parsePattern(getOperation(), "attentions", attentions, "all");
  if (failed(pattern))
    return signalPassFailure();
  std::vector<Plan> plans;
  bool isNamed = attentions == "all";
  getOperation().walk([&](sink::AttentionOp op) {
    if (!pattern->match(getStreamValueName(op.getResult())))
      return;
    isNamed = true;
    Plan plan{op, {}, {}, {}, true};
    if (WhyNot why = findPlan(plan))
      leave(op, *why);
    else if (!plan.cone.constants.empty() || plan.fill)
      plans.push_back(std::move(plan));
  });
  if (!isNamed) {
    getOperation().emitError("option 'attentions': no attention has a name like '")
        << attentions << "'";
    return signalPassFailure();
  }
  dropEscaping(plans);
  for (const Plan &plan : plans)
    if (failed(checkBound(plan)))
      return signalPassFailure();
  if (failed(changeConstants(plans)))
    return signalPassFailure();
  for (Plan &plan : plans)
    if (plan.fill)
      plan.op.setMaskFill(APFloat(*plan.fill));
  numNarrowed += plans.size();
  report(plans);
}
