//===- DyTFamily.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The entry of dynamic tanh in the table of kernel families. Its schedule has no parts.
//
//===----------------------------------------------------------------------===//

#include "../Common/Families.h"
#include "basin/Kernels/DyTKernel.h"

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
struct DyTTraits {
  using Spec = DyTSpec;
  struct Schedule {};
  static constexpr llvm::StringLiteral kName = "dyt";
  static constexpr llvm::StringLiteral kSummary = "dynamic tanh";

  static std::string getName(const DyTSpec &spec) { return basin::kernels::getName(spec); }

  static void list(SpecParts &parts, DyTSpec &spec) {
    parts.dim("dim", spec.dim);
    parts.require();
    parts.type("type", spec.type);
    parts.require();
    parts.type("result", spec.resultType);
    parts.type("parameters", spec.parameterType);
    parts.flag("bias", spec.bias);
  }

  static WhyNot complete(DyTSpec &spec, MLIRContext *) {
    spec.resultType = spec.resultType ? spec.resultType : spec.type;
    spec.parameterType = spec.parameterType ? spec.parameterType : spec.type;
    return std::nullopt;
  }

  static void simplify(SpecParts &, DyTSpec &spec) {
    spec.resultType = spec.resultType == spec.type ? Type() : spec.resultType;
    spec.parameterType = spec.parameterType == spec.type ? Type() : spec.parameterType;
  }

  static WhyNot check(const DyTSpec &) { return std::nullopt; }
  static Schedule choose(const DyTSpec &, StringRef) { return {}; }
  static ScheduleParts getParts(Schedule &) { return {}; }
  static std::vector<StringRef> getScheduleParts() { return {}; }
  static WhyNot check(const DyTSpec &, const Schedule &, StringRef) { return std::nullopt; }
  static gpu::GPUFuncOp build(gpu::GPUModuleOp module, const DyTSpec &spec, const Schedule &) {
    return buildDyTKernel(module, spec);
  }
};
} // namespace

static const FamilyOf<DyTTraits> kFamily;

const KernelFamily &basin::kernels::getDyTFamily() { return kFamily; }

std::unique_ptr<AnySpec> basin::kernels::toAnySpec(const DyTSpec &spec) {
  return kFamily.wrap(spec);
}
