//===- AttentionFamily.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The entry of attention in the table of kernel families.
//
//===----------------------------------------------------------------------===//

#include "../Common/Families.h"
#include "../Common/Scores.h"
#include "basin/Kernels/AttentionKernel.h"

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
constexpr std::pair<StringRef, AttentionSpec::Gate> kGates[] = {
    {"plain", AttentionSpec::Plain}, {"sigmoid", AttentionSpec::Sigmoid}};

struct AttentionTraits {
  using Spec = AttentionSpec;
  using Schedule = AttentionSchedule;
  static constexpr llvm::StringLiteral kName = "attention";
  static constexpr llvm::StringLiteral kSummary = "softmax attention with sinks, forward";

  static std::string getName(const AttentionSpec &spec) { return basin::kernels::getName(spec); }

  static void list(SpecParts &parts, AttentionSpec &spec) {
    parts.dim("head_dim", spec.headDim);
    parts.require();
    parts.type("type", spec.type);
    parts.require();
    parts.dim("value_dim", spec.valueDim);
    listScoreParts(parts, spec);
    parts.flag("sink_kv", spec.sinkKeyValue);
    parts.choice("gate", spec.gate, Choices<AttentionSpec::Gate>(kGates));
    parts.flag("gate_per_head", spec.gatePerHead);
    parts.flag("log_sum_exp", spec.logSumExp);
  }

  static WhyNot complete(AttentionSpec &spec, MLIRContext *) {
    if (spec.gatePerHead && spec.gate == AttentionSpec::NoGate)
      return "expected the option gate, which gate_per_head needs";
    return completeScoreOptions(spec);
  }

  /// Makes those parts absent that the kernel's name leaves out, too.
  static void simplify(SpecParts &, AttentionSpec &spec) {
    if (spec.valueDim == spec.headDim)
      spec.valueDim = 0;
    spec.gatePerHead &= spec.gate != AttentionSpec::NoGate;
    simplifyScoreOptions(spec);
  }

  static WhyNot check(const AttentionSpec &spec) { return basin::kernels::check(spec); }
  static Schedule choose(const AttentionSpec &spec, StringRef chip) {
    return chooseAttentionSchedule(spec, chip);
  }
  static ScheduleParts getParts(Schedule &schedule) { return schedule.getParts(); }
  static std::vector<StringRef> getScheduleParts() {
    std::vector<StringRef> out;
    Schedule schedule;
    for (const SchedulePart &part : schedule.getParts())
      out.push_back(part.name);
    return out;
  }
  static WhyNot check(const AttentionSpec &spec, const Schedule &schedule, StringRef chip) {
    return schedule.check(spec, chip);
  }
  static gpu::GPUFuncOp build(gpu::GPUModuleOp module, const AttentionSpec &spec,
                              const Schedule &schedule) {
    return buildAttentionKernel(module, spec, schedule);
  }
};
} // namespace

static const FamilyOf<AttentionTraits> kFamily;

const KernelFamily &basin::kernels::getAttentionFamily() { return kFamily; }

std::unique_ptr<AnySpec> basin::kernels::toAnySpec(const AttentionSpec &spec) {
  return kFamily.wrap(spec);
}
