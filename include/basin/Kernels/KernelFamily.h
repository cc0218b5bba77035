//===- KernelFamily.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The table of kernel families. The compiler's command line, the overrides of schedules,
// basin-kernel-resources and `addKernel` read it, so a new family needs one line there.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_KERNELFAMILY_H
#define BASIN_KERNELS_KERNELFAMILY_H

#include "basin/Kernels/ScheduleOverrides.h"
#include "basin/Support/WhyNot.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#include <memory>
#include <string>
#include <vector>

namespace basin::kernels {

/// What kernels are made for: a chip ("sm_80"), and the parts of schedules that a user sets.
struct KernelTarget {
  llvm::StringRef chip;
  ScheduleOverrides overrides = {};
};

class KernelFamily;

/// A spec of any family: what one kernel computes.
class AnySpec {
public:
  virtual ~AnySpec() = default;

  virtual const KernelFamily &getFamily() const = 0;
  /// Returns the kernel's name, which no other spec has.
  virtual std::string getName() const = 0;
  /// Returns the parts of the spec under their names on the command line, without those that
  /// have their default. Two specs are equal if and only if their parts are.
  virtual mlir::DictionaryAttr getParts() const = 0;
  /// Returns why no schedule can do the spec, or nothing if one can.
  virtual WhyNot check() const = 0;
  /// Returns the parts of the schedule for `target`, which include what the target sets.
  virtual std::vector<std::pair<std::string, int64_t>>
  getSchedule(const KernelTarget &target) const = 0;
  /// Appends the kernel to `module`, with the schedule for `target`. The error says why no
  /// kernel can do the spec, or why that schedule cannot.
  virtual llvm::Expected<mlir::gpu::GPUFuncOp> build(mlir::gpu::GPUModuleOp module,
                                                     const KernelTarget &target) const = 0;
};

class KernelFamily {
public:
  virtual ~KernelFamily() = default;

  /// Returns the name, like "norm". It is the command line's option, and names the family in
  /// contracts and kernel objects.
  virtual llvm::StringRef getName() const = 0;
  virtual llvm::StringRef getSummary() const = 0;
  /// Returns the options of a spec, like "dim=N,type=T[,weight]".
  virtual std::string getUsage() const = 0;
  /// Returns the names of the parts of its schedules, which users may set.
  virtual std::vector<llvm::StringRef> getScheduleParts() const = 0;
  /// Reads a spec from a text of the command line. The error says what is wrong with the text.
  virtual llvm::Expected<std::unique_ptr<AnySpec>> parse(llvm::StringRef text,
                                                         mlir::MLIRContext *context) const = 0;
};

/// Returns all families, in the order in which the compiler makes their kernels.
llvm::ArrayRef<const KernelFamily *> getKernelFamilies();
/// Returns the family of that name, or null if there is none.
const KernelFamily *findKernelFamily(llvm::StringRef name);

} // namespace basin::kernels

#endif // BASIN_KERNELS_KERNELFAMILY_H
