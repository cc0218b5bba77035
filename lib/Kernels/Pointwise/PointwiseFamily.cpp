//===- PointwiseFamily.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The entry of pointwise programs in the table of kernel families, their specs and their names.
//
//===----------------------------------------------------------------------===//

#include "../Common/Families.h"
#include "basin/Kernels/PointwiseKernel.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

llvm::Expected<PointwiseSpec> basin::kernels::parsePointwiseSpec(StringRef sizes, StringRef program,
                                                                 MLIRContext *context) {
  auto space = parsePointwiseSizes(sizes);
  if (!space)
    return space.takeError();
  llvm::Expected<PointwiseProgram> parsed = parsePointwiseProgram(program, *space);
  if (!parsed)
    return parsed.takeError();
  return PointwiseSpec{sizes.str(), normalizePointwiseProgram(program), std::move(*parsed),
                       IntegerType::get(context, 32)};
}

std::string basin::kernels::getName(const PointwiseSpec &spec) {
  uint64_t hash = llvm::xxh3_64bits(spec.sizes + " " + spec.program);
  std::string digits = llvm::utohexstr(hash, /*LowerCase=*/true, /*Width=*/16);
  return "pointwise_" + digits;
}

namespace {
struct PointwiseTraits {
  using Spec = PointwiseSpec;
  using Schedule = PointwiseSchedule;
  static constexpr llvm::StringLiteral kName = "pointwise";
  static constexpr llvm::StringLiteral kSummary = "a program for each element of a space";

  static std::string getName(const PointwiseSpec &spec) { return basin::kernels::getName(spec); }

  static void list(SpecParts &parts, PointwiseSpec &spec) {
    parts.text("sizes", spec.sizes);
    parts.require();
    parts.text("program", spec.program);
    parts.require();
  }

  static WhyNot complete(PointwiseSpec &spec, MLIRContext *context) {
    llvm::Expected<PointwiseSpec> parsed = parsePointwiseSpec(spec.sizes, spec.program, context);
    if (!parsed)
      return llvm::toString(parsed.takeError());
    spec = std::move(*parsed);
    return std::nullopt;
  }

  static void simplify(SpecParts &, PointwiseSpec &) {}
  static WhyNot check(const PointwiseSpec &) { return std::nullopt; }
  static Schedule choose(const PointwiseSpec &spec, StringRef) {
    return choosePointwiseSchedule(spec);
  }
  static ScheduleParts getParts(Schedule &schedule) { return schedule.getParts(); }
  static std::vector<StringRef> getScheduleParts() {
    std::vector<StringRef> out;
    Schedule schedule;
    for (const SchedulePart &part : schedule.getParts())
      out.push_back(part.name);
    return out;
  }
  static WhyNot check(const PointwiseSpec &spec, const Schedule &schedule, StringRef) {
    return schedule.check(spec);
  }
  static gpu::GPUFuncOp build(gpu::GPUModuleOp module, const PointwiseSpec &spec,
                              const Schedule &schedule) {
    return buildPointwiseKernel(module, spec, schedule);
  }
};
} // namespace

static const FamilyOf<PointwiseTraits> kFamily;

const KernelFamily &basin::kernels::getPointwiseFamily() { return kFamily; }

std::unique_ptr<AnySpec> basin::kernels::toAnySpec(const PointwiseSpec &spec) {
  return kFamily.wrap(spec);
}
