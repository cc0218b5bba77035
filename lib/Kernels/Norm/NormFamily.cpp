//===- NormFamily.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The entry of norms in the table of kernel families. A spec with a gate has another type of
// schedule.
//
//===----------------------------------------------------------------------===//

#include "../Common/Families.h"
#include "basin/Kernels/NormKernel.h"

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
constexpr std::pair<StringRef, GateActivation> kActivations[] = {
    {"sigmoid", GateActivation::Sigmoid},
    {"tanh", GateActivation::Tanh},
    {"silu", GateActivation::Silu},
    {"identity", GateActivation::Identity}};

struct NormTraits {
  using Spec = NormSpec;
  using Schedule = std::variant<NormSchedule, GatedNormSchedule>;
  static constexpr llvm::StringLiteral kName = "norm";
  static constexpr llvm::StringLiteral kSummary = "RMSNorm or LayerNorm, with what is around it";

  static std::string getName(const NormSpec &spec) { return basin::kernels::getName(spec); }

  static void list(SpecParts &parts, NormSpec &spec) {
    parts.dim("dim", spec.dim);
    parts.require();
    parts.type("type", spec.type);
    parts.require();
    parts.type("result", spec.resultType);
    parts.type("parameters", spec.parameterType);
    parts.flag("layer", spec.layer);
    parts.flag("residual", spec.residual);
    parts.flag("residual_bias", spec.residualBias);
    parts.flag("sum", spec.sum);
    parts.flag("pre_affine", spec.preAffine);
    parts.flag("weight", spec.weight);
    parts.flag("bias", spec.bias);
    parts.dim("gate", spec.gateRank);
    parts.flag("tensorwise", spec.tensorwise);
    parts.choice("activation", spec.activation, Choices<GateActivation>(kActivations));
    parts.number("eps", spec.epsilon, "a number that is not negative",
                 [](double x) { return x >= 0; });
    parts.keepZero();
  }

  static WhyNot complete(NormSpec &spec, MLIRContext *) {
    if ((spec.sum || spec.residualBias) && !spec.residual)
      return "expected the option residual, which sum and residual_bias need";
    if (spec.bias && !spec.layer)
      return "expected the option layer, which bias needs";
    if (spec.tensorwise && spec.gateRank == 0)
      return "expected the option gate, which tensorwise needs";
    spec.resultType = spec.resultType ? spec.resultType : spec.type;
    spec.parameterType = spec.parameterType ? spec.parameterType : spec.type;
    return std::nullopt;
  }

  static void simplify(SpecParts &parts, NormSpec &spec) {
    spec.resultType = spec.resultType == spec.type ? Type() : spec.resultType;
    spec.parameterType = spec.parameterType == spec.type ? Type() : spec.parameterType;
    spec.epsilon = static_cast<float>(spec.epsilon); // the kernel uses an f32
    if (spec.gateRank == 0)
      parts.drop("activation");
  }

  static WhyNot check(const NormSpec &) { return std::nullopt; }

  static Schedule choose(const NormSpec &spec, StringRef chip) {
    if (spec.gateRank == 0)
      return chooseNormSchedule(spec);
    return chooseGatedNormSchedule(spec, chip);
  }

  static ScheduleParts getParts(Schedule &schedule) {
    return std::visit([](auto &one) { return one.getParts(); }, schedule);
  }

  static std::vector<StringRef> getScheduleParts() {
    std::vector<StringRef> out;
    for (Schedule schedule : {Schedule(NormSchedule()), Schedule(GatedNormSchedule())})
      for (const SchedulePart &part : getParts(schedule))
        out.push_back(part.name);
    return out;
  }

  static WhyNot check(const NormSpec &spec, const Schedule &schedule, StringRef chip) {
    if (auto *plain = std::get_if<NormSchedule>(&schedule))
      return plain->check(spec);
    return std::get<GatedNormSchedule>(schedule).check(spec, chip);
  }

  static gpu::GPUFuncOp build(gpu::GPUModuleOp module, const NormSpec &spec,
                              const Schedule &schedule) {
    if (auto *plain = std::get_if<NormSchedule>(&schedule))
      return buildNormKernel(module, spec, *plain);
    return buildGatedNormKernel(module, spec, std::get<GatedNormSchedule>(schedule));
  }
};
} // namespace

static const FamilyOf<NormTraits> kFamily;

const KernelFamily &basin::kernels::getNormFamily() { return kFamily; }

std::unique_ptr<AnySpec> basin::kernels::toAnySpec(const NormSpec &spec) {
  return kFamily.wrap(spec);
}
