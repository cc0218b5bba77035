//===- Families.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes a KernelFamily from what a family defines in its own folder. Private to the kernels.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_COMMON_FAMILIES_H
#define BASIN_LIB_KERNELS_COMMON_FAMILIES_H

#include "basin/Dialect/Kernel/IR/Kernel.h"
#include "basin/Kernels/KernelFamily.h"
#include "basin/Kernels/SpecParts.h"

namespace basin::kernels {

// Each family defines one of these in its folder.
const KernelFamily &getNormFamily();
const KernelFamily &getDyTFamily();
const KernelFamily &getAttentionFamily();
const KernelFamily &getPointwiseFamily();
const KernelFamily &getSoftmaxFamily();

/// All families, in the order in which the compiler makes their kernels.
inline constexpr const KernelFamily &(*kFamilies[])() = {
    getNormFamily, getDyTFamily, getAttentionFamily, getPointwiseFamily, getSoftmaxFamily};

/// A family that is defined by its `Traits`, a struct of static members:
///
///   Spec, Schedule                     plain structs; Spec has `type`
///   kName, kSummary                    of the family
///   getName(spec)                      the kernel's name
///   list(parts, spec)                  lists the parts of a spec, see SpecParts
///   complete(spec, context)            fills in what a text left out; returns why its options
///                                      do not belong together, or nothing if they do
///   simplify(parts, spec)              makes parts absent that have their default
///   check(spec)                        returns why no schedule can do the spec, or nothing
///   choose(spec, chip)                 returns the schedule
///   getParts(schedule)                 returns its parts
///   check(spec, schedule, chip)        returns why that schedule cannot do the spec, or nothing
///   build(module, spec, schedule)      appends the kernel
template <typename Traits> class FamilyOf : public KernelFamily {
public:
  using Spec = typename Traits::Spec;
  using Schedule = typename Traits::Schedule;

  llvm::StringRef getName() const override { return Traits::kName; }
  llvm::StringRef getSummary() const override { return Traits::kSummary; }
  std::string getUsage() const override {
    Spec spec;
    SpecParts parts;
    Traits::list(parts, spec);
    return parts.usage();
  }
  std::vector<llvm::StringRef> getScheduleParts() const override {
    return Traits::getScheduleParts();
  }
  llvm::Expected<std::unique_ptr<AnySpec>> parse(llvm::StringRef text,
                                                 mlir::MLIRContext *context) const override {
    Spec spec;
    SpecParts parts;
    Traits::list(parts, spec);
    if (llvm::Error error = parts.parse(text, getName(), context))
      return error;
    if (WhyNot why = Traits::complete(spec, context))
      return llvm::createStringError(*why);
    return wrap(spec);
  }

  std::unique_ptr<AnySpec> wrap(const Spec &spec) const {
    return std::make_unique<Wrapped>(*this, spec);
  }

private:
  class Wrapped : public AnySpec {
  public:
    Wrapped(const FamilyOf &family, const Spec &spec) : family(family), spec(spec) {}

    const KernelFamily &getFamily() const override { return family; }
    std::string getName() const override { return Traits::getName(spec); }
    WhyNot check() const override { return Traits::check(spec); }

    mlir::DictionaryAttr getParts() const override {
      Spec simple = spec;
      SpecParts parts;
      Traits::list(parts, simple);
      Traits::simplify(parts, simple);
      return parts.toAttribute(spec.type.getContext());
    }

    std::vector<std::pair<std::string, int64_t>>
    getSchedule(const KernelTarget &target) const override {
      Schedule schedule = choose(target);
      std::vector<std::pair<std::string, int64_t>> out;
      for (const SchedulePart &part : Traits::getParts(schedule))
        out.emplace_back(part.name.str(), part.get());
      return out;
    }

    llvm::Expected<mlir::gpu::GPUFuncOp> build(mlir::gpu::GPUModuleOp module,
                                               const KernelTarget &target) const override {
      if (WhyNot why = check())
        return llvm::createStringError(*why);
      Schedule schedule = choose(target);
      if (WhyNot why = Traits::check(spec, schedule, target.chip))
        return llvm::createStringError(*why);
      mlir::gpu::GPUFuncOp kernel = Traits::build(module, spec, schedule);
      ContractAttr::of(kernel).withSpec(family.getName(), getParts()).setOn(kernel);
      return kernel;
    }

  private:
    Schedule choose(const KernelTarget &target) const {
      Schedule schedule = Traits::choose(spec, target.chip);
      target.overrides.apply(Traits::getParts(schedule));
      return schedule;
    }

    const FamilyOf &family;
    Spec spec;
  };
};

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_COMMON_FAMILIES_H
