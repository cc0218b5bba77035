//===- ScoreOptions.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Scores.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

Type ScoreOptions::getSinkType() const {
  return sinkType ? sinkType : Float32Type::get(type.getContext());
}

static constexpr std::pair<StringRef, ScoreOptions::Mask> kMasks[] = {{"bias", ScoreOptions::Bias},
                                                                      {"keep", ScoreOptions::Keep}};

static bool isPositive(double x) { return x > 0 && std::isfinite(x); }
static bool isNegative(double x) { return x < 0 && std::isfinite(x); }

void basin::kernels::listScoreParts(SpecParts &parts, ScoreOptions &options) {
  parts.flag("causal", options.causal);
  parts.flag("top_left", options.topLeft);
  parts.flag("window", options.window);
  parts.choice("mask", options.mask, Choices<ScoreOptions::Mask>(kMasks));
  parts.type("mask_type", options.maskType);
  parts.number("mask_fill", options.maskFill, "a negative number", isNegative);
  parts.flag("nan_hidden_rows", options.nanHiddenRows);
  parts.number("scale", options.scale, "a positive number", isPositive);
  parts.number("softcap", options.softcap, "a positive number", isPositive);
  parts.flag("key_lengths", options.keyLengths);
  parts.flag("sink_logit", options.sinkLogit);
  parts.type("sink_type", options.sinkType);
}

WhyNot basin::kernels::completeScoreOptions(ScoreOptions &options) {
  if (options.maskType && options.mask != ScoreOptions::Bias)
    return "expected the option mask=bias, which mask_type needs";
  if (options.sinkType && !options.sinkLogit)
    return "expected the option sink_logit, which sink_type needs";
  if (options.topLeft && !options.causal && !options.window)
    return "expected the option causal or window, which top_left needs";
  if (options.mask == ScoreOptions::Bias && !options.maskType)
    options.maskType = options.type;
  return std::nullopt;
}

/// Makes those parts absent that the kernel's name leaves out, too.
void basin::kernels::simplifyScoreOptions(ScoreOptions &options) {
  options.topLeft &= options.causal || options.window;
  if (options.mask != ScoreOptions::Bias || options.maskType == options.type)
    options.maskType = Type();
  if (!options.sinkLogit || options.getSinkType().isF32())
    options.sinkType = Type();
}

bool basin::kernels::isKernelFloat(Type type) {
  return type && (type.isBF16() || type.isF16() || type.isF32());
}

WhyNot basin::kernels::checkScoreOptions(const ScoreOptions &options) {
  if (!(options.scale >= 0) || std::isinf(options.scale))
    return llvm::formatv("expected a positive scale, but got {0}", options.scale);
  if (!(options.softcap >= 0) || std::isinf(options.softcap))
    return llvm::formatv("expected a positive softcap, but got {0}", options.softcap);
  if (options.mask == ScoreOptions::Bias && !isKernelFloat(options.maskType))
    return "expected a bias of bf16, f16 or f32";
  if (options.maskFill != 0 &&
      (options.mask != ScoreOptions::Keep || options.causal || options.window))
    return "expected a mask_fill only with a mask of kind keep, and without causal or window";
  if (options.maskFill > 0 || !std::isfinite(options.maskFill))
    return llvm::formatv("expected a negative mask_fill, but got {0}", options.maskFill);
  return std::nullopt;
}

std::string basin::kernels::getScoreName(const ScoreOptions &options) {
  std::string name;
  if (options.scale != 0)
    name += "_scale" + spellNumber(options.scale);
  if (options.softcap != 0)
    name += "_softcap" + spellNumber(options.softcap);
  if (options.mask == ScoreOptions::Bias)
    name += "_bias" + getTypeName(options.maskType);
  if (options.maskFill != 0)
    name += "_fill" + spellNumber(options.maskFill);
  for (auto [has, part] : std::initializer_list<std::pair<bool, const char *>>{
           {options.causal, "_causal"},
           {options.window, "_window"},
           {options.topLeft && (options.causal || options.window), "_topleft"},
           {options.mask == ScoreOptions::Keep, "_keep"},
           {options.nanHiddenRows, "_nanrows"},
           {options.keyLengths, "_keylengths"}})
    if (has)
      name += part;
  if (!options.sinkLogit)
    return name;
  Type sink = options.getSinkType();
  return name + (sink.isF32()           ? "_sinklogit"
                 : sink == options.type ? "_narrowsinklogit"
                                        : "_" + getTypeName(sink) + "sinklogit");
}
