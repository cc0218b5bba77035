//===- SoftmaxFamily.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The entry of the softmax in the table of kernel families.
//
//===----------------------------------------------------------------------===//

#include "../Common/Families.h"
#include "../Common/Scores.h"
#include "basin/Kernels/SoftmaxKernel.h"

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
struct SoftmaxTraits {
  using Spec = SoftmaxSpec;
  using Schedule = SoftmaxSchedule;
  static constexpr llvm::StringLiteral kName = "softmax";
  static constexpr llvm::StringLiteral kSummary = "the softmax of attention's scores";

  static std::string getName(const SoftmaxSpec &spec) { return basin::kernels::getName(spec); }

  static void list(SpecParts &parts, SoftmaxSpec &spec) {
    parts.type("type", spec.type);
    parts.require();
    parts.type("result", spec.resultType);
    parts.flag("separate", spec.separate);
    listScoreParts(parts, spec);
    parts.flag("prefix", spec.prefix);
    parts.flag("log_sum_exp", spec.logSumExp);
    parts.flag("aligned", spec.aligned);
    parts.dim("max_keys", spec.maxKeys);
  }

  static WhyNot complete(SoftmaxSpec &spec, MLIRContext *) {
    spec.scale = spec.scale == 1 ? 0 : spec.scale;
    return completeScoreOptions(spec);
  }

  /// Makes those parts absent that the kernel's name leaves out, too.
  static void simplify(SpecParts &, SoftmaxSpec &spec) {
    spec.scale = spec.scale == 1 ? 0 : spec.scale;
    spec.resultType = spec.resultType == spec.type ? Type() : spec.resultType;
    simplifyScoreOptions(spec);
  }

  static WhyNot check(const SoftmaxSpec &spec) { return basin::kernels::check(spec); }
  static Schedule choose(const SoftmaxSpec &spec, StringRef) { return chooseSoftmaxSchedule(spec); }
  static ScheduleParts getParts(Schedule &schedule) { return schedule.getParts(); }
  static std::vector<StringRef> getScheduleParts() {
    std::vector<StringRef> out;
    Schedule schedule;
    for (const SchedulePart &part : schedule.getParts())
      out.push_back(part.name);
    return out;
  }
  static WhyNot check(const SoftmaxSpec &spec, const Schedule &schedule, StringRef) {
    return schedule.check(spec);
  }
  static gpu::GPUFuncOp build(gpu::GPUModuleOp module, const SoftmaxSpec &spec,
                              const Schedule &schedule) {
    return buildSoftmaxKernel(module, spec, schedule);
  }
};
} // namespace

static const FamilyOf<SoftmaxTraits> kFamily;

const KernelFamily &basin::kernels::getSoftmaxFamily() { return kFamily; }

std::unique_ptr<AnySpec> basin::kernels::toAnySpec(const SoftmaxSpec &spec) {
  return kFamily.wrap(spec);
}
