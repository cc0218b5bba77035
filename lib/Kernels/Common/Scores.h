//===- Scores.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the families that compute the softmax of scores share: the options, and the steps from a
// score to its exponential. Private to the kernels.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_COMMON_SCORES_H
#define BASIN_LIB_KERNELS_COMMON_SCORES_H

#include "basin/Kernels/KernelBuilder.h"
#include "basin/Kernels/ScoreOptions.h"
#include "basin/Kernels/SpecParts.h"
#include "basin/Support/WhyNot.h"

namespace basin::kernels {

inline constexpr double kLog2E = 1.4426950408889634, kLn2 = 0.6931471805599453;

// The options, for a family's traits (see FamilyOf).

/// Returns whether kernels take the type: f32, f16 or bf16.
bool isKernelFloat(mlir::Type type);
/// Lists the parts of all options but the type.
void listScoreParts(SpecParts &parts, ScoreOptions &options);
WhyNot completeScoreOptions(ScoreOptions &options);
void simplifyScoreOptions(ScoreOptions &options);
/// Returns why no kernel can do the options, or nothing. The type must be there.
WhyNot checkScoreOptions(const ScoreOptions &options);
/// Returns the part of a kernel's name that tells the options apart, like "_causal_window".
std::string getScoreName(const ScoreOptions &options);

// The steps. A score is in some unit: 1 for natural ones, or log2(e) for those whose exponential
// is exp2(score).

/// Returns cap * tanh(scale * score / cap) in `unit`s.
mlir::Value capScore(KernelBuilder &b, mlir::Value score, double scale, double cap, double unit);
/// Returns the type of the mask's elements.
mlir::Type getMaskElement(const ScoreOptions &options);
/// Returns the natural score of a key that a Keep mask hides.
double getHiddenScore(const ScoreOptions &options);
/// Adds the mask's element `loaded` to a score in `unit`s, or makes the score `hidden` where
/// the element is 0.
mlir::Value maskScore(KernelBuilder &b, const ScoreOptions &options, mlir::Value loaded,
                      mlir::Value score, double hidden, double unit);
/// Returns what is subtracted from scores whose maximum is `highest`. It is 0 where that is
/// -inf, because -inf - -inf would be NaN.
mlir::Value getSubtrahend(KernelBuilder &b, mlir::Value highest);

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_COMMON_SCORES_H
